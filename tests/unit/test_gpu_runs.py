"""A row of the GPU's benchmark that fails, dies or hangs is told as such and costs no other its row."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from loadtests.gpu import show
from loadtests.on_gpu.rows import BESIDE, Options
from loadtests.on_gpu.runs import results

CASES = "tests.unit.gpu_cases"


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "kept").write_text("clips")
    return Options(on_gpu=False, small=True, rounds=1, folder=tmp_path)


def test_every_case_gives_a_row_however_it_ends(options: Options, capsys: pytest.CaptureFixture) -> None:
    rows = {row.what: row for row in results(CASES, range(6), options, time.monotonic() + 600)}
    assert list(rows) == ["first", "raises", "dies", "hangs", "lacks", "last"]
    assert {what: row.failed for what, row in rows.items() if row.failed} == {
        "raises": "ValueError: what went wrong",
        "dies": "its process ended with 7",
        "hangs": "its time ran out",
    }
    assert rows["lacks"].missing == "no such card" and rows["lacks"].ours is None
    last = rows["last"]
    assert last.checks == {"folder": "clips"} and (last.share(BESIDE), last.share("the card")) == (0.5, 0.25)
    show(last)
    told = capsys.readouterr().out
    assert "0.50 of the library, 4.0  goal 0.5: met" in told and "0.25 of the card, 8.0\n" in told


def test_nothing_begins_after_the_deadline(options: Options) -> None:
    rows = list(results(CASES, [0, 5], options, time.monotonic()))
    assert [(row.what, row.missing, row.ours) for row in rows] == [
        ("first", "no time was left", None),
        ("last", "no time was left", None),
    ]
