"""A system of its own for a measurement: `arcus up` on free ports and a scratch folder, measured once its start has ended."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.processes import wait_for_rest
from ray_jobs.runtime import free_ports
from services.cli.demo import EXAMPLE
from services.cli.instance import LOG_CHARACTERS, START_SECONDS, start_instance
from services.core.settings import Settings

__all__ = ["EXAMPLE", "System", "running_system"]


@dataclass(frozen=True)
class System:
    url: str  # with /v1
    grpc: str
    key: str
    pid: int
    settings: Settings  # opens the same data and the same engines from here


@contextmanager
def running_system(environment: Mapping[str, str] = {}, *, start_seconds: float = START_SECONDS) -> Iterator[System]:
    """Stops it at the end, whatever happened. Its log is printed if something goes wrong."""
    with tempfile.TemporaryDirectory(prefix="arcus-load-") as folder:
        engine_address = f"127.0.0.1:{free_ports(1)[0]}"
        own = {
            "ARCUS_DATA_DIR": f"{folder}/data",
            "ARCUS_ENGINE_ADDRESS": engine_address,
            "ARCUS_ENGINE_SECRET": secrets.token_hex(16),
            **environment,
        }
        log = Path(folder) / "arcus.log"
        instance = start_instance(Path(own["ARCUS_DATA_DIR"]), log, own, start_seconds=start_seconds)
        try:
            values = {name.removeprefix("ARCUS_").lower(): value for name, value in own.items()}
            settings = Settings(**values)  # type: ignore[arg-type]
            wait_for_rest(instance.process.pid, start_seconds)
            yield System(instance.http, instance.grpc, instance.key, instance.process.pid, settings)
        except BaseException:
            sys.stderr.write(log.read_text(errors="replace")[-LOG_CHARACTERS:])
            raise
        finally:
            try:
                instance.stop()
            except subprocess.TimeoutExpired:  # it is killed by then
                pass
