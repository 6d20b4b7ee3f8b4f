"""What instructions and a question wish of an answer's form, as far as an engine that quotes can give it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from babel import Locale

from ray_jobs.engines.embedded.extractive.facts import amounts
from ray_jobs.engines.embedded.extractive.frames import Frames, frames
from ray_jobs.engines.embedded.extractive.languages import LANGUAGES, holds
from ray_jobs.engines.embedded.extractive.wishes import Wish, wishes
from ray_jobs.engines.embedded.titles import shortened
from services.core.search.tokens import folded, is_unspaced

MAX_POINTS = 50
BRIEF_POINTS = 2
DETAILED_POINTS = 12
MAX_TOLD = 60  # characters of a wish that is repeated
# Probability from which a wish is one: instructions speak of little but form, questions of much else. By training/wishes.py.
IN_INSTRUCTIONS = 0.4
IN_QUESTION = 0.5
# Of 230 questions that wish nothing that can't be done five are told to from 0.5, none from 0.8.
CANNOT_IN_QUESTION = 0.85


@dataclass(frozen=True)
class Style:
    """What is kept of the wishes, and the words of those that can't be. Citations are no matter of style: an answer without
    its sources is not given."""

    bullets: bool = False
    numbered: bool = False
    prose: bool = False  # no list even where one is usual
    timestamps: bool = True
    max_points: int = 0  # 0: as many as fit the question
    max_words: int = 0  # 0: any number
    max_characters: int = 0
    terse: bool = False  # the answer and nothing else
    plain: bool = False  # without Markdown
    language: str = ""  # of the engine's own words; "": the question's
    not_kept: tuple[str, ...] = ()

    @classmethod
    def of(cls, instructions: str, question: str, language: str) -> Style:
        """`language`: of the question, for what the style tells itself. The question counts for more than instructions."""
        style = cls()
        for text, *least in ((instructions, IN_INSTRUCTIONS), (question, IN_QUESTION, CANNOT_IN_QUESTION)):
            for clause, wished in wishes(text, *least):
                style = style._with(clause, wished)
        return replace(style, language=style.language or language)

    def _with(self, clause: str, wished: frozenset[Wish]) -> Style:
        style = self
        for wish in wished:
            style = style._kept(wish, clause, alone=len(wished) == 1)
        if wished & {"bullets", "numbered"} and _amount(clause):
            style = style._kept("count", clause, alone=False)
        return style

    def _kept(self, wish: Wish, clause: str, *, alone: bool) -> Style:
        match wish:
            case "bullets" | "numbered" | "prose":
                return replace(self, bullets=wish == "bullets", numbered=wish == "numbered", prose=wish == "prose")
            case "timed" | "untimed":
                return replace(self, timestamps=wish == "timed")
            case "count":
                count = _amount(clause) or 1  # one is an article in most languages
                return replace(self, max_points=max(1, min(count - holds_any("fewer", clause), MAX_POINTS)))
            case "length":
                return self._within(clause)
            case "brief" | "detailed":
                points = BRIEF_POINTS if wish == "brief" else DETAILED_POINTS
                return replace(self, max_points=self.max_points or points)
            case "terse":
                return replace(self, terse=True)
            case "plain":
                return replace(self, plain=True)
            case "language":
                named = _language(clause)
                return replace(self, language=named) if named else self._not_kept(clause)
            case "cannot":
                return self._not_kept(clause) if alone else self

    def _within(self, clause: str) -> Style:
        most = _amount(clause)
        if not most:
            return self
        in_characters = is_unspaced(clause) or holds_any("character", clause)
        return replace(self, max_characters=most) if in_characters else replace(self, max_words=most)

    def _not_kept(self, clause: str) -> Style:
        return replace(self, not_kept=tuple(dict.fromkeys([*self.not_kept, shortened(clause, MAX_TOLD)])))

    def write(self, lines: Sequence[str], lead: str = "") -> str:
        """The lines in the form wished for, behind the words that introduce them, with what can't be kept at the end."""
        return self.noted(self.listed(lines, lead), frames(self.language))

    def listed(self, lines: Sequence[str], lead: str = "") -> str:
        """Never more points, words or characters than were wished for, but at least one line."""
        lines = list(lines)[: self.max_points or len(lines)]
        while len(lines) > 1 and not self._fits(lines):
            lines.pop()
        if self.numbered:
            lines = [f"{number}. {line}" for number, line in enumerate(lines, 1)]
        elif self.bullets:
            lines = [f"- {line}" for line in lines]
        between = "\n" if self.numbered or self.bullets else " "
        return between.join([*([lead] if lead else []), *lines])

    def noted(self, text: str, words: Frames) -> str:
        """With the one sentence on wishes that can't be kept."""
        if not self.not_kept:
            return text
        return f"{text}\n\n{words.say('not_kept', wishes=words.listed([words.quote(wish) for wish in self.not_kept]))}"

    def _fits(self, lines: Sequence[str]) -> bool:
        text = re.sub(r"\s*\[\d+\]", "", " ".join(lines))
        return len(text.split()) <= (self.max_words or 10**6) and len(text) <= (self.max_characters or 10**6)


def _amount(clause: str) -> int:
    """The largest number in a clause, 0 where there is none: of "two to four" the second."""
    return max((int(amount) for amount in amounts(clause)), default=0)


def holds_any(name: str, text: str) -> bool:
    return any(holds(name, language, text) for language in LANGUAGES)


def _language(clause: str) -> str:
    """The first of the languages of replies that a clause names, in any of them; "" for another."""
    text = folded(clause)
    return next((code for name, code in _language_names() if name in text), "")


@lru_cache
def _language_names() -> tuple[tuple[str, str], ...]:
    names = {
        (folded(str(Locale.parse(language).languages[code])), code) for language in LANGUAGES for code in LANGUAGES
    }
    return tuple(sorted(names, key=lambda item: -len(item[0])))
