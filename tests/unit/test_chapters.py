"""Chapters: those of the container first, else runs of segments about one thing."""

from __future__ import annotations

from services.core.library.descriptions import DescribedSegment
from services.core.library.segments import Segment
from services.core.media import Chapter, SegmentDescription
from services.nimbus.views.chapters import chapters_of


def segment(title: str, start: float, end: float) -> DescribedSegment:
    return DescribedSegment(Segment("s", "t", "c", "f", 0, start, end, {}), SegmentDescription(title=title))


def spans(found: list[dict]) -> list[tuple]:
    return [(item["start_time"], item["end_time"], item["description"]) for item in found]


def test_marks_of_the_container_come_first():
    marks = (Chapter("Opening", 0, 3), Chapter("", 3, 9))
    assert spans(chapters_of(marks, [segment("Tides", 0, 9)])) == [(0, 3, "Opening"), (3, 9, "Chapter 2")]


def test_neighbouring_segments_with_one_title_are_one_chapter():
    found = chapters_of(
        (), [segment("Tides", 0, 20), segment("TIDES", 20, 40), segment("", 40, 60), segment("Dams", 60, 80)]
    )
    assert spans(found) == [(0, 60, "Tides"), (60, 80, "Dams")]


def test_chapters_of_overlapping_segments_do_not_overlap():
    assert spans(chapters_of((), [segment("Tides", 0, 10), segment("Dams", 5, 15)])) == [
        (0, 5, "Tides"),
        (5, 15, "Dams"),
    ]


def test_without_titles_there_are_no_chapters():
    assert chapters_of((), [segment("", 0, 20)]) == [] and chapters_of((), []) == []
