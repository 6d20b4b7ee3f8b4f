"""Runs scenarios and says of each whether it passed.

    python -m loadtests.load SCENARIO… [--long] [--out FOLDER] [--url URL… --grpc ADDRESS… --keys FILE --metrics URL…]

Without an address it starts a system of its own with the scripted engine, as each scenario says. FILE is JSON,
{tenant: key} for every tenant of the scenarios. --long takes their long forms. The exit status is 0 if all passed, 1 if
one failed, 2 if one was invalid.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import aiohttp
from pydantic import TypeAdapter, ValidationError

from loadtests.load.accounts import usage_of_written
from loadtests.load.doors import Doors
from loadtests.load.generator import Run, generate
from loadtests.load.journeys import Journeys
from loadtests.load.report import HEAD, as_json, as_row, write
from loadtests.load.saturation import Saturation, watch
from loadtests.load.scenario import LEAVES, Scenario, load_scenario, schedule
from loadtests.load.target import Clip, Target, Tenant, prepare
from loadtests.load.verdict import Verdict, judge
from services.cli.demo import EXAMPLE
from services.core.errors import ArcusError, invalid

CLIP = EXAMPLE.read_bytes()
EXIT = {"PASS": 0, "FAIL": 1, "INVALID": 2}


async def run(scenario: Scenario, system: Doors) -> tuple[Verdict, Run]:
    """Raises INVALID_ARGUMENT where a tenant has no key, a journey no door, or the schedule can't be made."""
    if missing := set(scenario.tenants) - set(system.keys):
        raise invalid(f"{scenario.name}: no key for {', '.join(sorted(missing))}.")
    if scenario.faults and system.make is None:
        raise invalid(f"{scenario.name}: faults are made in a system of the run's own; leave out --url.")
    if LEAVES & set(scenario.journeys) and not system.engine:
        raise invalid(f"{scenario.name}: what an engine still writes is asked of fronts of the run's own.")
    if not system.grpc and (asked := sorted(name for name in scenario.journeys if name.endswith("_grpc"))):
        raise invalid(f"{scenario.name}: {', '.join(asked)} ask over gRPC; give --grpc HOST:PORT.")
    orders, clip = schedule(scenario), Clip(EXAMPLE.name, CLIP)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=scenario.timeout_seconds)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        tenants = {}
        for name in scenario.tenants:
            key = system.keys[name]
            stored = prepare(session, system.http[0], name, key, clip) if system.keeps_videos else None
            tenants[name] = await stored if stored else Tenant(name, key, "", frozenset())
        target = Target(tuple(system.http), tuple(system.grpc), clip, tenants, system.engine)
        journeys = Journeys(scenario, target, session)
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
        if system.claimed:
            made = replace(made, claims=await asyncio.to_thread(system.claimed))
        if system.unsound and any(objective.measure == "unsound" for objective in scenario.objectives):
            made = replace(made, unsound=await asyncio.to_thread(system.unsound))
        if system.engine:
            usage = await usage_of_written(session, system.http[0], system.engine, tenants.values())
            made = replace(made, usage_of_written=usage)
    made = replace(made, saturation=saturation, killed=tuple(killed))
    return judge(scenario, made), made


async def _make_faults(scenario: Scenario, system: Doors, killed: list[int]) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for fault in sorted(scenario.faults, key=lambda fault: fault.at_seconds):
        await asyncio.sleep(max(0.0, began + fault.at_seconds - loop.time()))
        assert system.make is not None
        killed.append(await asyncio.to_thread(system.make, fault))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.load", description=__doc__.split("\n")[0])
    parser.add_argument("scenarios", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("loadtests/out/load"))
    parser.add_argument("--long", action="store_true", help="their long forms")
    parser.add_argument(
        "--url", action="append", default=[], help="of a running system, with /v1; or once for each front"
    )
    parser.add_argument(
        "--grpc", action="append", default=[], help="host:port of its gRPC door; or the IP:port of each front"
    )
    parser.add_argument("--metrics", action="append", default=[], help="URL of a front's metrics; once for each front")
    parser.add_argument("--keys", help="JSON file of {tenant: key}; env:NAME: of a variable")
    parser.add_argument("--tell", action="store_true", help="every figure as a line of JSON after the row, too")
    given = parser.parse_args()
    try:
        scenarios = [load_scenario(path, long=given.long) for path in given.scenarios]
        words = list(_words(scenarios, given))
    except (ArcusError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return max(EXIT[word] for word in words)


def _words(scenarios: Sequence[Scenario], given: argparse.Namespace) -> Iterator[str]:
    """The verdict of each, whose row and files are written as soon as it is over."""

    def judged(scenario: Scenario, system: Doors) -> str:
        verdict, made = asyncio.run(run(scenario, system))
        write(given.out, scenario, verdict, made)
        print(as_row(scenario, verdict), flush=True)
        if given.tell:
            print(json.dumps(as_json(scenario, verdict)), flush=True)
        return verdict.word

    if given.url and given.keys is None:
        raise invalid("--url goes with --keys, a JSON file of {tenant: key}.")
    for scenario in scenarios:
        schedule(scenario)  # what is wrong with one is told before anything starts
    print(HEAD, flush=True)
    if given.url:
        for url in (*given.url, *given.metrics):
            if not url.startswith(("http://", "https://")):
                raise invalid(
                    f"{url!r} is no address; give --url as https://HOST/v1, --metrics as http://HOST:PORT/metrics."
                )
        system = Doors(given.url, given.grpc, _keys(given.keys), given.metrics)
        yield from (judged(scenario, system) for scenario in scenarios)
        return
    from loadtests.load.systems import own_system, together  # what starts a system is not in the image that asks one

    for each in together(scenarios):
        with own_system(each) as system:
            yield from (judged(scenario, system) for scenario in each)


def _keys(path: str) -> dict[str, str]:
    """By tenant. Raises INVALID_ARGUMENT."""
    try:
        text = os.environ.get(path[4:], "") if path.startswith("env:") else Path(path).read_bytes()
        return TypeAdapter(dict[str, str]).validate_json(text)
    except OSError as error:
        raise invalid(f"{path}: {error.strerror}.") from error
    except ValidationError as error:
        raise invalid(f"{path}: it must be JSON of {{tenant: key}}: {error.errors()[0]['msg']}.") from error


if __name__ == "__main__":
    sys.exit(main())
