"""Speech as subtitles: cues of a readable length, written as SubRip (SRT) or WebVTT."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from services.core.media import Speech, Word

# Two lines of 42 characters for 7 seconds at most: the BBC's and Netflix's subtitle guides.
LINE_CHARACTERS = 42
CUE_CHARACTERS = 2 * LINE_CHARACTERS
CUE_SECONDS = 7.0
SAME_SECONDS = 0.25  # by which two segments may place one word differently
SIDE_BY_SIDE = 16  # utterances before one that may overlap it
_COMMAND = re.compile(r"<(?=[A-Za-z/!?])|\{(?=\\)")
_ODD = re.compile(r"[\s\x00-\x1f\x7f-\x9f<>{&]")  # without one of these a word is written as it is
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Cue:
    """What is shown from start_time to end_time, in seconds. `words` have times where `is_timed`."""

    words: tuple[Word, ...]
    speaker: str
    is_timed: bool

    @property
    def start_time(self) -> float:
        return self.words[0].start_time

    @property
    def end_time(self) -> float:
        return max(self.words[-1].end_time, self.start_time + 0.001)

    @property
    def lines(self) -> list[list[Word]]:
        lines: list[list[Word]] = [[]]
        characters = -1  # the first word has no space before it
        for word in self.words:
            characters += len(word.word) + 1
            if lines[-1] and characters > LINE_CHARACTERS:
                lines.append([])
                characters = len(word.word)
            lines[-1].append(word)
        return lines


class _Said:
    """An utterance that others may repeat, and what is compared with theirs."""

    def __init__(self, speech: Speech) -> None:
        self.speech = speech
        self.middles = [(word.start_time + word.end_time) / 2 for word in speech.words]
        self.moments = [
            (word.word.casefold(), int(middle / SAME_SECONDS))
            for word, middle in zip(speech.words, self.middles, strict=True)
        ]
        self.earliest = min(self.middles, default=float("inf"))

    @cached_property
    def near(self) -> set[tuple[str, int]]:
        return {(word, moment + near) for word, moment in self.moments for near in (-1, 0, 1)}

    def says_again(self, said: _Said) -> bool:
        """Whether most of its words that `said` has time for are in it, at about the same time."""
        until = said.speech.end_time
        if self.earliest > until:
            return False
        shared = [moment for middle, moment in zip(self.middles, self.moments, strict=True) if middle <= until]
        return 2 * sum(moment in said.near for moment in shared) > len(shared)


def cues(speech: Iterable[Speech]) -> list[Cue]:
    """Utterances in order of time, the long ones cut between words. Voices that speak at once all stay.

    What overlapping segments both hold comes once: such utterances lie over each other and say the same.
    """
    found: list[Cue] = []
    latest: deque[_Said] = deque(maxlen=SIDE_BY_SIDE)
    for item in sorted(_joined(speech), key=lambda item: (item.start_time, item.end_time)):
        compared = _Said(item)
        until = max((said.speech.end_time for said in latest if compared.says_again(said)), default=0.0)
        latest.append(compared)
        words = item.words or tuple(Word(word, item.start_time, item.end_time) for word in item.text.split())
        left = (
            [word for word, middle in zip(words, compared.middles, strict=True) if middle >= until]
            if item.words
            else words
        )
        found += [Cue(part, item.speaker, bool(item.words)) for part in _parts(left, bool(item.words)) if part]
    return sorted(found, key=lambda cue: cue.start_time)


def _joined(speech: Iterable[Speech]) -> list[Speech]:
    """Makes one of utterances without word times that overlap and say the same: parts of one, each cut to its segment."""
    kept: list[Speech] = []
    place: dict[tuple[str, str], int] = {}
    for item in sorted(speech, key=lambda item: (item.start_time, item.end_time)):
        at = place.get((item.speaker, item.text))
        if not item.words and at is not None and item.start_time < kept[at].end_time:
            kept[at] = replace(kept[at], end_time=max(kept[at].end_time, item.end_time))
            continue
        if not item.words:
            place[item.speaker, item.text] = len(kept)
        kept.append(item)
    return kept


def srt(shown: Sequence[Cue]) -> str:
    blocks = []
    for number, cue in enumerate(shown, 1):
        text = "\n".join(" ".join(_bare(word.word) for word in line) for line in cue.lines)
        named = f"{_bare(cue.speaker)}: {text}" if cue.speaker else text
        blocks.append(f"{number}\n{_time(cue.start_time, ',')} --> {_time(cue.end_time, ',')}\n{named}\n")
    return "\n".join(blocks)


def vtt(shown: Sequence[Cue], *, include_words: bool = False) -> str:
    """With `include_words` each word carries its time, as karaoke and word highlighting read it."""
    blocks = ["WEBVTT\n"]
    for cue in shown:
        text = "\n".join(" ".join(_timed(line, cue, include_words)) for line in cue.lines)
        named = f"<v {_escaped(cue.speaker)}>{text}" if cue.speaker else text
        blocks.append(f"{_time(cue.start_time, '.')} --> {_time(cue.end_time, '.')}\n{named}\n")
    return "\n".join(blocks)


def _parts(words: Sequence[Word], is_timed: bool) -> Iterator[tuple[Word, ...]]:
    part: list[Word] = []
    characters = -1
    for word in words:
        characters += len(word.word) + 1
        is_long = part and (word.end_time - part[0].start_time > CUE_SECONDS or characters > CUE_CHARACTERS)
        if is_timed and is_long:
            yield tuple(part)
            part, characters = [], len(word.word)
        part.append(word)
    yield tuple(part)


def _timed(line: Sequence[Word], cue: Cue, include_words: bool) -> Iterator[str]:
    for word in line:
        is_inside = cue.start_time < word.start_time < cue.end_time
        mark = f"<{_time(word.start_time, '.')}>" if include_words and cue.is_timed and is_inside else ""
        yield mark + _escaped(word.word)


def _bare(text: str) -> str:
    """SubRip has no escapes: a word joiner, which is not seen, keeps players from taking "<b>" and "{\\an8}" for commands."""
    if not _ODD.search(text):
        return text
    text = _CONTROL.sub("", " ".join(text.split())).replace("-->", "->").replace("-->", "-- >")
    return _COMMAND.sub(lambda match: match[0] + "\u2060", text)


def _escaped(text: str) -> str:
    if not _ODD.search(text):
        return text
    text = _CONTROL.sub("", " ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
