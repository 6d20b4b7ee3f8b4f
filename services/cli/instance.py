"""An Arcus of one's own: `arcus up` as a child process on free ports, from its ready line to its end."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.core.errors import ArcusError, Reason

ROOT = Path(__file__).parents[2]
START_SECONDS = 180
STOP_SECONDS = 60
LOG_CHARACTERS = 4000


@dataclass(frozen=True)
class Instance:
    process: subprocess.Popen[bytes]
    http: str  # with /v1
    grpc: str
    key: str
    ready_line: str

    def stop(self) -> int:
        """Ends it as Ctrl-C would; returns its exit status. Raises TimeoutExpired for one that had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            _kill(self.process)


def start_instance(
    data_dir: Path, log: Path, environment: Mapping[str, str] = {}, *, start_seconds: float = START_SECONDS
) -> Instance:
    """Waits until it is ready. Of the ARCUS_ variables it gets only those given here.

    Raises ArcusError with the end of its log when it does not come up.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "up", "--http-port", "0", "--grpc-port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**inherited, "ARCUS_DATA_DIR": str(data_dir.absolute()), **environment},
            cwd=ROOT,
        )
    try:
        line = first_line(process, start_seconds)
        if not line.startswith("ready "):
            end = log.read_text(errors="replace")[-LOG_CHARACTERS:]
            raise ArcusError(Reason.INTERNAL, f"Arcus did not start; the end of its log:\n{end}")
    except BaseException:
        _kill(process)
        raise
    said = dict(word.split("=", 1) for word in line.split()[1:])
    return Instance(process, said["http"], said["grpc"], said["key"], line)


def first_line(process: subprocess.Popen[bytes], seconds: float) -> str:
    """What a process says first on its piped output; empty where it ends, or says nothing in time."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        return process.stdout.readline().decode() if selector.select(seconds) else ""


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
