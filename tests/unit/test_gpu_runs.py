"""A row of the GPU's benchmark that fails, dies or hangs is told as such and costs no other its row."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from loadtests.gpu import show, write
from loadtests.on_gpu.frames import copied_bytes
from loadtests.on_gpu.rows import BESIDE, Options, Row
from loadtests.on_gpu.runs import results

CASES = "tests.unit.gpu_cases"


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "kept").write_text("clips")
    return Options(on_gpu=False, small=True, rounds=1, folder=tmp_path)


def test_every_case_gives_a_row_however_it_ends(options: Options, capsys: pytest.CaptureFixture) -> None:
    rows = {row.what: row for row in results(CASES, range(7), options, time.monotonic() + 3600)}
    assert list(rows) == ["first", "raises", "dies", "hangs", "lacks", "leaves", "last"]
    assert {what: row.failed for what, row in rows.items() if row.failed} == {
        "raises": "ValueError: what went wrong",
        "dies": "its process ended with 7",
        "hangs": "its time ran out",
        "leaves": "its process ended with 8",
    }
    assert rows["lacks"].missing == "no such card" and rows["lacks"].ours is None
    last = rows["last"]
    assert last.checks == {"folder": "clips"} and (last.share(BESIDE), last.share("the card")) == (0.5, 0.25)
    show(last)
    told = capsys.readouterr().out
    assert "0.50 of the library, 4.0  goal 0.5: met" in told and "0.25 of the card, 8.0\n" in told


def test_nothing_begins_after_the_deadline(options: Options) -> None:
    rows = list(results(CASES, [0, 6], options, time.monotonic()))
    assert [(row.what, row.missing, row.ours) for row in rows] == [
        ("first", "no time was left", None),
        ("last", "no time was left", None),
    ]


def test_a_file_of_results_names_what_was_drawn_beside_it(tmp_path: Path) -> None:
    row = Row("part", "first", "things/s", "the library", ours=2.0, beside=4.0, drawings={"use": "<svg/>"})
    for rows in ([row], [row, Row("part", "second", "things/s", "the library")]):
        write(tmp_path / "gpu.json", {"gpu": "a card"}, rows)
        told = json.loads((tmp_path / "gpu.json").read_text())
        assert told["machine"] == {"gpu": "a card"} and len(told["rows"]) == len(rows)
        assert told["rows"][0]["drawings"] == {"use": "gpu_use.svg"} and told["rows"][0]["shares"] == {BESIDE: 0.5}
    assert (tmp_path / "gpu_use.svg").read_text() == "<svg/>"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu.json", "gpu_use.svg"]


def test_what_a_profile_says_was_copied_is_added_up_by_direction() -> None:
    events = [
        {"cat": "gpu_memcpy", "name": "Memcpy DtoH (Device -> Pinned)", "args": {"bytes": 5}},
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "args": {"bytes": 7}},
        {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "args": {"bytes": 11}},
        {"cat": "gpu_memcpy", "name": "Memcpy DtoD (Device -> Device)", "args": {"bytes": 1000}},
        {"cat": "kernel", "name": "of HtoD", "args": {"bytes": 1000}},
        {"ph": "M", "name": "process_name"},
    ]
    assert copied_bytes({"traceEvents": events}) == {"DtoH": 5, "HtoD": 18}
