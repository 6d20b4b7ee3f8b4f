"""The demonstration: the whole system on free ports and a temporary folder, from nothing to an answer and back."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from services.cli.ask import ask_collection
from services.cli.client import Client
from services.cli.ingest import ingest_files
from services.core.errors import ArcusError, Reason

EXAMPLE = Path(__file__).parents[2] / "examples" / "lecture" / "lecture.mp4"
START_SECONDS = 180
STOP_SECONDS = 20


def run_demo(video: Path | None, question: str) -> int:
    """The exit status: 0 if the video was understood and both questions were answered with citations."""
    with tempfile.TemporaryDirectory(prefix="arcus-demo-") as folder:
        log = Path(folder) / "arcus.log"
        print("Starting Arcus …", flush=True)
        started = time.monotonic()
        command = [sys.executable, "-m", "services.cli.main", "up", "--http-port", "0", "--grpc-port", "0"]
        with log.open("wb") as errors:
            system = subprocess.Popen(
                [*command, "--data-dir", f"{folder}/data"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")},
            )
        try:
            ready = _ready(system)
            print(f"Ready after {time.monotonic() - started:.0f} s at {ready['http']}\n", flush=True)
            with Client(ready["http"], ready["key"]) as client:
                return _ask(client, video or EXAMPLE, question)
        except ArcusError:
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            system.send_signal(signal.SIGTERM)
            try:
                system.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                system.kill()
                system.wait()
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


def _ready(system: subprocess.Popen) -> dict[str, str]:
    """Waits for the line that says that the system is ready, and reads it."""
    assert system.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(system.stdout, selectors.EVENT_READ)
        if not selector.select(START_SECONDS):
            raise ArcusError(Reason.INTERNAL, f"Arcus was not ready within {START_SECONDS} s.")
    line = system.stdout.readline().decode()
    if not line.startswith("ready "):
        raise ArcusError(Reason.INTERNAL, "Arcus did not start; its log says why.")
    return dict(word.split("=", 1) for word in line.split()[1:])
