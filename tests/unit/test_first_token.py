"""Parts of a question in a profile: what is told of them, and that one which is never called is missed."""

from __future__ import annotations

import cProfile
import pstats

import pytest

from loadtests import first_token


def body() -> int:
    return sum(range(1000))


def test_a_part_is_told_by_question_and_one_that_was_never_called_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = cProfile.Profile()
    profile.runcall(body)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    monkeypatch.setattr(first_token, "PARTS", ((1, "the body", body),))
    ((depth, name, milliseconds),) = first_token.parts(stats, 4)
    assert (depth, name) == (1, "the body")
    spent = stats[body.__code__.co_filename, body.__code__.co_firstlineno, "body"][3]
    assert milliseconds == pytest.approx(1000 * spent / 4) and milliseconds > 0
    monkeypatch.setattr(first_token, "PARTS", ((0, "the other", first_token.parts),))
    with pytest.raises(LookupError, match="the other: parts was never called"):
        first_token.parts(stats, 4)
