"""Runs scenarios and says of each whether it passed.

    python -m loadtests.load SCENARIO… [--out FOLDER] [--url URL --grpc ADDRESS --keys FILE]

Without an address it starts a system of its own with the scripted engine. FILE is JSON, {tenant: key} for every tenant of
the scenarios. The exit status is 0 if all passed, 1 if one failed, 2 if one was invalid.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from loadtests.load.generator import generate
from loadtests.load.journeys import Journeys
from loadtests.load.report import HEAD, as_row, write
from loadtests.load.scenario import Scenario, load_scenario, schedule
from loadtests.load.target import Clip, Target, prepare
from loadtests.load.verdict import Verdict, judge
from loadtests.running import EXAMPLE, running_system
from services.core.engines.config import SCRIPTED_ANSWERS
from services.core.errors import ArcusError, invalid
from services.core.store.database import Database
from services.core.tenants.keys import Keys

CLIP = EXAMPLE.read_bytes()
EXIT = {"PASS": 0, "FAIL": 1, "INVALID": 2}


async def run(scenario: Scenario, http: str, grpc: str, keys: dict[str, str]) -> Verdict:
    """Raises INVALID_ARGUMENT where a tenant has no key, or the schedule can't be made."""
    if missing := set(scenario.tenants) - set(keys):
        raise invalid(f"{scenario.name}: no key for {', '.join(sorted(missing))}.")
    orders, clip = schedule(scenario), Clip(EXAMPLE.name, CLIP)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=scenario.timeout_seconds)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        tenants = {name: await prepare(session, http, name, keys[name], clip) for name in scenario.tenants}
        journeys = Journeys(scenario, Target(http, grpc, clip, tenants), session)
        try:
            made = await generate(orders, journeys.start, timeout_seconds=scenario.timeout_seconds)
        finally:
            await journeys.close()
    return judge(scenario, made)


@contextmanager
def own_system(scenarios: Sequence[Scenario]) -> Iterator[tuple[str, str, dict[str, str]]]:
    environment = {
        "ARCUS_ROLES": SCRIPTED_ANSWERS,
        "ARCUS_MAX_REQUESTS_PER_TENANT": "4096",
        "ARCUS_MAX_RESPONSES": "4096",
    }
    with running_system(environment) as system:

        async def made() -> dict[str, str]:
            database = Database(system.settings.database)
            try:
                names = {name for scenario in scenarios for name in scenario.tenants}
                return {name: await Keys(database).create(f"load {name}") for name in sorted(names)}
            finally:
                await database.close()

        yield system.url, system.grpc, asyncio.run(made())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.load", description=__doc__.split("\n")[0])
    parser.add_argument("scenarios", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("loadtests/out/load"))
    parser.add_argument("--url", default="", help="of a running system, with /v1")
    parser.add_argument("--grpc", default="", help="host:port of its gRPC door")
    parser.add_argument("--keys", type=Path, help="JSON file of {tenant: key}")
    given = parser.parse_args()
    try:
        scenarios = [load_scenario(path) for path in given.scenarios]
        if given.url:
            if given.keys is None:
                raise invalid("--url goes with --keys, a JSON file of {tenant: key}.")
            keys = json.loads(given.keys.read_text())
            verdicts = [asyncio.run(run(scenario, given.url, given.grpc, keys)) for scenario in scenarios]
        else:
            with own_system(scenarios) as (http, grpc, keys):
                verdicts = [asyncio.run(run(scenario, http, grpc, keys)) for scenario in scenarios]
    except (ArcusError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(HEAD)
    for scenario, verdict in zip(scenarios, verdicts, strict=True):
        write(given.out, scenario, verdict)
        print(as_row(scenario, verdict))
    return max(EXIT[verdict.word] for verdict in verdicts)


if __name__ == "__main__":
    sys.exit(main())
