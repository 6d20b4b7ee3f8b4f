"""A soak is judged by what is left: rows and files by requests, the database by how large it was."""

from __future__ import annotations

from loadtests.soak import Point, slopes


def point(requests: int, *, jobs: int = 2, files: int = 0, size: int = 1_000_000) -> Point:
    return Point(requests, 1.0, {"jobs": jobs, "chats": 0}, size, files, 0, 0)


def missed(first: Point, last: Point) -> list[str]:
    return [slope.what for slope in slopes([first, point(2_000, jobs=900), last]) if not slope.is_met]


def test_what_stays_as_it_was_is_flat():
    assert missed(point(1_000), point(5_000)) == []
    assert missed(point(1_000), point(5_000, jobs=6, files=4, size=1_200_000)) == []


def test_what_grows_with_requests_is_told_by_its_name():
    assert missed(point(1_000), point(5_000, jobs=7)) == ["rows of jobs, more by 1,000 requests"]
    assert missed(point(1_000), point(5_000, files=5)) == ["files, more by 1,000 requests"]
    assert missed(point(1_000), point(5_000, size=1_300_000)) == ["bytes of the database, last ÷ first"]
