"""Memory and time against length: a 2 GiB upload, the 363 s clip and a generated hour of video.

    python -m loadtests.memory [upload] [clip] [hour] [--json PATH] [--long-seconds N]

Time is told by the clock and in processor seconds of all processes: the second does not depend on what else runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from loadtests.processes import FRONT, watched
from loadtests.running import System, running_system
from services.cli.client import Client
from tests.media import clip
from tests.media.scenes import LONG_SECONDS

MIB = 1024**2
UPLOAD_BYTES = 2 * 1024 * MIB
CHUNK = bytes(range(256)) * 4096
HOUR_SECONDS = 3600
INGEST_SECONDS = 3000
PARTS = ("upload", "clip", "hour")
FRONT_MIB, PROCESS_MIB = 64, 1536
GROWTH = 1.15  # of the time for each second, when a film is ten times as long


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
    with watched(system.pid) as usage:
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
        "front_added_mib": round((usage.peak_bytes[FRONT] - usage.front_before_bytes) / MIB, 1),
    }


def understand(system: System, client: Client, path: Path, collection_id: str, seconds: float) -> dict:
    """Ingests a file and says how long it took for each of its seconds, and how much memory."""
    with watched(system.pid) as usage:
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
    name, largest = max(usage.peak_bytes.items(), key=lambda item: item[1])
    return {
        "file": path.name,
        "seconds_of_video": round(seconds, 1),
        "segments": state["progress"]["segments_total"],
        "took_seconds": round(took, 1),
        "took_per_video_second": round(took / seconds, 4),
        "cpu_per_video_second": round(usage.total_cpu_seconds / seconds, 4),
        "largest_process": name,
        "largest_process_mib": round(largest / MIB),
    }


def make_video(path: Path, seconds: int) -> None:
    """A film of changing colours with a caption, 320x180 at 10 frames a second, with a sound track of silence."""
    import av
    import cv2
    import numpy as np

    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "50"})
        film.width, film.height, film.pix_fmt = 320, 180, "yuv420p"
        track = container.add_stream("aac", rate=16000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16000
        for number in range(seconds * 10):
            image = np.full((180, 320, 3), (number // 7 % 256, number // 11 % 256, 90), np.uint8)
            if number // 300 % 4 == 0:
                cv2.putText(
                    image, f"minute {number // 600}", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255, 255, 255), 2
                )
            silence.pts = number * 1600
            container.mux(film.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(track.encode(silence))
        container.mux(film.encode())
        container.mux(track.encode())


def measure(parts: list[str], long_seconds: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="arcus-load-") as folder,
        running_system() as system,
        Client(system.url, system.key) as client,
    ):
        id = client.post("/collections", {"name": "long", "collection_type": "media-descriptions"})["id"]
        if "upload" in parts:
            result["upload"] = upload_large(system)
        if "clip" in parts:
            result["clip"] = understand(system, client, clip("long.mp4"), id, LONG_SECONDS)
        if "hour" in parts:
            for name, seconds in (("tenth", long_seconds // 10), ("hour", long_seconds)):
                path = Path(folder) / f"generated_{name}.mp4"
                make_video(path, seconds)
                result[name] = understand(system, client, path, id, seconds)
                path.unlink()
            for kind in ("took", "cpu"):
                tenth, hour = (result[name][f"{kind}_per_video_second"] for name in ("tenth", "hour"))
                result[f"{kind}_for_each_second_of_ten_times_the_length"] = round(hour / tenth, 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none means all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--long-seconds", type=int, default=HOUR_SECONDS)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    result = measure(given.parts or list(PARTS), given.long_seconds)
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(result, indent=1))
    good = (
        result.get("upload", {}).get("front_added_mib", 0) <= FRONT_MIB
        and all(
            result[name]["largest_process_mib"] < PROCESS_MIB for name in ("clip", "tenth", "hour") if name in result
        )
        and result.get("cpu_for_each_second_of_ten_times_the_length", 0) <= GROWTH
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
