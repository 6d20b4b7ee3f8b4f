"""Citations in streamed text: however it is cut into chunks, the reader sees the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.nimbus.answers.citations import CitationStream, Cited

KNOWN = {1, 2, 3}

fragments = st.one_of(
    st.sampled_from(["[1]", " [2]", "[3, 1]", " [9]", "[9; 2]", "[", "]", " ", "[12", "[1][2]", "[x]", "\n"]),
    st.text(alphabet="ab .,[]0123", max_size=6),
)


def read(chunks: list[str]) -> tuple[str, list[int]]:
    """(the whole text, sources in order of first use)."""
    stream = CitationStream(lambda number: number if number in KNOWN else None)
    pieces = [piece for chunk in chunks for piece in stream.feed(chunk)] + list(stream.end())
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    return text, [piece.number for piece in pieces if isinstance(piece, Cited)]


@given(st.lists(fragments, max_size=12), st.data())
def test_chunks_make_no_difference(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(chunks) == read([text])


@given(st.lists(fragments, max_size=12))
def test_only_what_was_retrieved_is_cited(parts: list[str]) -> None:
    text, cited = read(parts)
    assert set(cited) <= KNOWN
    assert len(cited) == len(set(cited))
    shown = {int(number) for number in re.findall(r"\[(\d{1,4})\]", text)}
    assert shown <= set(range(1, len(cited) + 1))


def test_sources_are_renumbered_by_first_use() -> None:
    assert read(["The tide [3], the moon [1] and the tide again [3]."]) == (
        "The tide [1], the moon [2] and the tide again [1].",
        [3, 1],
    )


def test_a_marker_of_an_unknown_source_is_dropped_with_its_space() -> None:
    assert read(["It is so [7]. Yes [7, 2]."]) == ("It is so. Yes [1].", [2])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[ [7]1]", "[…1]"),
        ("So [1, [7]2] it is.", "So [1,…2] it is."),
        ("[ [2][7]1]", "[ [1]…1]"),
        ("[[7][8]3]", "[…3]"),
    ],
)
def test_what_stands_around_a_dropped_marker_becomes_none(text: str, shown: str) -> None:
    assert read([text])[0] == read(list(text))[0] == shown


def test_a_citation_is_told_before_its_marker_is_shown() -> None:
    stream = CitationStream(lambda number: number)
    pieces = list(stream.feed("So it is [1].")) + list(stream.end())
    assert pieces == ["So it is", Cited(1, 1), " [1]."]


def test_text_without_markers_is_not_held_back() -> None:
    stream = CitationStream(lambda number: number)
    assert list(stream.feed("word")) == ["word"]
