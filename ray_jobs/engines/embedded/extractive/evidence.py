"""Which retrieved passages answer a question: a likelihood for each, by likeness, words, names and what is asked for.

The likelihood is a logistic regression over what can be measured of a question and a passage; the likeliest are then read
token by token (`reading.py`) and weighed again. `training/evidence.py` makes the weights, for each embedder its own, from
questions with and without an answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.facts import facts, may_measure
from ray_jobs.engines.embedded.extractive.forms import wanted_measure
from ray_jobs.engines.embedded.extractive.languages import language_of
from ray_jobs.engines.embedded.extractive.question import Form, Question
from ray_jobs.engines.embedded.extractive.reading import alike, reading, within
from ray_jobs.engines.embedded.extractive.short_answer import WANTED, names_somebody, short_answer
from ray_jobs.engines.embedded.token_states import passage_states, question_states
from services.core.media import said_by
from services.core.questions import without_file_names
from services.core.search.tokens import pieces
from services.core.words import Held, content_words, is_stop_word

WEIGHTS = Path(__file__).with_name("evidence.json")
MAX_CHARACTERS = 2_000  # of a question that are read
MAX_PASSAGES = 400  # that are measured for one question
LEAST_READ = 3  # passages, among which what answers can stand out
MAX_READ = 16  # the likeliest passages of a question, whose tokens are likened to its
MAX_ATTENDED = 6  # the likeliest of these, which are judged by all that the tokens tell
MAX_JUDGED = 8  # the likeliest passages of a question for somebody, whose names are looked at
QUOTED = ("speech", "scene_text", "visual_scene_description", "audio_description")
CERTAIN_MEASURE = 0.8  # probability of a measure from which a number of another is no answer
LIKENESS_MIDDLE, LIKENESS_SCALE = 0.82, 20.0  # of e5's likenesses, which lie close together
FEATURES = (
    "likeness_en",  # of the vectors, centred and scaled; by the language of the question, since each has its own level
    "likeness_cjk",
    "likeness_other",
    "is_cjk",
    "is_other",
    "contrast",  # how far above the other retrieved passages, in their standard deviations
    "words",  # the share of the question's words in the passage, the rarer ones counting more
    "words_near",  # the same in all that is said and shown in the segment
    "names",  # the share of its names and numbers in the segment; all where it has none
    "foreign",  # whether question and passage are in different languages, so that no word can be shared
    "asked_for",  # whether the passage holds what the form asks for: a number of what is measured, a name, a date, a place
    "asks_for",
    "tells",  # whether it holds it in words that the question does not have
    "is_placed",  # whether it is asked where something is, or whether it is
    "adds",  # whether it says anything beyond the words of the question: a title repeats them
    "is_described",  # measured of picture or sound, not said or shown
)
# The contrast of a passage that is alone: with 0 nine tenths of what is answered by one were refused, with this as many as of
# what is found among others.
ALONE = 1.0
_NEEDED: tuple[Form, ...] = ("number", "who")  # forms that nothing answers that does not hold what they ask for
_PLACED: tuple[Form, ...] = ("yes_no", "moment", "which_file", "whole")  # that are answered by where something is


@dataclass(frozen=True)
class Point:
    """One thing to say, with its source. `score`: the likelihood that it answers. Times in seconds."""

    number: int
    part: int
    filename: str
    kind: str
    text: str
    start_time: float
    score: float
    file_id: str = ""
    end_time: float = 0.0
    speaker: str = ""  # whose voice it is, where voices were told apart


def points(question: Question, sources: Iterable[pb.Source], embedder: str, *, is_read: bool = True) -> list[Point]:
    """Every passage that may be quoted, with its likelihood, the likeliest first.

    is_read: whether the likeliest are read token by token: not for a topic, which asks nothing, nor for what is on a sign,
    which does not say that it is one."""
    found = list(quotable(sources))[:MAX_PASSAGES]
    if not found:
        return []
    rows = measured(question, found)
    said = [(_said(passage)[1], source.segment_id) for source, passage in found] if is_read else []
    likely = likelihoods(embedder, question, said, rows)
    made = [point_of(source, passage, float(score)) for (source, passage), score in zip(found, likely, strict=True)]
    made.sort(key=lambda point: -point.score)
    if question.form == "who":
        judged = list(dict.fromkeys(point.text for point in made))[:MAX_JUDGED]
        named = {text for text in judged if names_somebody(text)}
        made = [point for point in made if point.text in named]
    return made


def quotable(sources: Iterable[pb.Source]) -> Iterator[tuple[pb.Source, pb.Passage]]:
    """What is said and shown; what was measured of picture and sound where a segment has neither."""
    for source in sources:
        told = [passage for passage in source.passages if passage.kind in ("speech", "scene_text")]
        for passage in told or source.passages:
            if passage.kind in QUOTED:
                yield source, passage


def _said(passage: pb.Passage) -> tuple[str, str]:
    """(whose voice it is, the text without it)."""
    return said_by(passage.text) if passage.kind == "speech" else ("", passage.text)


def point_of(source: pb.Source, passage: pb.Passage, score: float) -> Point:
    speaker, text = _said(passage)
    return Point(
        source.number,
        source.part,
        source.filename,
        passage.kind,
        text,
        passage.start_time,
        score,
        source.file_id,
        passage.end_time,
        speaker,
    )


def measured(question: Question, found: Sequence[tuple[pb.Source, pb.Passage]]) -> np.ndarray:
    """float64 [len(found), len(FEATURES)]."""
    text = without_file_names(question.text[:MAX_CHARACTERS])
    words = content_words(text, question.language)
    names = _names(text, question.language)
    group = {"en": "en", "zh": "cjk", "ja": "cjk"}.get(question.language, "other")
    held = [Held(passage.text) for _, passage in found]
    near = {
        source.segment_id: Held(" ".join([source.filename, *(passage.text for passage in source.passages)]))
        for source, _ in found
    }
    scores = np.array([passage.score for _, passage in found])
    once = np.unique(same([passage.text for _, passage in found]))
    weights = {word: math.log(1 + len(once) / (1 + sum(word in held[place] for place in once))) for word in words}
    contrast = np.full(len(scores), ALONE)
    if len(once) > 1:
        contrast = (scores - scores[once].mean()) / (scores[once].std() + 0.01)
    kind = WANTED.get(question.form)
    asked = Held(text)
    wanted = wanted_measure(text, CERTAIN_MEASURE) if kind == "number" else ""
    rows = np.zeros((len(found), len(FEATURES)))
    for place, (source, passage) in enumerate(found):
        around = near[source.segment_id]
        is_foreign = bool(words) and language_of(passage.text) != question.language
        row = {
            f"likeness_{group}": (passage.score - LIKENESS_MIDDLE) * LIKENESS_SCALE,
            f"is_{group}": 1.0,
            "contrast": contrast[place],
            "words": 0.0 if is_foreign else _share(weights, held[place]),
            "words_near": 0.0 if is_foreign else _share(weights, around),
            "names": around.share(names) if names else 1.0,
            "foreign": float(is_foreign),
            "asked_for": float(
                any(fact.kind == kind and may_measure(fact.text, wanted) for fact in facts(passage.text))
            ),
            "asks_for": float(kind is not None),
            "tells": float(bool(short_answer(question, passage.text, is_judged=False))),
            "is_placed": float(question.form in _PLACED),
            "adds": float(any(word not in asked for word in content_words(passage.text, language_of(passage.text)))),
            "is_described": float(passage.kind not in ("speech", "scene_text")),
        }
        rows[place] = [row.get(name, 0.0) for name in FEATURES]
    return rows


def same(texts: Sequence[str]) -> np.ndarray:
    """int [n]: for each the place of the first that says the same. What several say counts once where passages are told by each
    other: else nothing stands out where a video is there several times."""
    places: dict[str, int] = {}
    return np.array(
        [places.setdefault(" ".join(text.casefold().split()), place) for place, text in enumerate(texts)], int
    )


def possible(question: Question, rows: np.ndarray) -> np.ndarray:
    """bool [n]: whether a passage can answer at all: it says something, holds a number of the right measure where one is
    asked for, and a name that the question does not have where somebody is."""
    made = np.ones(len(rows), bool)
    if question.form not in _PLACED:
        made &= rows[:, FEATURES.index("adds")] > 0
    if question.form in _NEEDED:
        made &= rows[:, FEATURES.index("asked_for")] > 0
    if question.form == "who":
        made &= rows[:, FEATURES.index("tells")] > 0
    return made


def likelihoods(embedder: str, question: Question, told: Sequence[tuple[str, str]], rows: np.ndarray) -> np.ndarray:
    """float64 [n] in [0, 1], of the passages' texts, each with its segment's id, and what `measured` gave of them; without
    texts by the latter alone.

    At most MAX_READ are read, for the first time at some 25 ms each, where there are LEAST_READ. What is not read is not
    likelier than what is, but for what says the same as that."""
    learned = _learned(embedder)
    can = possible(question, rows)
    odds = weighed(learned["measured"], rows)
    texts = [text for text, _ in told]
    said = same(texts)
    read = likeliest(odds, can, MAX_READ, said) if len(np.unique(said)) >= LEAST_READ else ()
    if not len(read):
        return can / (1 + np.exp(-odds - learned["measured"]["shift"]))
    asked = question_states(without_file_names(question.text[:MAX_CHARACTERS]))
    states = passage_states([texts[place] for place in read])
    likest = reading().likest(asked, states)
    near = within(likest, [told[place][1] for place in read])
    alikes = alike(likest, near, asked.rarity[asked.rarity > 0])
    begun = weighed(learned["read"], np.concatenate([rows[read], alikes], axis=1))
    first = attended(begun)
    judged = reading().judged(asked, [states[place] for place in first], near[first])
    read_odds = joined(learned["read"], begun, first, judged)
    made = np.minimum(odds, read_odds.min())
    for place, each in zip(read, read_odds, strict=True):
        copies = said == said[place]
        made[copies] = each + odds[copies] - odds[place]
    return can / (1 + np.exp(-made))


def weighed(learned: Mapping[str, Any], rows: np.ndarray) -> np.ndarray:
    """float64 [n]: odds as natural logarithms."""
    return np.asarray(rows @ np.array(learned["weights"]) + learned["bias"])


def likeliest(odds: np.ndarray, can: np.ndarray, most: int, said: np.ndarray | None = None) -> np.ndarray:
    """The places of at most `most`, the likeliest first, of those that can answer; one of those that `same` gave one place."""
    order = np.argsort(-odds, kind="stable")
    order = order[can[order]]
    if said is not None:
        order = order[np.sort(np.unique(said[order], return_index=True)[1])]
    return np.asarray(order[:most])


def attended(odds: np.ndarray) -> np.ndarray:
    """The places of those that are judged."""
    return np.argsort(-odds, kind="stable")[:MAX_ATTENDED]


def joined(learned: Mapping[str, Any], odds: np.ndarray, first: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """float64 [n]: odds with what was judged of the `first`; the others are not likelier than these."""
    made = odds.copy()
    made[first] += judged
    made = np.minimum(made, made[first].min())
    made[first] = odds[first] + judged
    return np.asarray(learned["scale"] * made + learned["shift"])


def threshold(embedder: str) -> float:
    """The likelihood from which a passage is quoted."""
    return float(_learned(embedder)["threshold"])


def told(question: Question, found: Sequence[Point], embedder: str, most: int) -> list[Point]:
    """What answers: the best, and what is nearly as likely; nothing where nothing is likely."""
    least = threshold(embedder)
    likely = [point for point in found if point.score >= least]
    if not likely:
        return []
    if question.form in WANTED:  # of those that are about as good, first what holds what is asked for
        best = likely[0].score
        likely.sort(key=lambda point: -(point.score + 0.2 * best * bool(short_answer(question, point.text))))
    best = likely[0].score
    unique: dict[str, Point] = {}
    for point in likely:
        if point.score >= best * (0.5 if question.form == "list" else 0.8):
            unique.setdefault(" ".join(piece.text for piece in pieces(point.text)), point)
    return list(unique.values())[:most]


def in_order(found: Iterable[Point]) -> list[Point]:
    """Of one file: in order of time. Of several: the best file first, each in order of time."""
    found = list(found)
    order = {id: rank for rank, id in enumerate(dict.fromkeys(point.file_id for point in found))}
    return sorted(found, key=lambda point: (order[point.file_id], point.start_time))


def _share(weights: dict[str, float], held: Held) -> float:
    whole = sum(weights.values())
    return sum(weight for word, weight in weights.items() if word in held) / whole if whole else 0.0


def _names(text: str, language: str) -> set[str]:
    """What a question names: numbers, words with a capital inside the sentence (in German every noun has one), Latin words
    within another script."""
    found = set()
    for place, word in enumerate(text.replace("?", " ").split()):
        bare = word.strip(".,;:!¿¡\"'()“”«»")
        if not bare or is_stop_word(bare, language):
            continue
        is_name = place > 0 and bare[:1].isupper() and (language != "de" or bare[1:].lower() != bare[1:])
        if is_name or any(map(str.isdecimal, bare)):
            found.add(bare)
    if language in ("zh", "ja"):
        found = {piece.text for piece in pieces(text) if piece.script in ("digits", "letters")}
    return found


def _learned(embedder: str) -> dict[str, Any]:
    weights = _weights()
    return weights.get(embedder) or weights["any"]


@cache
def _weights() -> dict[str, dict[str, Any]]:
    """By embedder; "any" for one that none were learned for."""
    weights: dict[str, dict[str, Any]] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return weights
