"""Files over HTTP, through the real SDK and raw sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloudglue import CloudglueError

from tests.acceptance.live_front import Account

CLIP = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 64
BOUNDARY = "x-boundary"


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip é.mp4"
    path.write_bytes(CLIP)
    return str(path)


def part(name: str, value: bytes, extra: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + value + b"\r\n"


def post_form(account: Account, *parts: bytes, end: bytes = b"--x-boundary--\r\n"):
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with account.http as http:
        return http.post("/v1/files", content=b"".join(parts) + end, headers=headers)


def file_part(content: bytes = CLIP, name: str = "clip.mp4") -> bytes:
    return part("file", content, f'; filename="{name}"\r\nContent-Type: application/octet-stream')


def stored(account: Account) -> list[Path]:
    folder = account.front.data_dir / "objects" / "tenants" / account.tenant_id
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_sdk_uploads_gets_lists_updates_and_deletes_a_file(account: Account, clip: str):
    sdk = account.sdk
    file = sdk.files.upload(clip, metadata={"speaker": "Ada"}, enable_segment_thumbnails=True)
    assert (file.status, file.bytes, file.filename) == ("pending", len(CLIP), "clip é.mp4")
    assert file.uri == f"cloudglue://files/{file.id}" and file.metadata == {"speaker": "Ada"}
    assert file.created_at > 1_700_000_000_000
    assert [path.read_bytes() for path in stored(account)] == [CLIP]
    assert sdk.files.get(file.id).id == file.id
    assert [item.id for item in sdk.files.list().data] == [file.id]
    renamed = sdk.files.update(file.id, filename="other.mp4", metadata={"speaker": "Grace"})
    assert (renamed.filename, renamed.metadata) == ("other.mp4", {"speaker": "Grace"})
    assert sdk.files.delete(file.id).id == file.id
    with pytest.raises(CloudglueError) as gone:
        sdk.files.get(file.id)
    assert gone.value.status_code == 404 and file.id in gone.value.data.error


def test_a_file_of_another_tenant_can_not_be_seen(account: Account, clip: str):
    file = account.sdk.files.upload(clip)
    with pytest.raises(CloudglueError) as hidden:
        account.front.account().sdk.files.get(file.id)
    assert hidden.value.status_code == 404


def test_fields_count_before_and_after_the_file(account: Account):
    meta = part("metadata", b'{"n": 1}')
    switch = part("enable_segment_thumbnails", b"False")
    for parts in ([meta, switch, file_part()], [file_part(), meta, switch]):
        reply = post_form(account, *parts)
        assert reply.status_code == 200, reply.text
        assert reply.json()["metadata"] == {"n": 1}
        kept = account.front.call(account.front.backend.files.get(account.tenant_id, reply.json()["id"]))
        assert kept.segment_thumbnails is False


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ([part("metadata", b"{}")], 400, "no part named 'file'"),
        ([file_part(b"")], 400, "empty"),
        ([part("file", CLIP)], 400, "no filename"),
        ([file_part(), file_part()], 400, "two parts"),
        ([part("metadata", b"[1]"), file_part()], 400, "metadata"),
        ([file_part(), part("metadata", b'{"a": NaN}')], 400, "metadata"),
        ([part("metadata", b"x" * 300_000), file_part()], 400, "metadata is larger"),
        ([part("metadata", b"[]"), file_part()], 400, "metadata"),
        ([part("metadata", b"null"), file_part()], 400, "metadata"),
        ([part("enable_segment_thumbnails", b"maybe"), file_part()], 400, "enable_segment_thumbnails"),
        ([part("enable_segment_thumbnails", b"1"), file_part()], 400, "enable_segment_thumbnails"),
        ([part(f"field{n}", b"x") for n in range(30)], 400, "more than 20 parts"),
        ([file_part(b"<!DOCTYPE html><p>not found")], 415, "web page"),
        ([file_part(b"%PDF-1.7 ...")], 415, "PDF"),
        ([file_part(b"PK\x03\x04rest")], 415, "ZIP"),
    ],
)
def test_a_bad_form_is_refused_with_its_reason_and_leaves_nothing(account: Account, parts, status, words):
    reply = post_form(account, *parts)
    assert (reply.status_code, list(reply.json())) == (status, ["error"])
    assert words in reply.json()["error"]
    assert stored(account) == [] and account.sdk.files.list().total == 0


def test_a_form_that_is_cut_short_or_garbled_is_refused(account: Account):
    assert post_form(account, file_part(), end=b"").status_code == 400
    assert post_form(account, b"garbage").status_code == 400
    with account.http as http:
        assert http.post("/v1/files", json={"file": "x"}).status_code == 400
        assert http.post("/v1/files").status_code == 400
    assert stored(account) == []


def test_an_upload_over_the_limit_is_refused_while_it_streams(account: Account):
    def body() -> Iterator[bytes]:
        yield part("file", b"", '; filename="big.mp4"')[:-2]
        for _ in range(40):
            yield b"\xff" * 1024**2

    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    with account.http as http:
        reply = http.post("/v1/files", content=body(), headers=headers)
        assert reply.status_code == 413 and "limit" in reply.json()["error"]
    assert stored(account) == []


def test_an_upload_that_announces_too_much_is_refused_before_it_comes(account: Account):
    with socket.create_connection(("127.0.0.1", account.front.port), timeout=10) as connection:
        connection.sendall(head(account, 10**12))
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def head(account: Account, length: int) -> bytes:
    return (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {account.key}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_a_client_that_goes_away_half_way_leaves_nothing(account: Account):
    with socket.create_connection(("127.0.0.1", account.front.port)) as connection:
        connection.sendall(head(account, 20_000_000) + part("file", b"\xff" * 12_000_000, '; filename="a.mp4"'))
        deadline = time.monotonic() + 60
        while not _folders(account) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _folders(account)
    while _folders(account) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert stored(account) == [] and account.sdk.files.list().total == 0


def _folders(account: Account) -> list[Path]:
    folder = account.front.data_dir / "objects" / "tenants" / account.tenant_id / "files"
    return list(folder.iterdir()) if folder.exists() else []


def test_lists_are_paged_ordered_and_filtered(account: Account):
    for name, speaker in (("b.mp4", "Ada"), ("a.mp4", "Grace"), ("c.mp4", "Ada")):
        assert post_form(account, part("metadata", json.dumps({"speaker": speaker}).encode()), file_part(name=name))
    sdk = account.sdk
    page = sdk.files.list(order="filename", sort="asc", limit=2, offset=1)
    assert [item.filename for item in page.data] == ["b.mp4", "c.mp4"]
    assert (page.total, page.limit, page.offset) == (3, 2, 1)
    with account.http as http:
        told, query = [], {"order": "filename", "sort": "asc", "limit": 1}
        while True:
            listing = http.get("/v1/files", params=query).raise_for_status().json()
            told += [item["filename"] for item in listing["data"]]
            if "next_after" not in listing:
                break
            query["after"] = listing["next_after"]
    assert told == ["a.mp4", "b.mp4", "c.mp4"] and not listing["has_more"]
    only = {"metadata": [{"path": "speaker", "operator": "Equal", "valueText": "Grace"}]}
    assert [item.filename for item in sdk.files.list(filter=only).data] == ["a.mp4"]
    assert sdk.files.list(status="completed").total == 0
    assert sdk.files.list(created_after="2020-01-01").total == 3
    assert sdk.files.list(created_before="2020-01-01").total == 0


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("order=size", "order"),
        ("sort=up", "sort"),
        ("status=ready", "status"),
        ("created_before=yesterday", "created_before"),
        ("created_after=2026-13-01", "created_after"),
        ("filter=%7B", "filter"),
        ("filter=%5B%5D", "filter"),
    ],
)
def test_a_bad_query_parameter_is_named(account: Account, query: str, name: str):
    with account.http as http:
        reply = http.get(f"/v1/files?{query}")
    assert reply.status_code == 400 and name in reply.json()["error"]
