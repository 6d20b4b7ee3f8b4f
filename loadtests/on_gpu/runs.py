"""Cases measured in a process of their own: one that hangs or takes its process with it costs no other its row."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from loadtests.on_gpu.rows import Case, Options, Row

ROOT = Path(__file__).parents[2]
ON_CPU = 5  # times as long as a GPU is given
LOOK_SECONDS = 1.0  # between looks at whether a process that is silent still runs


def cases(module: str, options: Options) -> list[Case]:
    return list(importlib.import_module(module).cases(options))


def results(module: str, numbers: Sequence[int], options: Options, deadline: float) -> Iterator[Row]:
    """The rows of some of a module's cases, as each is done; deadline: of time.monotonic."""
    known = cases(module, options)
    left = list(numbers)
    patience = 1 if options.on_gpu else ON_CPU
    while left:
        if time.monotonic() >= deadline:
            for number in left:
                known[number].row.missing = "no time was left"
                yield known[number].row
            return
        with _Child(module, left, options) as child:
            while left:
                case = known[left[0]]
                row = child.row(min(case.limit_seconds * patience, deadline - time.monotonic()))
                left.pop(0)
                if row is None:
                    case.row.failed = child.end()
                    yield case.row
                    break
                yield row


class _Child:
    """Measures cases in order and writes each row to a pipe, a line of JSON. What else it says goes to stderr."""

    def __init__(self, module: str, numbers: Sequence[int], options: Options) -> None:
        reader, writer = os.pipe()
        given = json.dumps({**asdict(options), "folder": str(options.folder)})
        command = [sys.executable, "-m", __name__, module, ",".join(map(str, numbers)), given, str(writer)]
        paths = [str(ROOT), str(ROOT / "proto"), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdout=2,  # what a library says is not the table
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        self._rows = os.fdopen(reader)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._rows.close()

    def row(self, seconds: float) -> Row | None:
        """The next row; None where it does not come within `seconds`, or never will.

        Processes that a dead one left hold the pipe open, so that its end alone does not tell.
        """
        deadline = time.monotonic() + seconds
        ready = False
        while not ready:
            runs = self._process.poll() is None  # asked first: what it wrote before it ended counts
            left = max(0.0, deadline - time.monotonic())
            ready = bool(select.select([self._rows], [], [], min(LOOK_SECONDS, left) if runs else 0.0)[0])
            if not (runs and left):
                break
        line = self._rows.readline() if ready else ""
        if not line:
            return None
        value = json.loads(line)
        return Row(**{each.name: value[each.name] for each in fields(Row)})

    def end(self) -> str:
        """Ends the process with all that it started, if it still runs; says how it ended."""
        was_running = self._process.poll() is None
        if was_running:
            try:
                self._process.wait(1.0)  # one that is done may still be ending
                was_running = False
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        code = self._process.wait()
        return "its time ran out" if was_running else f"its process ended with {code}"


def _measure(case: Case) -> None:
    case.row.missing = case.missing()
    if not case.row.missing:
        try:
            case.measure(case.row)
        except Exception as error:
            traceback.print_exc()
            case.row.failed = f"{type(error).__name__}: {error}"[:300]


def _main() -> None:
    module, numbers, given, writer = sys.argv[1:]
    values = json.loads(given)
    known = cases(module, Options(**{**values, "folder": Path(values["folder"])}))
    with os.fdopen(int(writer), "w", buffering=1) as rows:
        for number in numbers.split(","):
            case = known[int(number)]
            _measure(case)
            rows.write(json.dumps(case.row.as_json(), default=str) + "\n")


if __name__ == "__main__":
    _main()
