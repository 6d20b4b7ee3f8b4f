"""From tokens with times to words and utterances."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.core.media import Speech, Word

# Languages written without spaces: each whole piece that the tokens spell is a word of its own.
WITHOUT_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue", "bo", "km"})
ENDS = frozenset(".?!。？！…؟।")
PAUSE_SECONDS = 0.8  # within a sentence, after which another utterance begins
MAX_SECONDS = 15.0
REST_SECONDS = 0.15  # after a full stop
COMMA_SECONDS = 0.5  # of rest that a comma is worth
UNFINISHED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class TimedToken:
    id: int
    start_time: float
    end_time: float


@dataclass(frozen=True)
class Piece:
    """A word as it is written, with the blank before it where it has one."""

    text: str
    start_time: float
    end_time: float


def pieces(tokens: Sequence[TimedToken], decode: Callable[[list[int]], str], language: str) -> list[Piece]:
    """Words of a window. `decode` turns token ids into text; a character may be spelt by several tokens."""
    whole: list[Piece] = []
    held: list[TimedToken] = []
    for token in tokens:
        held.append(token)
        text = decode([item.id for item in held])
        if UNFINISHED in text and len(held) < 8:
            continue
        whole.append(Piece(text.replace(UNFINISHED, ""), held[0].start_time, token.end_time))
        held = []
    words: list[Piece] = []
    for piece in whole:
        goes_on = words and not piece.text.startswith(" ") and (_is_mark(piece.text) or language not in WITHOUT_SPACES)
        if goes_on:
            before = words[-1]
            words[-1] = Piece(before.text + piece.text, before.start_time, max(before.end_time, piece.end_time))
        elif piece.text.strip():
            words.append(piece)
    return words


def utterances(words: Sequence[Piece]) -> list[Speech]:
    """Sentences, and parts of them between pauses; none over 15 seconds unless it is one word."""
    found: list[list[Piece]] = []
    for word in words:
        if not found or _begins_another(found[-1][-1], word):
            found.append([word])
        else:
            found[-1].append(word)
    return [_utterance(part) for group in found for part in _bounded(group)]


def _begins_another(before: Piece, word: Piece) -> bool:
    rest = word.start_time - before.end_time
    if rest > PAUSE_SECONDS:
        return True
    text = before.text.strip().rstrip("\"'”’»)")
    if not text.endswith(tuple(ENDS)):
        return False
    # "Mr." and "St." end no sentence, unless the speaker rests.
    return rest >= REST_SECONDS or not (text.endswith(".") and len(text) <= 4)


def _bounded(words: list[Piece]) -> list[list[Piece]]:
    """A long sentence in parts, cut where the speaker rests longest, best after a comma, away from its ends."""
    if len(words) < 2 or words[-1].end_time - words[0].start_time <= MAX_SECONDS:
        return [words]

    def rest(index: int) -> float:
        before, after = words[index - 1], words[index]
        return after.start_time - before.end_time + (COMMA_SECONDS if before.text[-1] in ",;:、，；：" else 0.0)

    edge = len(words) // 4
    cut = max(range(max(1, edge), min(len(words), len(words) - edge + 1)), key=rest)
    return _bounded(words[:cut]) + _bounded(words[cut:])


def _utterance(words: Sequence[Piece]) -> Speech:
    timed = tuple(Word(word.text.strip(), word.start_time, word.end_time) for word in words)
    text = "".join(word.text for word in words).strip()
    return Speech(text, words[0].start_time, words[-1].end_time, words=timed)


def _is_mark(text: str) -> bool:
    return all(unicodedata.category(character)[0] in "PS" for character in text.strip()) if text.strip() else False
