"""What Arcus understands and answers, against the truth: python -m loadtests.eval [--in-process] [--part PART]… [--show]

Runs the whole system on the made media, and prints what it hears and sees, and for each part of the evaluation
(loadtests/evaluation) how its questions are answered, by kind and in all. Of what is wrong in `work` each question is told;
of `choose` and `final` only figures are, unless --show is given. Exits 1 where something was lost or failed, or a figure
fell below its floor; targets that are missed are told.

--in-process asks without Ray and without measuring what is heard and seen, of `work` alone unless parts are named: what was
described is kept in build/eval, so that it takes seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import httpx

from loadtests.evaluation.api import Held, ask_all, hold
from loadtests.evaluation.collections import PARTS, Collection, Question, read
from loadtests.evaluation.floors import fallen
from loadtests.evaluation.grading import Grade, Reply, grade
from loadtests.evaluation.table import Figure, by_kind, figures
from loadtests.running import System, running_system
from loadtests.understanding import understanding
from services.core.engines.config import MODELS
from services.core.settings import Settings

SHOWN_CHARACTERS, SHOWN_CITATIONS = 400, 2
Asked = tuple[Held, Question, Reply, Grade]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-process", action="store_true", help="without Ray, in seconds")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument(
        "--only", action="append", metavar="COLLECTION", help="only this collection; may be given again"
    )
    parser.add_argument(
        "--show", action="store_true", help="tell every question and reply, those of choose and final too"
    )
    parser.add_argument("--model", choices=MODELS, default="nimbus-001")
    parser.add_argument("--json", type=Path, default=Path("loadtests/out/eval.json"))
    options = parser.parse_args()
    parts = options.part or (["work"] if options.in_process else list(PARTS))
    collections = [item for part in parts for item in read(part) if not options.only or item.name in options.only]
    found: dict[str, list[Figure]] = {}
    if options.in_process:
        held, asked = asyncio.run(_in_process(collections, options.model))
    else:
        with running_system() as system:
            if not options.only:
                found["heard and seen"] = understanding(system)
            held, asked = asyncio.run(_over_http(system, collections, options.model))
    for part in parts:
        of_part = [item for item in asked if item[0].collection.part == part]
        if of_part:
            _tell(part, of_part, every=options.show, wrong=part == "work")
            found[part] = [*figures([(question, grade) for _, question, _, grade in of_part]), _citations(of_part)]
    _print(found)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(
        json.dumps({part: [asdict(item) for item in items] for part, items in found.items()}, indent=1)
    )
    bad = [
        f"{each.collection.name}/{name} was not understood: {why}" for each in held for name, why in each.failed.items()
    ]
    bad += [f"a question failed: {reply.error}" for _, _, reply, _ in asked if reply.error]
    bad += [] if options.only else fallen(found)
    for line in bad:
        print(line)
    return 1 if bad else 0


async def _in_process(collections: Sequence[Collection], model: str) -> tuple[list[Held], list[Asked]]:
    from loadtests.evaluation.in_process import opened

    async with opened() as (http, settings):
        return await _answers(http, settings, collections, model)


async def _over_http(system: System, collections: Sequence[Collection], model: str) -> tuple[list[Held], list[Asked]]:
    headers = {"Authorization": f"Bearer {system.key}"}
    async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=120, trust_env=False) as http:
        return await _answers(http, system.settings, collections, model)


async def _answers(
    http: httpx.AsyncClient, settings: Settings, collections: Sequence[Collection], model: str
) -> tuple[list[Held], list[Asked]]:
    began = time.monotonic()
    held = await hold(http, settings, collections)
    print(f"{sum(len(each.files) for each in held)} videos understood in {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    wanted = [(each, question) for each in held for question in each.collection.questions]
    replies = await ask_all(http, wanted, model)
    print(f"{len(wanted)} questions answered in {time.monotonic() - began:.0f} s", flush=True)
    return held, [
        (each, question, reply, grade(question, reply, each.when))
        for (each, question), reply in zip(wanted, replies, strict=True)
    ]


def _citations(asked: Sequence[Asked]) -> Figure:
    given = sum(len(reply.notes) for _, _, reply, _ in asked)
    invalid = [note for held, _, reply, _ in asked for note in held.invalid(reply)]
    return Figure("citations that hold", 1 - len(invalid) / max(1, given), given, 1.0)


def _tell(part: str, asked: Sequence[Asked], *, every: bool, wrong: bool) -> None:
    """The kinds of a part; before it each question, or each that went wrong."""
    print(f"\n== {part}")
    for held, question, reply, of in asked:
        faults = of.faults(question)
        if every or (wrong and faults):
            print(
                f"  [{', '.join(faults) or 'good'}] {held.collection.name}, {question.kind}: {' / '.join(question.turns)}"
            )
            print(f"      {reply.error or ' '.join(reply.text.split())[:SHOWN_CHARACTERS]}")
            for filename, start, end in reply.cited[:SHOWN_CITATIONS]:
                print(f"      {filename} {start:.1f} to {end:.1f} s")
    print("\n".join(by_kind([(question, of) for _, question, _, of in asked])))


def _print(found: Mapping[str, Sequence[Figure]]) -> None:
    print(f"\n{'':<58} {'value':>6} {'target':>8} {'of':>5}")
    for part, items in found.items():
        for item in items:
            target = "" if item.target is None else f"{'<=' if item.at_most else '>='} {item.target:.2f}"
            verdict = "" if item.target is None else "ok" if item.is_met else "MISSED"
            print(f"{part + ': ' + item.name:<58} {item.value:>6.3f} {target:>8} {item.of:>5}  {verdict}")


if __name__ == "__main__":
    sys.exit(main())
