from dataclasses import replace

import numpy as np
import pytest

from ray_jobs.engines.embedded.frame_changes import Probe, probe
from ray_jobs.engines.embedded.scene_text import (
    REMEMBERED_FILES,
    REMEMBERED_SECONDS,
    Readings,
    SceneTextReader,
    Source,
    _Line,
    alike,
    reading_order,
    tidy,
)
from services.core.errors import ArcusError


def grey(level: int) -> Probe:
    return probe(np.full((90, 160, 3), level, np.uint8))


def line(text: str, top: float, left: float = 0.0) -> _Line:
    return _Line(text, top, left, 0.1, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("read", "clean"), [("• Module 3 of 7", "Module 3 of 7"), ("-  or -", "or -"), ("a  b", "a b"), ("-5 °C", "-5 °C")]
)
def test_bullets_and_doubled_blanks_are_removed_but_no_minus(read, clean):
    assert tidy(read) == clean


def test_readings_that_differ_by_a_letter_are_one_line():
    assert alike("Quarterly Results", "Quartery Results")


def test_readings_that_differ_by_a_digit_are_two_lines():
    assert not alike("Frame = 4", "Frame = 5")


def test_different_words_are_two_lines():
    assert not alike("Spring tides", "Neap tides")


def test_lines_are_ordered_by_row_then_from_left_to_right():
    shuffled = [line("d", 0.5, 0.4), line("a", 0.0), line("c", 0.51, 0.0), line("b", 0.2)]
    assert [item.text for item in reading_order(shuffled)] == ["a", "b", "c", "d"]


def test_a_reader_that_is_not_set_up_says_so():
    with pytest.raises(ArcusError, match="setup"):
        SceneTextReader().read(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1), 1.0)


TALK = Source("a tenant", "tenants/a tenant/files/talk/original")


def test_a_picture_that_was_read_is_known_by_its_looks_its_tenant_and_its_object():
    readings, picture = Readings(), grey(200)
    readings.keep(TALK, picture, [line("Tides", 0.0)])
    assert [item.text for item in readings.find(TALK, grey(202)) or []] == ["Tides"]
    assert readings.find(replace(TALK, object_key="another talk"), picture) is None
    assert readings.find(replace(TALK, tenant_id="another tenant"), picture) is None
    assert readings.find(TALK, grey(20)) is None


def test_only_the_latest_readings_are_kept():
    readings = Readings()
    pictures = [grey(2 * level) for level in range(0, 128, 14)]
    for picture in pictures:
        readings.keep(TALK, picture, [])
    assert readings.find(TALK, pictures[0]) is None and readings.find(TALK, pictures[-1]) == []
    for number in range(REMEMBERED_FILES):
        readings.keep(replace(TALK, object_key=str(number)), pictures[0], [])
    assert readings.find(TALK, pictures[-1]) is None and len(readings) == REMEMBERED_FILES


def test_what_was_read_is_forgotten_once_its_file_is_at_rest():
    now = [0.0]
    readings, picture = Readings(clock=lambda: now[0]), grey(200)
    readings.keep(TALK, picture, [])
    now[0] += REMEMBERED_SECONDS - 1
    assert readings.find(TALK, picture) == []
    now[0] += REMEMBERED_SECONDS - 1
    readings.forget_idle()
    assert len(readings) == 1
    now[0] += 1
    readings.forget_idle()
    assert len(readings) == 0
