"""Citations: finds [n] in text as it streams, renumbers it by first use and drops what was not retrieved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from services.nimbus.answers.moments import MAX_CLAIM

# An unfinished marker at the end of a chunk: "[", "[1", "[1, 2". Longer ones are no markers.
_OPEN = re.compile(r" ?\[[\d,; ]{0,24}$")
_MARK = re.compile(r" ?\[(?=[\d,; ]{1,24}\])(\d{1,4}(?: *[,;] *\d{1,4})*)\]")


@dataclass(frozen=True)
class Cited:
    """A moment of a source is cited for the first time; its marker is in the text that comes next."""

    number: int  # of the source, as the engine was told
    index: int  # as the reader sees it, from 1
    start_time: float = 0.0  # of the moment, seconds


class CitationStream:
    """Text in, text and first citations out. Holds back at most one unfinished marker."""

    def __init__(
        self,
        known: Callable[[int], object],
        indexes: Mapping[tuple[int, float], int] = {},
        moment: Callable[[int, str], float] = lambda number, claim: 0.0,
    ) -> None:
        """`known`: whether a number is that of a source. `moment`: the start of what a claim, the text before a marker,
        takes from a source. `indexes`: those (numbers, starts) that were cited already, as the reader sees them."""
        self._known = known
        self._moment = moment
        self._held = ""
        self._claim = ""
        self._claim_ends = False
        self._indexes = dict(indexes)

    @property
    def held(self) -> str:
        """Text that was fed and not yet given back."""
        return self._held

    def feed(self, text: str) -> Iterator[str | Cited]:
        if "[" not in text and not self._held:
            if text.endswith(" "):  # a marker may follow, and take the space with it if it is dropped
                text, self._held = text[:-1], " "
            if text:
                self._say(text)
                yield text
            return
        text = self._held + text
        found = _OPEN.search(text)
        cut = found.start() if found else len(text) - text.endswith(" ")
        text, self._held = text[:cut], text[cut:]
        yield from self._marked(text)

    def end(self) -> Iterator[str | Cited]:
        text, self._held = self._held, ""
        yield from self._marked(text.rstrip(" "))

    def _marked(self, text: str) -> Iterator[str | Cited]:
        done = 0
        out = ""
        for match in _MARK.finditer(text):
            self._say(text[done : match.start()])
            out += text[done : match.start()]
            done = match.end()
            indexes = []
            for number in (int(part) for part in re.split(r"[,;]", match.group(1))):
                if not self._known(number):
                    continue
                cited = (number, self._moment(number, self._claim))
                if cited not in self._indexes:
                    self._indexes[cited] = len(self._indexes) + 1
                    if out:
                        yield out
                        out = ""
                    yield Cited(number, self._indexes[cited], cited[1])
                indexes.append(self._indexes[cited])
            if not indexes and _OPEN.search(self._claim):  # what is around it would become a marker
                self._say("…")
                out += "…"
            space = " " if match.group(0).startswith(" ") else ""
            out += space * bool(indexes) + "".join(f"[{index}]" for index in dict.fromkeys(indexes))
            self._claim_ends = True
        self._say(text[done:])
        out += text[done:]
        if out:
            yield out

    def _say(self, text: str) -> None:
        """What stands behind a marker begins the next claim; markers that follow each other share one."""
        if self._claim_ends and any(map(str.isalnum, text)):
            self._claim, self._claim_ends = "", False
        self._claim = (self._claim + text)[-MAX_CLAIM:]
