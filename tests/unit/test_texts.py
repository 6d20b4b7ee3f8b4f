"""What of a description is embedded, and what is quoted of it."""

from __future__ import annotations

from ray_jobs.stages.texts import pieces
from services.core.media import SegmentDescription, Span, Speech, attributed, said_by


def test_who_speaks_is_quoted_and_not_embedded() -> None:
    content = SegmentDescription(
        speech=(Speech("I agree.", 1.0, 2.0, "Speaker 1"), Speech("I agree.", 3.0, 4.0, "Speaker 2"))
    )
    said = [piece for piece in pieces(content, Span(0.0, 5.0)) if piece.kind == "speech"]
    assert [piece.text for piece in said] == ["I agree.", "I agree."]
    assert [piece.quoted for piece in said] == ["Speaker 1: I agree.", "Speaker 2: I agree."]


def test_a_text_says_by_whom_it_was_said() -> None:
    assert said_by(attributed("Speaker 12", "Yes: now.")) == ("Speaker 12", "Yes: now.")
    assert said_by("Note: Speaker 1: hello") == ("", "Note: Speaker 1: hello")
    assert said_by(attributed("", "Yes")) == ("", "Yes")
