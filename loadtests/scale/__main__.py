"""What hot paths cost with much stored, beside their goals, on SQLite and PostgreSQL.

    python -m loadtests.scale [ROW …] [--small | --long]

Writes build/scale.json. Exits 1 where a row breaks, as by a wrong count, or, unless --small, a figure misses its goal.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from loadtests.scale.figures import Figure, summary, write
from loadtests.scale.filling import databases, postgres
from loadtests.scale.rows import OF_SYSTEMS, ONCE, ROWS
from loadtests.scale.sizes import LONG, SMALL, USUAL, Sizes
from services.core.store.database import Database
from services.front import SWITCH_SECONDS, keep_what_is_loaded

OUT = Path("build/scale.json")


class Bench:
    """Measures one row after another. A row that breaks is named at the end, and the others are measured all the same."""

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self.figures: list[Figure] = []
        self.broken: list[str] = []

    async def measure(self, names: Sequence[str]) -> None:
        """On a new database of each kind for each row."""
        with postgres() as server:
            if server is None:
                print("PostgreSQL is not installed: only SQLite is measured")
            else:
                await server.prepare()
            for name in names:
                async with databases(server, name) as urls:
                    for kind, url in urls.items():
                        database = Database(url, pool_size=20)
                        with self._measuring(f"{name} on {kind}"):
                            self._tell(await ROWS[name](kind, database, self._sizes))
                        await database.close()

    def measure_once(self, names: Sequence[str]) -> None:
        for name in names:
            if name in OF_SYSTEMS and not self._sizes.has_systems:
                print(f"{name}: left out, for it starts a system")
                continue
            with self._measuring(name):
                self._tell(ONCE[name](self._sizes))

    @contextmanager
    def _measuring(self, row: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except (Exception, SystemExit):  # the latter is how some benches tell of a wrong count
            traceback.print_exc()
            self.broken.append(row)
        print(f"{row}: {time.monotonic() - began:.0f} s", flush=True)

    def _tell(self, figures: Sequence[Figure]) -> None:
        for figure in figures:
            print(figure, flush=True)
        self.figures += figures


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
    bench = Bench(sizes)
    asyncio.run(bench.measure([name for name in names if name in ROWS]))
    bench.measure_once([name for name in names if name in ONCE])
    write(OUT, bench.figures)
    print(f"{summary(bench.figures)}\n{OUT}")
    if bench.broken:
        print(f"broken: {', '.join(bench.broken)}")
    missed = not given.small and any(not figure.is_met for figure in bench.figures)
    return 1 if bench.broken or missed else 0


if __name__ == "__main__":
    sys.exit(main())
