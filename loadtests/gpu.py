"""Everything that a GPU should make fast, in one call, each beside the bare library: a table, and JSON.

    python loadtests/gpu.py --json gpu.json              # one GPU
    python loadtests/gpu.py --cpu --small                # no GPU: seconds, shows that every row runs
Needs PyTorch; each row says what else it lacks. Exits 1 where a check failed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from loadtests.on_gpu.rows import Options, Row  # noqa: E402
from loadtests.vllm_on_cpu import ENVIRONMENT  # noqa: E402

PARTS = ("decode", "search", "embed", "captions")


def machine(on_gpu: bool) -> dict[str, object]:
    found: dict[str, object] = {"processors": os.cpu_count(), "python": platform.python_version()}
    if on_gpu:
        import torch

        found |= {
            "gpu": torch.cuda.get_device_name(0),
            "memory_bytes": torch.cuda.get_device_properties(0).total_memory,
            "torch": torch.__version__,
        }
    return found


def show(row: Row) -> None:
    head = f"{row.part:9}{row.what:62}"
    if row.missing:
        print(f"{head}  not run: {row.missing}", flush=True)
        return
    rates = "  no rate"
    if row.ours is not None and row.beside is not None:
        rates = f"{row.ours:12,.1f} {row.beside:12,.1f} {row.ratio:6.2f}  {row.unit}"
    goal = (
        ""
        if row.goal is None or row.ours is None
        else f"  goal {row.goal:,}: {'met' if row.ours >= row.goal else 'missed'}"
    )
    checks = ", ".join(f"{name} {value}" for name, value in row.checks.items())
    print(f"{head}{rates}{goal}  [{f'FAILED {row.failed}' if row.failed else checks}]", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="measure on the CPU")
    parser.add_argument("--small", action="store_true", help="sizes that take seconds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--json", type=Path, help="where to write the results")
    arguments = parser.parse_args()
    if arguments.cpu:
        os.environ |= ENVIRONMENT | {"VLLM_LOGGING_LEVEL": "ERROR"}  # no warnings between the rows
    else:
        import torch

        if not torch.cuda.is_available():
            print("PyTorch sees no GPU here; --cpu --small shows that the rows run.")
            return 2
    options = Options(not arguments.cpu, arguments.small, 1 if arguments.small else arguments.rounds)
    print(f"{'':71}{'ours':>12} {'beside':>12} {'ratio':>6}")
    rows: list[Row] = []
    begin = time.monotonic()
    for part in arguments.part or PARTS:
        for row in importlib.import_module(f"loadtests.on_gpu.{part}").rows(options):
            rows.append(row)
            show(row)
            if arguments.json:  # after each row: what ends the run early costs only what was not measured yet
                report = {"machine": machine(options.on_gpu), "rows": [row.as_json() for row in rows]}
                arguments.json.write_text(json.dumps(report, indent=1, default=str))
    failed = sum(bool(row.failed) for row in rows)
    not_run = sum(bool(row.missing) for row in rows)
    print(
        f"{len(rows) - failed - not_run} measured, {failed} failed, {not_run} not run, {time.monotonic() - begin:.0f} s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
