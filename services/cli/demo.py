"""The demonstration: the whole system on free ports and a temporary folder, from nothing to an answer and back."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from services.cli.ask import ask_collection
from services.cli.client import Client
from services.cli.ingest import ingest_files
from services.cli.instance import LOG_CHARACTERS, ROOT, start_instance
from services.core.errors import ArcusError

EXAMPLE = ROOT / "examples" / "lecture" / "lecture.mp4"


def run_demo(video: Path | None, question: str) -> int:
    """The exit status: 0 if the video was understood and both questions were answered with citations."""
    with tempfile.TemporaryDirectory(prefix="arcus-demo-") as folder:
        log = Path(folder) / "arcus.log"
        print("Starting Arcus …", flush=True)
        started = time.monotonic()
        instance = start_instance(Path(folder) / "data", log)
        try:
            print(f"Ready after {time.monotonic() - started:.0f} s at {instance.http}\n", flush=True)
            with Client(instance.http, instance.key) as client:
                return _ask(client, video or EXAMPLE, question)
        except ArcusError:
            sys.stderr.write(log.read_text(errors="replace")[-LOG_CHARACTERS:])
            raise
        finally:
            try:
                instance.stop()
            except subprocess.TimeoutExpired:  # it is killed by then
                pass
            print("Stopped.", flush=True)


def _ask(client: Client, video: Path, question: str) -> int:
    print(f"Understanding {video.name} …", flush=True)
    if not ingest_files(client, [video], "demo"):
        return 1
    print(f"\nQuestion: {question}")
    first = ask_collection(client, question, "demo", model="nimbus-001", stream=False)
    question = "Summarize the key topics of this video."
    print(f"\nQuestion, streamed: {question}")
    second = ask_collection(client, question, "demo", model="nimbus-002-preview", stream=True)
    print()
    cited = all(response["output"][0]["content"][0]["annotations"] for response in (first, second))
    return 0 if cited else 1
