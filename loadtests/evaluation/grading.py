"""How a reply is graded, by rule: refused or not, the right moment, the facts, the language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from loadtests.evaluation.citations import quotes
from loadtests.evaluation.clips import Span
from loadtests.evaluation.collections import Question
from loadtests.evaluation.language import is_in

NEAR_SECONDS = 2.0
LEAD_CHARACTERS = 400  # a reply to one question tells its fact by then; summaries, lists and comparisons take longer
LONG = ("whole", "list", "compare", "entities", "database")
YES = {
    "en": ("yes",), "de": ("ja",), "fr": ("oui",), "es": ("sí", "si"), "pt": ("sim",),
    "zh": ("是", "有", "对", "会", "能", "可以", "在"), "ja": ("はい", "ええ"),
}  # fmt: skip
NO = {
    "en": ("no",), "de": ("nein",), "fr": ("non",), "es": ("no",), "pt": ("não",),
    "zh": ("不", "没", "否", "并不", "并没"), "ja": ("いいえ", "いえ"),
}  # fmt: skip
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,.'’]\d{3})+(?![\d])")
_TIME = re.compile(
    r"(?<![\d:.])(?:(\d{1,2}):)?(\d{1,2}):(\d{2}(?:\.\d+)?)(?![\d:])|(?<![\d:.])(\d+(?:\.\d+)?)\s?s(?![a-z])"
)


@dataclass(frozen=True)
class Reply:
    """What came back. `notes`: its citations as the API gives them, in the order of the text; `names`: filenames by id."""

    text: str
    notes: tuple[Mapping[str, Any], ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    queried: bool = False  # it came of queries over entities, which are not cited
    is_refusal: bool = False  # it is marked as one
    error: str = ""

    @classmethod
    def of(cls, response: Mapping[str, Any], names: Mapping[str, str]) -> Reply:
        if response.get("error"):
            return cls("", error=str(response["error"]))
        content = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
        return cls(
            "".join(part.get("text") or part.get("refusal") or "" for part in content),
            tuple(note for part in content for note in part.get("annotations", ())),
            names,
            queried=any(item["type"] == "cloudglue_query_call" and not item["error"] for item in response["output"]),
            is_refusal=any(part["type"] == "refusal" for part in content),
        )

    @property
    def cited(self) -> list[tuple[str, float, float]]:
        """(filename, start, end) of each citation."""
        return [(self.names.get(note["file_id"], ""), note["start_time"], note["end_time"]) for note in self.notes]

    @property
    def quotes(self) -> list[str]:
        """What the citations hold."""
        return [text for note in self.notes for text in quotes(note)]


@dataclass(frozen=True)
class Grade:
    """None: the question does not ask for it, or it can't be told."""

    refused: bool
    moment: bool | None = None  # what is cited first is where the answer is
    fact: bool | None = None
    language: bool | None = None
    error: str = ""

    def faults(self, question: Question) -> list[str]:
        """What is wrong with it, if anything."""
        if self.error:
            return ["error"]
        if not question.is_answerable:
            found = [] if self.refused else ["answered"]
        elif self.refused:
            found = ["refused"]
        else:
            found = ["no fact"] * (self.fact is False) + ["wrong moment"] * (self.moment is False)
        return found + ["wrong language"] * (self.language is False)

    @property
    def is_wrong(self) -> bool:
        """It was answered, and not with what is true."""
        return not self.refused and self.fact is False


def grade(question: Question, reply: Reply, when: Mapping[tuple[str, str], Span]) -> Grade:
    """`when`: the time of each (filename, part)."""
    if reply.error:
        return Grade(refused=False, fact=False, moment=False if question.at else None, error=reply.error)
    language = is_in(question.language, reply.text, reply.quotes)
    is_empty = reply.is_refusal or not (reply.notes or reply.queried)
    if not question.is_answerable:
        # An answer of an engine's own invention cites nothing, but holds what would be wrong.
        refused = is_empty and not any(holds(reply.text, bait) for bait in question.bait)
        return Grade(refused, language=language)
    fact = _tells(question, reply, when)
    return Grade(
        refused=is_empty and not fact,
        moment=_is_right(question, reply.cited[:1], when) if question.at else None,
        fact=fact,
        language=language,
    )


def _tells(question: Question, reply: Reply, when: Mapping[tuple[str, str], Span]) -> bool:
    text = reply.text if question.kind in LONG else reply.text[:LEAD_CHARACTERS]
    held = [holds(text, fact) for fact in question.facts]
    good = sum(held) >= question.share * len(held) and not any(holds(reply.text, bait) for bait in question.bait)
    if question.affirmed is not None:
        good &= _affirms(question.language, reply.text) is question.affirmed
    if question.kind == "moment":
        good &= any(_is_within(time, time, question, when) for time in times(text))
    if question.files:
        cited = {filename for filename, _, _ in reply.cited}
        named = {name for name in question.files if name.rsplit(".", 1)[0] in reply.text}
        good &= cited <= set(question.files) and cited | named == set(question.files)
    return good


def _is_right(
    question: Question, cited: Sequence[tuple[str, float, float]], when: Mapping[tuple[str, str], Span]
) -> bool:
    """Whether a citation is of the right file and lies, but for NEAR_SECONDS on each side, within what answers."""
    return any(_is_within(start, end, question, when, filename) for filename, start, end in cited)


def _is_within(
    start: float, end: float, question: Question, when: Mapping[tuple[str, str], Span], filename: str | None = None
) -> bool:
    return any(
        filename in (None, place[0])
        and when[place].start_time - NEAR_SECONDS <= start <= end <= when[place].end_time + NEAR_SECONDS
        for place in question.at
    )


def times(text: str) -> list[float]:
    """The times told in a text, in seconds: 1:02:03, 0:12, 12.5 s."""
    return [
        float(bare) if bare else 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds)
        for hours, minutes, seconds, bare in _TIME.findall(text)
    ]


def holds(text: str, fact: str) -> bool:
    """Whether a text has one of the ways to say a fact, apart by |, as words of its own."""
    there = _plain(text)
    return any(_finder(_plain(way)).search(there) for way in fact.split("|"))


@cache
def _finder(way: str) -> re.Pattern[str]:
    """Chinese and Japanese have no spaces between words; elsewhere, and for numbers everywhere, a word ends where it ends."""
    before = r"(?<![a-z\d])" if way[:1].isascii() else ""
    after = r"(?![a-z\d])" if way[-1:].isascii() else ""
    return re.compile(before + re.escape(way) + after)


def _plain(text: str) -> str:
    """One form of each letter, without case, accents and the marks between thousands; spaces are single."""
    text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(sign for sign in text if not unicodedata.combining(sign) or sign in "\u3099\u309a")
    text = _THOUSANDS.sub(lambda number: re.sub(r"\D", "", number.group()), text)
    return " ".join(text.split())


def _affirms(language: str, text: str) -> bool | None:
    """Whether a reply begins with a yes, or a no; None for neither."""
    begun = text.casefold().lstrip(" *_>-#\n“\"'")
    for words, meaning in ((NO, False), (YES, True)):
        for word in words[language]:
            if begun.startswith(word) and not (word.isascii() and begun[len(word) : len(word) + 1].isalpha()):
                return meaning
    return None
