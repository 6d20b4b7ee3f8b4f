"""What instructions ask of an answer's form, as far as an extractive engine can give it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ray_jobs.engines.embedded.extractive.frames import Frames, frames

MAX_CHARACTERS = 20_000  # of instructions that are read
MAX_POINTS = 50
BRIEF_POINTS = 2

_NUMBERS = {
    "one": 1,
    "a single": 1,
    "single": 1,
    "two": 2,
    "a couple of": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
}
_NUMBERS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10}
_NUMBER = rf"(?:\d{{1,2}}|{'|'.join(_NUMBERS)})"
_KINDS = r"(?:(?:bullet|key|main|short|list|full|complete|numbered|important)[\s-]*)*"
_THINGS = rf"{_KINDS}(?:points?|sentences?|items?|bullets|takeaways?|lines?)"
_COUNT = re.compile(
    rf"(?P<less>\b(?:fewer|less) than\s+)?\b(?:{_NUMBER}\s*(?:to|or|-|–)\s*)?(?P<count>{_NUMBER})[\s-]+{_THINGS}\b|"
    rf"\b(?:top|limit(?: it| them| the list| your (?:answer|response))? to|no more than|at most|max(?:imum)?(?: of)?)\s+"
    rf"(?P<limit>{_NUMBER})\b(?!\s*(?:words?|characters?|paragraphs?|seconds?|minutes?|%|percent))",
    re.I,
)
_BRIEF = re.compile(
    r"\b(?:brief|briefly|brevity|concise|concisely|terse|tersely|succinct|succinctly|tl;?dr|to the point|compact|in short|"
    r"short(?!\s*(?:films?|videos?|clips?|movies?|stor\w+|of)\b)|shortly)\b",
    re.I,
)
_NO = r"(?:no|not?|never|without|omit|avoid|skip|drop|exclude|remove|leave out|don['’]t|do not|hide)"
_FILL = r"(?:\s+(?:any|the|all|your|use|using|include|including|add|adding|show|give|mention|print|write|put|in|a|an))*"
_TIMES = r"(?:time\s?-?stamps?|time\s?-?codes?|times)"
_UNTIMED = re.compile(
    rf"\b{_NO}{_FILL}\s+{_TIMES}\b|\b{_TIMES}\s*(?:are|is)?\s*(?::\s*)?(?:not needed|unnecessary|off|no)\b", re.I
)
_TIMED = re.compile(rf"\b(?:with|include|add|use|give|show|keep){_FILL}\s+{_TIMES}\b", re.I)
_BULLETS = r"(?:bullets?|bulleted|bullet[\s-]?points?)"
_UNLISTED = re.compile(
    rf"\b{_NO}{_FILL}\s+(?:{_BULLETS}|lists?)\b|\b(?:plain|running|continuous|flowing)\s+(?:text|paragraphs?|prose)\b|\bprose\b|"
    r"\b(?:as|in|into)\s+(?:a|one|a single)\s+(?:\w+\s+)?paragraph\b",
    re.I,
)
_NUMBERED = re.compile(
    r"\b(?:numbered|ordered|enumerated)\s+(?:list|points?|items?|steps?)\b|\benumerate\b|\bnumber (?:the|each|your|all)\b",
    re.I,
)
_BULLETED = re.compile(
    rf"\b{_BULLETS}\b|\b(?:as|in|use|using|make|give|return|write|format as|form of)\s+"
    r"(?:a\s+|an\s+)?(?:\w+\s+)?list\b|\blist form(?:at)?\b|"
    r"\bdashes\b",
    re.I,
)
# Form that a question asks for by itself: more careful than with instructions, which speak of nothing but form.
_IN_QUESTION = re.compile(
    rf"\b(?:in|with|using)\s+(?:just |only |at most |no more than |up to )?{_NUMBER}[\s-]+{_THINGS}\b|"
    rf"\b{_NUMBER}\s+bullet[\s-]?points?\b|"
    rf"\b(?:list|give(?: me)?|name|tell me)\s+(?:the\s+)?(?:top\s+)?{_NUMBER}\s+{_THINGS}\b|"
    r"\bas\s+(?:a\s+|an\s+)?(?:\w+\s+)?(?:list|bullets|bullet[\s-]?points)\b|"
    r"\bin\s+(?:a\s+)?(?:bullet(?:ed)?|numbered)\s+(?:list|points)\b|"
    r"\b(?:briefly|in brief|concisely)\b|\bin short(?=\W*$|,)|\b(?:with|without|no)\s+(?:any\s+)?time\s?-?stamps?\b",
    re.I,
)


@dataclass(frozen=True)
class Style:
    """What the embedded engine honours of instructions. All else in them is left alone, and never repeated.

    Citations are no matter of style: an answer without its sources is not given.
    """

    bullets: bool = False
    numbered: bool = False
    timestamps: bool = True
    max_points: int = 0  # 0: as many as fit the question
    plain: bool = False  # without Markdown
    language: str = ""  # of the engine's own words; "": the question's
    prose: bool = False  # no list even where one is usual
    terse: bool = False  # the answer and nothing else
    not_kept: tuple[str, ...] = ()  # wishes that can't be kept, in the words of whoever wished

    @classmethod
    def read(cls, instructions: str) -> Style:
        return cls()._changed_by(instructions)

    def asked_in(self, question: str) -> Style:
        """With what the question itself asks of its answer's form, which counts for more."""
        asked = "; ".join(match.group() for match in _IN_QUESTION.finditer(question[:MAX_CHARACTERS]))
        return self._changed_by(asked) if asked else self

    def _changed_by(self, text: str) -> Style:
        text = " ".join(text[:MAX_CHARACTERS].split())
        style = self
        if _UNTIMED.search(text):
            style = replace(style, timestamps=False)
        elif _TIMED.search(text):
            style = replace(style, timestamps=True)
        if _UNLISTED.search(text):
            style = replace(style, bullets=False, numbered=False, prose=True)
        elif _NUMBERED.search(text):
            style = replace(style, numbered=True, bullets=False)
        elif _BULLETED.search(text):
            style = replace(style, bullets=True, numbered=False)
        if count := _COUNT.search(text):
            word = (count["count"] or count["limit"]).lower()
            points = (_NUMBERS.get(word) or int(word)) - bool(count["less"])
            style = replace(style, max_points=max(1, min(points, MAX_POINTS)))
        elif _BRIEF.search(text):
            style = replace(style, max_points=BRIEF_POINTS)
        return style

    def write(self, lines: Sequence[str], lead: str = "") -> str:
        """The lines in the form asked for, behind the words that introduce them. Never more points than were asked for."""
        if self.max_points and len(lines) > self.max_points:
            rest = [line.removesuffix(".") for line in lines[self.max_points - 1 :]]
            lines = [*lines[: self.max_points - 1], "; ".join(rest) + "."]
        return self.noted(self.listed(lines, lead), frames(self.language))

    def listed(self, lines: Sequence[str], lead: str = "") -> str:
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
