"""What a text is about: its key phrases and its most telling sentences, in its own words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from ray_jobs.engines.embedded.extraction.numerals import TOKEN
from ray_jobs.engines.embedded.titles import COMMON
from services.core.words import STOP_WORDS, stem

MAX_WORDS = 3
_PLAIN = COMMON | STOP_WORDS
_BREAK = re.compile(r"[^\w\s'’-]")


def key_phrases(lines: Sequence[str], limit: int) -> list[tuple[str, int]]:
    """Phrases with the position of the line where each stands first, the most telling first.

    A phrase is a run of words that say something (RAKE; Rose and others 2010); it weighs what its words weigh in the
    text, those it shares with other lines most, and one that comes again weighs more.
    """
    runs = [(run, place) for place, line in enumerate(lines) for run in _runs(line)]
    counts = Counter(stem(word) for run, _ in runs for word in run)
    first: dict[tuple[str, ...], tuple[str, int]] = {}
    times: Counter[tuple[str, ...]] = Counter()
    for run, place in runs:
        key = tuple(stem(word) for word in run)
        first.setdefault(key, (" ".join(run), place))
        times[key] += 1
    weight = {
        key: times[key] * sum(counts[word] for word in key) * (1 + 0.5 * (len(key) > 1)) / len(key) for key in first
    }
    order = sorted(first, key=lambda key: (-weight[key], first[key][1], key))
    kept: list[tuple[str, ...]] = []
    for key in order:
        if len(kept) == limit:
            break
        if not any(set(key) <= set(other) or set(other) <= set(key) for other in kept):
            kept.append(key)
    return [first[key] for key in kept]


def key_sentences(lines: Sequence[str], limit: int) -> list[int]:
    """Positions of the lines that share most words with the others, in order."""
    own = [{stem(word) for run in _runs(line) for word in run} for line in lines]
    counts = Counter(word for words in own for word in words)

    def weight(place: int) -> float:
        return sum(counts[word] for word in own[place]) * min(1.0, len(own[place]) / 4)

    best = sorted((place for place in range(len(lines)) if own[place]), key=lambda place: (-weight(place), place))
    return sorted(best[:limit])


def _runs(line: str) -> list[list[str]]:
    """Words that say something and stand together; of a longer run its last words, which name what it is about."""
    found: list[list[str]] = []
    for part in _BREAK.split(line):
        words = [match[0] for match in TOKEN.finditer(part)]
        for is_plain, run in groupby(
            words, lambda word: word.lower() in _PLAIN or not word[0].isalpha() or len(word) < 3
        ):
            if not is_plain:
                found.append(list(run)[-MAX_WORDS:])
    return found
