"""What hot paths cost with much stored, beside their goals, on SQLite and PostgreSQL.

    python -m loadtests.scale [ROW …] [--small | --long]

Writes build/scale.json. Exits 1 where a count is wrong or, unless --small, a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from loadtests.scale.figures import Figure, summary, write
from loadtests.scale.filling import databases, postgres
from loadtests.scale.rows import OF_SYSTEMS, ONCE, ROWS
from loadtests.scale.sizes import LONG, SMALL, USUAL, Sizes
from services.core.store.database import Database
from services.front import SWITCH_SECONDS, keep_what_is_loaded

OUT = Path("build/scale.json")


async def measure(sizes: Sizes, names: Sequence[str]) -> list[Figure]:
    """On a new database of each kind for each row."""
    figures: list[Figure] = []
    with postgres() as server:
        if server is None:
            print("PostgreSQL is not installed: only SQLite is measured")
        else:
            await server.prepare()
        for name in names:
            began = time.monotonic()
            async with databases(server, name) as urls:
                for kind, url in urls.items():
                    database = Database(url, pool_size=20)
                    try:
                        figures += _told(await ROWS[name](kind, database, sizes))
                    finally:
                        await database.close()
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return figures


def measure_once(sizes: Sizes, names: Sequence[str]) -> list[Figure]:
    figures: list[Figure] = []
    for name in names:
        if name in OF_SYSTEMS and not sizes.has_systems:
            print(f"{name}: left out, for it starts a system")
            continue
        began = time.monotonic()
        figures += _told(ONCE[name](sizes))
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return figures


def _told(figures: Sequence[Figure]) -> Sequence[Figure]:
    for figure in figures:
        print(figure, flush=True)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", choices=[*ROWS, *ONCE, []], help="which; all where none is named")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument("--small", action="store_true", help="little data: shows that the rows run, and times nothing")
    forms.add_argument("--long", action="store_true", help="as much as the goals are told for: takes hours")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.setswitchinterval(SWITCH_SECONDS)  # as a front's process does both
    keep_what_is_loaded()
    sizes = SMALL if given.small else LONG if given.long else USUAL
    names = given.rows or [*ROWS, *ONCE]
    figures = asyncio.run(measure(sizes, [name for name in names if name in ROWS]))
    figures += measure_once(sizes, [name for name in names if name in ONCE])
    write(OUT, figures)
    print(f"{summary(figures)}\n{OUT}")
    return 1 if not given.small and any(not figure.is_met for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
