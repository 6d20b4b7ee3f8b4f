"""Numbers that a load test can't be made with are refused before anything starts."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.mark.parametrize(
    ("of", "given", "told"),
    [
        ("sweep", ["answers.yaml", "--beyond", "-1"], "argument --beyond: '-1' is not 0, or more than 1"),
        ("sweep", ["answers.yaml", "--beyond", "nan"], "argument --beyond: 'nan' is not 0, or more than 1"),
        ("sweep", ["nowhere.yaml"], "nowhere.yaml: No such file or directory."),
        ("calibrate", ["--seconds", "0"], "argument --seconds: '0' is not seconds, more than 0 and up to 86400"),
        ("calibrate", ["workers", "--seconds", "nan"], "argument --seconds: 'nan' is not seconds"),
        ("calibrate", ["--seconds", "soon"], "argument --seconds: 'soon' is not seconds"),
        ("soak", ["--requests", "0"], "argument --requests: '0' is not a whole number, at least 4"),
        ("first_token", ["--questions", "1.5"], "argument --questions: '1.5' is not a whole number, at least 1"),
    ],
)
def test_a_number_that_is_none_is_refused_with_what_may_stand_there(
    of: str, given: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [of, *given])
    try:
        status = importlib.import_module(f"loadtests.{of}").main()
    except SystemExit as ended:
        status = ended.code
    assert status == 2 and told in capsys.readouterr().err
