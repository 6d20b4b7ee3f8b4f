"""The two things that a comparison names."""

from __future__ import annotations

import re

from services.core.questions import file_names
from services.core.words import is_stop_word, unspaced_words

# What joins two things in the seven languages.
_JOINTS = frozenset("and or und oder et ou y o e u vs versus with mit avec con com from".split())
_UNSPACED_JOINT = re.compile(r"和|与|跟|及|还是|と|か、|対")
_WORD = re.compile(r"[^\s,;:!?¿¡()\"“”«»]+")
MAX_CHARACTERS = 1_000  # that are read
MAX_WORDS = 8  # of one side
MAX_SKIPPED = 2  # words between a joint and what it joins that say nothing: "and the"


def sides(text: str, language: str) -> list[str]:
    """Two texts to search for, or none where the question does not name two things."""
    text = text[:MAX_CHARACTERS]
    named = file_names(text)
    if len(named) == 2:
        return named
    if language in ("zh", "ja"):
        return _unspaced(text, language)
    words = [word.rstrip(".") for word in _WORD.findall(text)]
    for place, word in enumerate(words):
        if word.casefold() not in _JOINTS:
            continue
        left = _run(words[:place][::-1], language)[::-1]
        right = _run(words[place + 1 :], language)
        if left and right:
            return [" ".join(left), " ".join(right)]
    return []


def _run(words: list[str], language: str) -> list[str]:
    """The words that say something, nearest first, behind at most MAX_SKIPPED that don't."""
    begin = next((place for place, word in enumerate(words) if not is_stop_word(word, language)), len(words))
    found: list[str] = []
    for word in words[begin:] if begin <= MAX_SKIPPED else []:
        if is_stop_word(word, language) or len(found) == MAX_WORDS:
            break
        found.append(word)
    return found


def _unspaced(text: str, language: str) -> list[str]:
    for joint in _UNSPACED_JOINT.finditer(text):
        left = unspaced_words(text[: joint.start()], language)
        right = unspaced_words(text[joint.end() :], language)
        if left and right:
            return [left[-1], right[0]]
    return []
