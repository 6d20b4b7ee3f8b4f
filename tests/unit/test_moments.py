"""A citation names the moment that a claim is about, not the whole segment."""

from __future__ import annotations

from arcus.engine.v1 import engine_pb2 as pb

from services.nimbus.answers.citations import CitationStream, Cited
from services.nimbus.answers.moments import Moments

REQUEST = pb.GenerateRequest(
    sources=[
        pb.Source(
            number=1,
            start_time=0,
            end_time=60,
            passages=[
                pb.Passage(kind="speech", text="The kiln is heated to nine hundred degrees.", start_time=4, end_time=8),
                pb.Passage(kind="speech", text="Then the glaze is brushed on by hand.", start_time=31, end_time=35),
                pb.Passage(kind="scene_text", text="窯の温度は九百度です", start_time=40, end_time=44),
            ],
        )
    ]
)


def test_a_claim_names_the_passage_whose_words_it_repeats() -> None:
    moments = Moments(REQUEST)
    assert moments.of(1, "The glaze is put on by hand, with a brush") == (31, 35)
    assert moments.of(1, "The kiln reaches nine hundred degrees") == (4, 8)
    assert moments.of(1, "窯の温度は何度") == (40, 44)


def test_a_claim_in_other_words_names_the_segment() -> None:
    moments = Moments(REQUEST)
    assert moments.of(1, "Pottery needs patience") == (0, 60)
    assert moments.of(1, "") == (0, 60)


def test_two_moments_of_a_segment_are_two_citations_however_the_text_is_cut() -> None:
    moments = Moments(REQUEST)
    text = "The kiln reaches nine hundred degrees [1]. The glaze is brushed on by hand [1]. Nine hundred degrees in the kiln [1]!"
    for size in (1, 7, len(text)):
        stream = CitationStream({1}.__contains__, moment=lambda number, claim: moments.of(number, claim)[0])
        chunks = [text[start : start + size] for start in range(0, len(text), size)]
        pieces = [piece for chunk in chunks for piece in stream.feed(chunk)] + list(stream.end())
        assert [piece for piece in pieces if isinstance(piece, Cited)] == [Cited(1, 1, 4), Cited(1, 2, 31)]
        shown = "".join(piece for piece in pieces if isinstance(piece, str))
        assert shown == text.replace("by hand [1]", "by hand [2]")
