"""The count of answers that wait, and of those that are written."""

from __future__ import annotations

from ray_jobs.engines.answers import Answers


def test_an_answer_waits_until_its_first_part_and_is_written_until_its_end() -> None:
    answers = Answers()
    first, second = answers.begin(), answers.begin()
    assert (answers.waiting, answers.running) == (2, 0)
    first.told()
    first.told()
    assert (answers.waiting, answers.running) == (1, 1)
    first.ended()
    second.ended()  # given up before anything came
    assert (answers.waiting, answers.running) == (0, 0)
