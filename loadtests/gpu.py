"""Everything that a GPU should make fast, in one call, each beside the bare library and what the card does by itself.

    python loadtests/gpu.py --json gpu.json              # one GPU; the most valuable rows come first
    python loadtests/gpu.py --cpu --small                # no GPU: seconds, shows that every row runs
Prints a table. Needs PyTorch; each row says what else it lacks. What a row's process says goes to stderr. A row that fails,
hangs or kills its process is told as such, and the next is measured. The file of results is written after each row, beside it
what was drawn. Exits 1 where one failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from loadtests.on_gpu.rows import BESIDE, Options, Row  # noqa: E402
from loadtests.on_gpu.runs import cases, results  # noqa: E402
from loadtests.vllm_on_cpu import ENVIRONMENT  # noqa: E402

PARTS = ("decode", "search", "frames", "captions", "whole", "embed")  # of rows that are worth the same, in this order
SECONDS = 570.0  # of ten minutes, what ending the last row and its processes leaves


def machine(on_gpu: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "date": time.strftime("%Y-%m-%d"),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
    }
    if on_gpu:
        import torch

        found |= {
            "gpu": torch.cuda.get_device_name(0),
            "memory_bytes": torch.cuda.get_device_properties(0).total_memory,
            "torch": torch.__version__,
        }
    return found


def write(path: Path | None, machine: dict[str, object], rows: list[Row]) -> None:
    """What is known so far, and beside it what was drawn: a run that is ended keeps the rows it had."""
    if path is None:
        return
    listed = []
    for row in rows:
        listed.append({**row.as_json(), "drawings": {}})
        for name, drawing in row.drawings.items():
            drawn = path.with_name(f"{path.stem}_{name}.svg")
            drawn.write_text(drawing)
            listed[-1]["drawings"][name] = drawn.name
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps({"machine": machine, "rows": listed}, indent=1, default=str))
    part.replace(path)


def show(row: Row) -> None:
    head = f"{row.part:9}{row.what}"
    if row.missing:
        print(f"{head}: not run: {row.missing}", flush=True)
        return
    print(f"{head}: {'no rate' if row.ours is None else f'{row.ours:,.1f} {row.unit}'}", flush=True)
    wholes = {BESIDE: row.beside, **row.ceilings}
    for name, whole in wholes.items():
        share, goal = row.share(name), row.goals.get(name)
        if share is not None:
            verdict = "" if goal is None else f"  goal {goal:g}: {'met' if share >= goal else 'missed'}"
            print(f"{'':9}  {share:6.2f} of {row.reference if name == BESIDE else name}, {whole:,.1f}{verdict}")
    checks = ", ".join(f"{name} {value}" for name, value in row.checks.items())
    print(f"{'':9}  {f'FAILED {row.failed}' if row.failed else checks}", flush=True)


def measured(
    parts: list[str], options: Options, seconds: float, done: Callable[[list[Row]], None] = lambda rows: None
) -> list[Row]:
    """done: is given the rows so far after each."""
    deadline = time.monotonic() + seconds
    order = sorted(
        (case.rank, place, number)
        for place, part in enumerate(parts)
        for number, case in enumerate(cases(f"loadtests.on_gpu.{part}", options))
    )
    rows: list[Row] = []
    for place, group in groupby(order, lambda each: each[1]):
        numbers = [number for _, _, number in group]
        for row in results(f"loadtests.on_gpu.{parts[place]}", numbers, options, deadline):
            if options.small:
                row.goals = {}  # sizes that mean nothing
            show(row)
            rows.append(row)
            done(rows)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="measure on the CPU")
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which no row goes on")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--folder", type=Path, help="where clips are made and found again")
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    if arguments.cpu:
        os.environ |= ENVIRONMENT | {"VLLM_LOGGING_LEVEL": "ERROR"}  # no warnings between the rows
    else:
        import torch

        if not torch.cuda.is_available():
            print("PyTorch sees no GPU here; --cpu --small shows that the rows run.")
            return 2
    begin, here = time.monotonic(), machine(not arguments.cpu)
    with tempfile.TemporaryDirectory() as folder:
        rounds = 1 if arguments.small else arguments.rounds
        options = Options(not arguments.cpu, arguments.small, rounds, arguments.folder or Path(folder))
        rows = measured(
            arguments.part or list(PARTS), options, arguments.seconds, lambda rows: write(arguments.json, here, rows)
        )
    failed = sum(bool(row.failed) for row in rows)
    not_run = sum(bool(row.missing) for row in rows)
    print(
        f"{len(rows) - failed - not_run} measured, {failed} failed, {not_run} not run, {time.monotonic() - begin:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
