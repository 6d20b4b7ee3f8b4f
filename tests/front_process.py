"""A front alone, as a process, for tests that bring the engines and the database themselves."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.cli.instance import ROOT, START_SECONDS, first_line
from services.core.store.database import Database
from services.core.tenants.keys import Keys


@dataclass
class FrontProcess:
    process: subprocess.Popen[bytes]
    url: str
    grpc_port: int

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def make_key(data_dir: Path, key: str) -> None:
    """A tenant with this key, in the database of a front that runs on the folder."""

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{data_dir / 'arcus.db'}")
        try:
            await Keys(database).create("tenant", key)
        finally:
            await database.close()

    asyncio.run(make())


def start_front(
    environment: Mapping[str, str], log: Path = Path(os.devnull), ports: tuple[int, int] = (0, 0)
) -> FrontProcess:
    """Waits until it listens. `ports`: of HTTP and gRPC, 0 is a free one. Its log is added to `log`."""
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.front"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**environment, "ARCUS_HTTP_PORT": str(ports[0]), "ARCUS_GRPC_PORT": str(ports[1])},
            cwd=ROOT,
        )
    ports = json.loads(first_line(process, START_SECONDS))
    return FrontProcess(process, f"http://127.0.0.1:{ports['http_port']}/v1", ports["grpc_port"])
