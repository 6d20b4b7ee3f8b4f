"""Memory and time against length: a 2 GiB upload, the 363 s clip and a generated hour of video.

    python -m loadtests.memory [--json PATH]

Samples the resident memory of every process of a system of its own four times a second.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import psutil

from loadtests.running import MEDIA, System, running_system
from services.cli.client import Client

MIB = 1024**2
UPLOAD_BYTES = 2 * 1024 * MIB
CHUNK = bytes(range(256)) * 4096
LONG_CLIP = MEDIA / "long_363s_black_av1.mp4"
HOUR_SECONDS = 3600
INGEST_SECONDS = 2400


@dataclass
class Peaks:
    """Highest resident bytes of each process, by name, while watched."""

    front_before: int = 0
    front: int = 0
    others: dict[str, int] = field(default_factory=dict)


@contextmanager
def watched(system: System) -> Iterator[Peaks]:
    peaks, done = Peaks(), threading.Event()
    front = next(
        p for p in psutil.Process(system.pid).children(recursive=True) if "services.front" in " ".join(p.cmdline())
    )
    peaks.front_before = peaks.front = front.memory_info().rss

    def watch() -> None:
        while not done.wait(0.25):
            for process in psutil.Process(system.pid).children(recursive=True):
                try:
                    name, size = " ".join(process.cmdline())[:60], process.memory_info().rss
                except psutil.Error:
                    continue
                if process.pid == front.pid:
                    peaks.front = max(peaks.front, size)
                # Workers map the shared object store: it is counted once, by Ray, not by each.
                size -= getattr(process.memory_info(), "shared", 0) if "ray::" in name else 0
                peaks.others[name] = max(peaks.others.get(name, 0), size)

    thread = threading.Thread(target=watch, name="memory")
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def upload_large(system: System) -> dict:
    """Uploads UPLOAD_BYTES that are no video. The reply is the file; its bytes must all be there."""
    address = urlparse(system.url)
    boundary = "arcus"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("Authorization", f"Bearer {system.key}")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
    connection.putheader("Content-Length", str(len(head) + UPLOAD_BYTES + len(tail)))
    connection.endheaders()
    with watched(system) as peaks:
        started = time.perf_counter()
        connection.send(head)
        for _ in range(UPLOAD_BYTES // len(CHUNK)):
            connection.send(CHUNK)
        connection.send(tail)
        reply = connection.getresponse()
        body = json.loads(reply.read())
        seconds = time.perf_counter() - started
    if reply.status != 200 or body["bytes"] != UPLOAD_BYTES:
        raise SystemExit(f"The upload was answered {reply.status}: {body}")
    return {
        "upload_mib": UPLOAD_BYTES // MIB,
        "mib_per_second": round(UPLOAD_BYTES / MIB / seconds, 1),
        "front_added_mib": round((peaks.front - peaks.front_before) / MIB, 1),
    }


def understand(system: System, client: Client, path: Path, collection_id: str, seconds: float) -> dict:
    """Ingests a file and says how long it took for each of its seconds, and how much memory."""
    with watched(system) as peaks:
        started = time.perf_counter()
        id = client.upload(path)["id"]
        client.post(f"/collections/{collection_id}/media", {"file_id": id})
        deadline = time.monotonic() + INGEST_SECONDS
        while (state := client.get(f"/collections/{collection_id}/media/{id}"))["status"] not in (
            "completed",
            "failed",
        ):
            if time.monotonic() > deadline:
                raise SystemExit(f"{path.name} is not done after {INGEST_SECONDS} s: {state['progress']}")
            time.sleep(0.5)
        took = time.perf_counter() - started
    if state["status"] != "completed":
        raise SystemExit(f"{path.name}: {state.get('error')}")
    name, largest = max(peaks.others.items(), key=lambda item: item[1])
    return {
        "file": path.name,
        "seconds_of_video": round(seconds, 1),
        "segments": state["progress"]["segments_total"],
        "took_seconds": round(took, 1),
        "took_per_video_second": round(took / seconds, 4),
        "largest_process": name,
        "largest_process_mib": round(largest / MIB),
    }


def make_video(path: Path, seconds: int) -> None:
    """A film of changing colours with a caption, 320x180 at 10 frames a second, with silent sound."""
    import av
    import cv2
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "50"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(seconds * 10):
            image = np.full((180, 320, 3), (number // 7 % 256, number // 11 % 256, 90), np.uint8)
            if number // 300 % 4 == 0:
                cv2.putText(
                    image, f"minute {number // 600}", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 2
                )
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--long-seconds", type=int, default=HOUR_SECONDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as folder:
        generated = Path(folder) / "generated.mp4"
        short = Path(folder) / "generated_short.mp4"
        make_video(generated, given.long_seconds)
        make_video(short, given.long_seconds // 10)
        with running_system() as system, Client(system.url, system.key) as client:
            upload = upload_large(system)
            id = client.post("/collections", {"name": "long", "collection_type": "media-descriptions"})["id"]
            files = [
                understand(system, client, LONG_CLIP, id, 362.8),
                understand(system, client, short, id, given.long_seconds // 10),
                understand(system, client, generated, id, given.long_seconds),
            ]
    growth = files[2]["took_per_video_second"] / files[1]["took_per_video_second"]
    result = {"upload": upload, "files": files, "time_per_second_of_ten_times_the_length": round(growth, 2)}
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    good = upload["front_added_mib"] <= 64 and all(file["largest_process_mib"] < 1536 for file in files)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
