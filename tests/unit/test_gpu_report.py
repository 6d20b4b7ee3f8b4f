"""What a GPU was measured to do becomes rows of the results and rates of a plan, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtests.gpu import PARTS, write
from loadtests.knees.found import write_rates
from loadtests.on_gpu.report import RATED, rates, rows
from loadtests.on_gpu.rows import Options, Row
from loadtests.on_gpu.runs import cases
from services.cli.rates import MEASURED, measured_rates


@pytest.fixture
def every(tmp_path: Path) -> list[Row]:
    options = Options(on_gpu=True, small=False, rounds=3, folder=tmp_path)
    return [case.row for part in PARTS for case in cases(f"loadtests.on_gpu.{part}", options)]


def report(every: list[Row], folder: Path, machine: dict[str, Any]) -> dict[str, Any]:
    for number, row in enumerate(every):
        row.ours, row.beside = 1000.0 + number, 2000.0 + 2 * number
    write(folder / "gpu.json", {"date": "2026-12-24", **machine}, every)
    return json.loads((folder / "gpu.json").read_text())


def test_each_rate_is_of_one_row(every, tmp_path):
    found = rates(report(every, tmp_path, {"gpu": "NVIDIA X"}))
    assert found.keys() == RATED.keys()
    for name, (part, what, unit, _) in RATED.items():
        at = [row for row in every if row.part == part and row.what.startswith(what) and row.unit == unit]
        assert [row.ours for row in at] == [found[name].value]


def test_every_row_and_every_rate_can_be_looked_up_in_the_results(every, tmp_path):
    told = report(every, tmp_path, {"gpu": "NVIDIA X"})
    made = rows(told)
    assert len(made) == len(every) and all(row.startswith("| 2026-12-24 | NVIDIA X | ") for row in made)
    assert all("(0.50)" in row for row in made)
    for rate in rates(told).values():
        assert any(rate.quoted in row for row in made) and rate.hardware == "one NVIDIA X"


@pytest.mark.parametrize("machine", [{}, {"gpu": "NVIDIA X"}])
def test_what_ran_on_a_processor_or_failed_is_no_rate(every, tmp_path, machine):
    for row in every:
        row.failed = "recall: 0.9" if machine else ""
    told = report(every, tmp_path, machine)
    assert rates(told) == {} and len(rows(told)) == len(every)
    assert not machine or "FAILED recall: 0.9" in rows(told)[0]


def test_a_row_that_was_not_run_is_left_out(every, tmp_path):
    told = report(every, tmp_path, {"gpu": "NVIDIA X"})
    told["rows"][0]["ours"] = None
    assert len(rows(told)) == len(every) - 1


def test_rates_go_over_those_of_their_names_alone(every, tmp_path):
    path = tmp_path / "rates.json"
    path.write_text(MEASURED.read_text())
    before = measured_rates(path)
    found = rates(report(every, tmp_path, {"gpu": "NVIDIA X"}))
    write_rates(found, path)
    assert measured_rates(path) == before | found
