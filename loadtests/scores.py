"""How what is heard and seen is counted: lines read, words heard, cuts found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from text_to_num import alpha2digit

if TYPE_CHECKING:
    from loadtests.media_sets import MediaSet


def normal(text: str) -> str:
    """Letters and digits only: spacing and punctuation are typography."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def lines_recalled(lines: list[str], seen: list[str]) -> tuple[float, list[str]]:
    """(share of the lines that were read, those that were not)."""
    everything = [normal(line) for block in seen for line in block.split("\n")]
    missed = [line for line in lines if not any(normal(line) in other for other in everything)]
    return 1 - len(missed) / len(lines), missed


def spoken_words(text: str) -> list[str]:
    """Of English, in lower case, without who speaks. Numbers are their digits, spelled out or not: how they are written is
    typography, as Radford et al. 2022, appendix C, have it."""
    return re.findall(r"[a-z']+|\d", alpha2digit(re.sub(r"\b[LR]:", "", text).lower(), "en"))


def word_errors(truth: str, heard: str) -> tuple[int, int]:
    """(substitutions, insertions and deletions; words of the truth): Levenshtein distance over words."""
    wanted, got = (spoken_words(text) for text in (truth, heard))
    row = list(range(len(got) + 1))
    for i, word in enumerate(wanted, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(got, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1], len(wanted)


def shot_boundaries(media: MediaSet) -> tuple[float, int]:
    """(F1 over all clips that have truth, boundaries in the truth)."""
    from ray_jobs.stages.probe import ProbeLimits, probe
    from ray_jobs.stages.shots import detect_shots
    from services.core.media import ShotDetectorConfig

    right = found = total = 0
    for name, cuts in media.cuts.items():
        path = media.paths[name]
        shots = detect_shots(path, probe(path, ProbeLimits()), ShotDetectorConfig())
        starts = [shot.start_time for shot in shots[1:] if shot.start_time < cuts.known_until]
        left = list(starts)
        for cut in cuts.seconds:
            near = min(left, key=lambda start: abs(start - cut), default=None)
            if near is not None and abs(near - cut) <= cuts.tolerance:
                left.remove(near)
                right += 1
        found += len(starts)
        total += len(cuts.seconds)
        truth = [round(cut, 1) for cut in cuts.seconds]
        print(f"  shots of {name}: truth {truth}, found {[round(start, 1) for start in starts]}")
    return 2 * right / (total + found), total
