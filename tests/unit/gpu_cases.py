"""Cases that end in every way a measurement can: the part of a benchmark that `test_gpu_runs.py` measures."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

from loadtests.on_gpu.rows import BESIDE, Case, Options, Row


def cases(options: Options) -> Iterator[Case]:
    def case(what: str, measure: Callable[[Row], None], missing: str = "", limit_seconds: float = 60.0) -> Case:
        row = Row("part", what, "things/s", "the library", {BESIDE: 0.5}, ceilings={"the card": 8.0})
        return Case(row, measure, lambda: missing, limit_seconds=limit_seconds)

    def measured(row: Row) -> None:
        row.ours, row.beside = 2.0, 4.0
        row.check("folder", (options.folder / "kept").read_text(), True)
        row.drawings["use"] = "<svg/>"

    def raises(row: Row) -> None:
        raise ValueError("what went wrong")

    def leaves(row: Row) -> None:
        if os.fork() == 0:  # a process that holds the pipe open
            threading.Event().wait()
        os._exit(8)

    yield case("first", measured)
    yield case("raises", raises)
    yield case("dies", lambda row: os._exit(7))
    yield case("hangs", lambda row: threading.Event().wait() and None, limit_seconds=1.0)
    yield case("lacks", measured, missing="no such card")
    yield case("leaves", leaves, limit_seconds=3600.0)
    yield case("last", measured)
