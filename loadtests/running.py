"""A system of its own for a measurement: `arcus up` on free ports and a scratch folder."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.core.errors import ArcusError, Reason
from services.core.settings import Settings

START_SECONDS = 180
MEDIA = Path(__file__).parents[2] / "shared" / "media"
EXAMPLE = Path(__file__).parents[1] / "examples" / "lecture" / "lecture.mp4"


@dataclass(frozen=True)
class System:
    url: str  # with /v1
    grpc: str
    key: str
    pid: int
    settings: Settings  # opens the same data and the same engines from here


@contextmanager
def running_system(environment: Mapping[str, str] = {}) -> Iterator[System]:
    """Stops it at the end, whatever happened. Its log is printed if it does not start."""
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            engine_address = f"127.0.0.1:{probe.getsockname()[1]}"
        own = {
            "ARCUS_DATA_DIR": f"{folder}/data",
            "ARCUS_ENGINE_ADDRESS": engine_address,
            "ARCUS_ENGINE_SECRET": secrets.token_hex(16),
            **environment,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
        log = Path(folder) / "arcus.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.cli.main", "up", "--http-port", "0", "--grpc-port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**inherited, **own},
            )
        try:
            assert process.stdout is not None
            with selectors.DefaultSelector() as selector:
                selector.register(process.stdout, selectors.EVENT_READ)
                selector.select(START_SECONDS)
            line = process.stdout.readline().decode() if process.poll() is None else ""
            if not line.startswith("ready "):
                sys.stderr.write(log.read_text(errors="replace")[-4000:])
                raise ArcusError(Reason.INTERNAL, "Arcus did not start; the lines above say why.")
            said = dict(word.split("=", 1) for word in line.split()[1:])
            values = {name.removeprefix("ARCUS_").lower(): value for name, value in own.items()}
            settings = Settings(**values)  # type: ignore[arg-type]
            yield System(said["http"], said["grpc"], said["key"], process.pid, settings)
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-4000:])
            raise
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
