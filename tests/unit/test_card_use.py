"""How busy a card was: what is told of it counts in the span it belongs to, and is drawn."""

from __future__ import annotations

import time
from xml.etree import ElementTree

import pytest

from loadtests.on_gpu.use import DECODER, GPU, PROCESSORS, Use, take_told, watched


def made() -> Use:
    use = Use(samples={GPU: [(number / 10, float(number >= 50)) for number in range(100)]})
    use.marks = [(0.0, 4.95, "alone"), (4.95, 10.0, "whole")]
    return use


def later(use: Use, seconds: float) -> Use:
    """The same behind a start of so long, in which nothing is marked and the card was busy."""
    use.marks = [(begin + seconds, end + seconds, what) for begin, end, what in use.marks]
    use.samples = {
        what: [(0.0, 1.0), *((at + seconds, share) for at, share in points)] for what, points in use.samples.items()
    }
    return use


def test_the_mean_is_of_the_marks_of_that_name():
    use = made()
    assert use.mean(GPU, "alone") == 0.0 and use.mean(GPU, "whole") == 1.0
    assert use.mean(DECODER, "whole") is None


def test_its_course_is_a_line_of_blocks():
    assert made().line(GPU, "whole", 10) == "█" * 10
    assert made().line(GPU, "alone") == "▁" * 40
    assert made().line(DECODER, "whole") == ""


def test_what_is_drawn_has_a_line_for_each_thing_and_a_place_for_each_mark():
    use = made()
    take_told(use, "97, 12\n")
    take_told(use, "[N/A], 13\n")
    assert [share for _, share in use.samples[DECODER]] == [0.12, 0.13]
    assert len(use.samples.pop(GPU)) == 101
    use.samples[GPU] = made().samples[GPU]
    drawn = ElementTree.fromstring(use.drawn())
    lines = [each for each in drawn if each.tag.endswith("polyline")]
    texts = [each.text for each in drawn if each.tag.endswith("text")]
    assert len(lines) == 2 and {"alone", "whole", GPU, DECODER, "100%"} <= set(texts)
    heights = [float(place.split(",")[1]) for place in (lines[0].get("points") or "").split()]
    assert min(heights) == pytest.approx(8.0) and max(heights) > 100  # fully busy is at the top


def test_what_was_before_the_first_mark_is_not_drawn():
    assert later(made(), 30.0).drawn() == made().drawn()


def test_nothing_that_was_seen_is_still_a_drawing():
    assert ElementTree.fromstring(Use().drawn()).tag.endswith("svg")


def test_processors_that_work_are_seen_to():
    with watched(on_gpu=False, every_seconds=0.02) as use, use.marked("work"):
        end = time.monotonic() + 5
        while not use.samples.get(PROCESSORS) and time.monotonic() < end:
            sum(range(10_000))
    assert (use.mean(PROCESSORS, "work") or 0.0) > 0.0
