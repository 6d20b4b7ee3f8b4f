"""A front alone, as a process, for tests that bring the engines and the database themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from services.cli.instance import ROOT, START_SECONDS, first_line


@dataclass
class FrontProcess:
    process: subprocess.Popen[bytes]
    url: str

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start_front(environment: Mapping[str, str]) -> FrontProcess:
    """Waits until it listens, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.front"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**environment, "ARCUS_HTTP_PORT": "0", "ARCUS_GRPC_PORT": "0"},
        cwd=ROOT,
    )
    port = json.loads(first_line(process, START_SECONDS))["http_port"]
    return FrontProcess(process, f"http://127.0.0.1:{port}/v1")
