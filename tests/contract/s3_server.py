"""A small S3 over HTTP: objects put whole or in parts, read whole or by range, listed and deleted.

As a process: python -m tests.contract.s3_server ADDRESS PORT
"""

from __future__ import annotations

import hashlib
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

XML = '<?xml version="1.0" encoding="UTF-8"?>'


def s3_environment(address: str, port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT": f"http://{address}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }


class S3Server:
    """Keeps objects in memory; `environment` is what a client of object_store must be given."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self._server = ThreadingHTTPServer((address, port), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        address, port = self._server.server_address[:2]
        return s3_environment(str(address), port)

    def __enter__(self) -> S3Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(store: S3Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return None

        def _asked(self) -> tuple[str, dict[str, list[str]]]:
            parts = urlsplit(self.path)
            _, _, key = unquote(parts.path).lstrip("/").partition("/")
            return key, parse_qs(parts.query, keep_blank_values=True)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _reply(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_PUT(self) -> None:
            key, query = self._asked()
            body = self._body()
            if "partNumber" in query:
                store.parts[query["uploadId"][0]][int(query["partNumber"][0])] = body
            else:
                store.objects[key] = body
            self._reply(200, ETag=_tag(body))

        def do_POST(self) -> None:
            key, query = self._asked()
            body = self._body().decode()
            if "uploads" in query:
                upload = str(len(store.parts))
                store.parts[upload] = {}
                told = f"<UploadId>{upload}</UploadId><Bucket>bucket</Bucket><Key>{escape(key)}</Key>"
                told = f"<InitiateMultipartUploadResult>{told}</InitiateMultipartUploadResult>"
            elif "uploadId" in query:
                parts = store.parts.pop(query["uploadId"][0])
                store.objects[key] = b"".join(parts[number] for number in sorted(parts))
                told = f"<CompleteMultipartUploadResult><ETag>{_tag(store.objects[key])}</ETag></CompleteMultipartUploadResult>"
            else:
                keys = re.findall("<Key>(.*?)</Key>", body)
                for name in keys:
                    store.objects.pop(name, None)
                told = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in keys)
                told = f"<DeleteResult>{told}</DeleteResult>"
            self._reply(200, (XML + told).encode(), Content_Type="application/xml")

        def do_GET(self) -> None:
            key, query = self._asked()
            if not key:
                prefix = query.get("prefix", [""])[0]
                rows = "".join(
                    f"<Contents><Key>{escape(name)}</Key><Size>{len(body)}</Size><ETag>{_tag(body)}</ETag>"
                    "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                    for name, body in sorted(store.objects.items())
                    if name.startswith(prefix)
                )
                told = f"<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
                self._reply(200, (XML + told).encode(), Content_Type="application/xml")
            elif key not in store.objects:
                self._reply(404, f"{XML}<Error><Code>NoSuchKey</Code></Error>".encode(), Content_Type="application/xml")
            else:
                body, more, status = store.objects[key], {}, 200
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
                if asked:
                    first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
                    more["Content_Range"] = f"bytes {first}-{last}/{len(body)}"
                    status, body = 206, body[first : last + 1]
                tag = _tag(store.objects[key])
                self._reply(status, body, ETag=tag, Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT", **more)

        do_HEAD = do_GET

        def do_DELETE(self) -> None:
            key, query = self._asked()
            store.parts.pop(query.get("uploadId", [""])[0], None)
            store.objects.pop(key, None)
            self._reply(204)

    return Handler


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


if __name__ == "__main__":
    with S3Server(sys.argv[1], int(sys.argv[2])):
        threading.Event().wait()
