"""The lines of text that values are looked for in, each with its time and the words around it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from ray_jobs.engines.embedded.extraction.mentions import Mention, dates, emails, links, phones, times
from ray_jobs.engines.embedded.extraction.numerals import Number, Token, numbers, tokens
from ray_jobs.stages.extract import Passage
from services.core.words import stem

MAX_LINES = 20_000
LINE_CHARACTERS = 1_000
NEAR_TOKENS = 8  # on both sides of a value in a long line: speech without punctuation is one line
_SENTENCE = re.compile(r"(?<=[.!?])(?<!\b[DM]r\.)(?<!\bM[rs]s\.)(?<!\bMs\.)(?<!\bProf\.)\s+(?=[A-Z\"“])|\n+")
_LABEL = re.compile(r"\s*[-•*]?\s*([^:=]{2,60}?)\s*[:=]\s*(\S.*)")


@dataclass(frozen=True)
class Line:
    """A sentence said, or a line on the screen; `headline` is the first line of its block, `following` the next one."""

    kind: str
    text: str
    start_time: float
    end_time: float
    block: int
    headline: str = ""
    following: str = ""

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens(self.text)

    @cached_property
    def stems(self) -> list[str]:
        return [stem(token.text) for token in self.tokens]

    @cached_property
    def headline_stems(self) -> frozenset[str]:
        return frozenset(stem(token.text) for token in tokens(self.headline))

    @cached_property
    def dates(self) -> list[Mention]:
        return dates(self.text, self.tokens)

    @cached_property
    def times(self) -> list[Mention]:
        return times(self.text)

    @cached_property
    def emails(self) -> list[Mention]:
        return emails(self.text)

    @cached_property
    def links(self) -> list[Mention]:
        return links(self.text)

    @cached_property
    def phones(self) -> list[Mention]:
        return phones(self.text)

    @cached_property
    def numbers(self) -> list[Number]:
        """Numbers that are not a part of a date, a time, an address or a phone number."""
        taken = [*self.dates, *self.times, *self.emails, *self.links, *self.phones]
        return [
            number
            for number in numbers(self.text, self.tokens)
            if not any(number.start < item.end and item.start < number.end for item in taken)
        ]

    @cached_property
    def label(self) -> tuple[str, str]:
        """("Distance", "384,000 km") of "Distance: 384,000 km"; empty where there is no label."""
        match = _LABEL.fullmatch(self.text)
        return (match[1], match[2].strip()) if match and "//" not in self.text[: match.end(1) + 3] else ("", "")

    def around(self, start: int, end: int) -> set[str]:
        """Stems of the words near a place in the text; of all of them in a short line."""
        if len(self.tokens) <= 2 * NEAR_TOKENS:
            return set(self.stems)
        inside = [place for place, token in enumerate(self.tokens) if token.start < end and start < token.end]
        if not inside:
            return set(self.stems)
        return set(self.stems[max(0, inside[0] - NEAR_TOKENS) : inside[-1] + 1 + NEAR_TOKENS])


def lines_of(passages: Sequence[Passage]) -> list[Line]:
    """The lines of some passages in order, at most MAX_LINES of them."""
    found: list[Line] = []
    for block, passage in enumerate(passages):
        parts = list(_parts(passage))
        headline = parts[0] if passage.kind == "scene_text" and len(parts) > 1 else ""
        for place, text in enumerate(parts):
            following = parts[place + 1] if passage.kind == "scene_text" and place + 1 < len(parts) else ""
            times = (passage.start_time, passage.end_time)
            found.append(Line(passage.kind, text, *times, block, headline, following))
            if len(found) == MAX_LINES:
                return found
    return found


def _parts(passage: Passage) -> Iterable[str]:
    for text in passage.text.split("\n") if passage.kind == "scene_text" else _SENTENCE.split(passage.text):
        text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
        while text:
            cut = len(text) if len(text) <= LINE_CHARACTERS else max(text.rfind(" ", 0, LINE_CHARACTERS), 1)
            if len(text) > LINE_CHARACTERS and cut == 1:
                cut = LINE_CHARACTERS
            yield text[:cut].strip()
            text = text[cut:].strip()
