"""Runs scenarios and says of each whether it passed.

    python -m loadtests.load SCENARIO… [--out FOLDER] [--url URL --grpc ADDRESS --keys FILE --metrics URL…]

Without an address it starts a system of its own with the scripted engine. FILE is JSON, {tenant: key} for every tenant of
the scenarios. The exit status is 0 if all passed, 1 if one failed, 2 if one was invalid.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import aiohttp
import psutil

from loadtests.load.generator import Run, generate
from loadtests.load.journeys import Journeys
from loadtests.load.report import HEAD, as_row, write
from loadtests.load.saturation import Saturation, watch
from loadtests.load.scenario import Part, Scenario, load_scenario, schedule
from loadtests.load.target import Clip, Target, prepare
from loadtests.load.verdict import Verdict, judge
from loadtests.processes import named
from loadtests.running import EXAMPLE, running_system
from ray_jobs.runtime import free_ports
from services.core.engines.config import SCRIPTED_ANSWERS
from services.core.errors import ArcusError, invalid
from services.core.store.database import Database
from services.core.tenants.keys import Keys

CLIP = EXAMPLE.read_bytes()
# Words of the command line, or title, of its process.
PARTS: dict[Part, tuple[str, ...]] = {
    "front": ("services.front",),
    "engines": ("ray_jobs.runtime",),
    "index": ("ray::", "index-0"),
    "ingest": ("ray::", "ingest:ingest"),
}
EXIT = {"PASS": 0, "FAIL": 1, "INVALID": 2}


@dataclass(frozen=True)
class Doors:
    http: str  # with /v1
    grpc: str
    keys: dict[str, str]  # by tenant
    metrics: Sequence[str]  # each front's page
    kill: Callable[[Part], int] | None = None  # how many processes; of a system of the run's own


async def run(scenario: Scenario, system: Doors) -> tuple[Verdict, Run]:
    """Raises INVALID_ARGUMENT where a tenant has no key, or the schedule can't be made."""
    if missing := set(scenario.tenants) - set(system.keys):
        raise invalid(f"{scenario.name}: no key for {', '.join(sorted(missing))}.")
    if scenario.faults and system.kill is None:
        raise invalid(f"{scenario.name}: faults are made in a system of the run's own; leave out --url.")
    orders, clip = schedule(scenario), Clip(EXAMPLE.name, CLIP)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=scenario.timeout_seconds)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        tenants = {
            name: await prepare(session, system.http, name, system.keys[name], clip) for name in scenario.tenants
        }
        journeys = Journeys(scenario, Target(system.http, system.grpc, clip, tenants), session)
        saturation = Saturation()
        killed: list[int] = []
        beside = [
            asyncio.create_task(watch(session, system.metrics, saturation), name="metrics"),
            asyncio.create_task(_make_faults(scenario, system, killed), name="faults"),
        ]
        try:
            made = await generate(orders, journeys.start, timeout_seconds=scenario.timeout_seconds)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await journeys.close()
    made = replace(made, saturation=saturation, killed=tuple(killed))
    return judge(scenario, made), made


async def _make_faults(scenario: Scenario, system: Doors, killed: list[int]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for fault in sorted(scenario.faults, key=lambda fault: fault.at_seconds):
        await asyncio.sleep(max(0.0, began + fault.at_seconds - loop.time()))
        assert system.kill is not None
        killed.append(await asyncio.to_thread(system.kill, fault.kill))


def kill(pid: int, part: Part) -> int:
    """Kills what of a system does the part, and says how many processes that was. `pid`: of its `arcus up`."""
    killed = 0
    for process in named(pid, *PARTS[part]):
        with suppress(psutil.NoSuchProcess):
            process.kill()
            killed += 1
    return killed


@contextmanager
def own_system(scenarios: Sequence[Scenario]) -> Iterator[Doors]:
    (metrics_port,) = free_ports(1)
    environment = {
        "ARCUS_ROLES": SCRIPTED_ANSWERS,
        "ARCUS_MAX_REQUESTS_PER_TENANT": "4096",
        "ARCUS_MAX_RESPONSES": "4096",
        "ARCUS_METRICS_PORT": str(metrics_port),
    }
    with running_system(environment) as system:

        async def made() -> dict[str, str]:
            database = Database(system.settings.database)
            try:
                names = {name for scenario in scenarios for name in scenario.tenants}
                return {name: await Keys(database).create(f"load {name}") for name in sorted(names)}
            finally:
                await database.close()

        metrics = [f"http://127.0.0.1:{metrics_port}/metrics"]
        yield Doors(system.url, system.grpc, asyncio.run(made()), metrics, partial(kill, system.pid))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.load", description=__doc__.split("\n")[0])
    parser.add_argument("scenarios", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("loadtests/out/load"))
    parser.add_argument("--url", default="", help="of a running system, with /v1")
    parser.add_argument("--grpc", default="", help="host:port of its gRPC door")
    parser.add_argument("--metrics", action="append", default=[], help="URL of a front's metrics; once for each front")
    parser.add_argument("--keys", type=Path, help="JSON file of {tenant: key}")
    given = parser.parse_args()
    try:
        scenarios = [load_scenario(path) for path in given.scenarios]
        if given.url:
            if given.keys is None:
                raise invalid("--url goes with --keys, a JSON file of {tenant: key}.")
            keys = json.loads(given.keys.read_text())
            system = Doors(given.url, given.grpc, keys, given.metrics)
            runs = [asyncio.run(run(scenario, system)) for scenario in scenarios]
        else:
            with own_system(scenarios) as system:
                runs = [asyncio.run(run(scenario, system)) for scenario in scenarios]
    except (ArcusError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(HEAD)
    for scenario, (verdict, made) in zip(scenarios, runs, strict=True):
        write(given.out, scenario, verdict, made)
        print(as_row(scenario, verdict))
    return max(EXIT[verdict.word] for verdict, _ in runs)


if __name__ == "__main__":
    sys.exit(main())
