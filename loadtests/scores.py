"""How the evaluation counts: lines read, words heard, cuts found, segments and citations that are right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from services.core.words import stems

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


def word_errors(truth: str, heard: str) -> tuple[int, int]:
    """(substitutions, insertions and deletions; words of the truth): Levenshtein distance over words."""
    wanted, got = (re.findall(r"[a-z']+", re.sub(r"\b[LR]:", "", text).lower()) for text in (truth, heard))
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


def is_right(media: MediaSet, filename: str, segment: Any, item: dict[str, Any]) -> bool:
    """Whether a segment is of the right file and shares time with the truth."""
    whole = media.copies.get(filename, filename)
    return whole == item["file"] and segment.start_time < item["end"] and segment.end_time > item["start"]


def shared_words(item: dict[str, Any], description: dict[str, Any]) -> set[str]:
    """Content words that a question has in common with what is said and shown at the place of its answer."""
    there = " ".join(
        part["text"]
        for kind in ("speech", "scene_text", "visual_scene_description")
        for part in description.get(kind) or ()
        if part["start_time"] < item["end"] and part["end_time"] > item["start"]
    )
    return stems(item["question"]) & stems(there)


def videos_cited(cited: set[str], needed: list[str]) -> tuple[float, set[str], set[str]]:
    """(share, missing, wrong): of the videos that a right answer cites, those that are, less for each that is wrong.

    An entry of `needed` may be several names with | between, of which any will do.
    """
    groups = [set(names.split("|")) for names in needed]
    missing = {"|".join(sorted(names)) for names in groups if not names & cited}
    wrong = cited - set().union(*groups)
    return (len(groups) - len(missing)) / (len(groups) + len(wrong)), missing, wrong


def is_valid(annotation: dict[str, Any], duration_seconds: float, description: dict[str, Any]) -> bool:
    """Whether a citation lies in its file and what it quotes is in the file's description at that time."""
    start, end = annotation["start_time"], annotation["end_time"]
    if not 0 <= start < end <= duration_seconds + 0.5:
        return False
    there = " ".join(
        part["text"]
        for kind in ("speech", "scene_text", "visual_scene_description", "audio_description")
        for part in description.get(kind) or ()
        if part["start_time"] < end and part["end_time"] >= start
    )
    quoted = [
        text for kind in ("speech", "scene_text", "visual_scene_description") for text in annotation.get(kind) or ()
    ]
    return bool(quoted) and all(normal(text)[:200] in normal(there) for text in quoted)
