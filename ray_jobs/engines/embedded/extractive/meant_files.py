"""Which videos a request about whole videos means: those of the topic that it names, or all.

`training/forms.py` learns whether a request says which it means, and whether more than one; `training/meant_files.py` how
likely each file is the one, by its name and its passages beside those of the other files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.extractive.evidence import MAX_CHARACTERS
from ray_jobs.engines.embedded.extractive.forms import says_several, says_which, topic_vector
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.reading import softmax
from services.core.words import Held, content_words

WEIGHTS = Path(__file__).with_name("meant_files.json")
MAX_FILES = 12  # that are likened to the topic of a request, some 80 ms each where they were not asked for before
MAX_PROBED = 3  # passages of a file that are likened to it
_UMLAUT = re.compile(r"([aou])e", re.I)  # of which only the vowel is compared, with or without its marks
FEATURES = (
    "likest",  # of the passages to the topic
    "like",  # of the likeliest few together
    "name_like",
    "name_words",  # the share of the request's words in the file's name
    "words",  # the same in the name and all that was retrieved of the file
    "name_rare",  # how many of its words that few of the files hold are in the name
    "rare",
)


def of_meant_files(question: Question, sources: Sequence[pb.Source]) -> Sequence[pb.Source]:
    """Of a request that says which videos it means ("the video about pruning"), their sources; else, and where it tells
    none apart, all."""
    files: dict[str, list[pb.Source]] = {}
    for source in sources:
        files.setdefault(source.file_id, []).append(source)
    if len(files) < 2:
        return sources
    ids = _of_topic(question, files) if says_which(question.text) else _called_so(question, files)
    return [source for source in sources if source.file_id in ids]


def _of_topic(question: Question, files: Mapping[str, Sequence[pb.Source]]) -> Collection[str]:
    """Those of the topic that is named; all where it tells none apart."""
    likeliest = sorted(
        (found for found in files.values() if any(source.passages for source in found)),
        key=lambda found: -max(passage.score for source in found for passage in source.passages),
    )
    if not likeliest:
        return files
    is_meant = meant(likelihoods(measured(question, likeliest[:MAX_FILES])), says_several(question.text))
    if is_meant.all():
        return files
    return {found[0].file_id for found, is_one in zip(likeliest, is_meant, strict=False) if is_one}


def _called_so(question: Question, files: Mapping[str, Sequence[pb.Source]]) -> Collection[str]:
    """Those whose names hold the most words of the request, as "the interview" may be; all where none does."""
    words = set(content_words(question.text[:MAX_CHARACTERS], question.language))
    held = {id: Held(spelt(found[0].filename)).share(words) if words else 0.0 for id, found in files.items()}
    most = max(held.values())
    return [id for id, share in held.items() if share == most] if most else files


def meant(likely: np.ndarray, several: bool) -> np.ndarray:
    """bool [n]: the likeliest, and those about as likely; all, where one is meant and more than half are about as likely."""
    found = np.asarray(likely >= likely.max() * _weights()["share_of_several" if several else "share"])
    return found if several or found.sum() <= len(found) / 2 else np.ones(len(found), bool)


def measured(question: Question, files: Sequence[Sequence[pb.Source]]) -> np.ndarray:
    """float64 [len(files), len(FEATURES)]: of each file, by its sources."""
    topic = topic_vector(question)
    words = set(content_words(question.text[:MAX_CHARACTERS], question.language))
    names = [called(found[0].filename) for found in files]
    spellings = [spelt(found[0].filename) for found in files]
    named = [Held(spelling) for spelling in spellings]
    held = [
        Held(" ".join([spelling, *(passage.text for source in found for passage in source.passages)]))
        for spelling, found in zip(spellings, files, strict=True)
    ]
    rare = {word for word in words if sum(word in text for text in held) <= max(1, len(files) // 3)}
    rows = np.zeros((len(files), len(FEATURES)))
    for place, found in enumerate(files):
        passages = sorted((p for source in found for p in source.passages), key=lambda p: -p.score)[:MAX_PROBED]
        like = [float(multilingual.passage_vector(passage.text) @ topic) for passage in passages]
        row = {
            "likest": max(like),
            "like": float(np.mean(like)),
            "name_like": float(multilingual.passage_vector(names[place]) @ topic),
            "name_words": named[place].share(words) if words else 0.0,
            "words": held[place].share(words) if words else 0.0,
            "name_rare": sum(word in named[place] for word in rare),
            "rare": sum(word in held[place] for word in rare),
        }
        rows[place] = [row[name] for name in FEATURES]
    return rows


def called(filename: str) -> str:
    """A file's name as words, without its ending."""
    return re.sub(r"[\W_]+", " ", filename.rpartition(".")[0] or filename).strip()


def spelt(filename: str) -> str:
    """What `called` gives, and its words with umlauts where they may be written without: "pruefung" is "Prüfung" too."""
    words = called(filename)
    others = [word for word in words.split() if _UMLAUT.search(word)]
    return " ".join([words, *(_UMLAUT.sub(r"\1", word) for word in others)])


def likelihoods(rows: np.ndarray) -> np.ndarray:
    """float64 [n] in [0, 1], together 1, of what `measured` gave: how likely a request that says which it means, means each."""
    return softmax(rows @ np.array(_weights()["weights"]))


@cache
def _weights() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return found
