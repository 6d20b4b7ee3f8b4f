"""What is read token by token, and what that does to the likelihood that a passage answers."""

from __future__ import annotations

import numpy as np
import pytest
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import evidence, forms
from ray_jobs.engines.embedded.extractive.evidence import (
    MAX_ATTENDED,
    MAX_READ,
    likelihoods,
    measured,
    points,
    threshold,
)
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.reading import FEATURES, alike, reading, within
from ray_jobs.engines.embedded.multilingual import MultilingualEmbedder
from ray_jobs.engines.embedded.token_states import passage_states, question_states

EMBEDDER = "multilingual-e5-small"
HARBOUR = (
    "The lighthouse stands on the cliff above Port Selby, and it is thirty-one metres high.",
    "The keeper's name is Ragna Holt. She paints the lantern room every second summer.",
    "The harbour wall was broken by the storm of 1968 and mended within a year.",
    "In the café by the pier they sell crab soup, and on Sundays there is music.",
    "The ferry to the island takes forty minutes when the sea is calm.",
    "Seals rest on the rocks at low tide; please keep away from them.",
)


def likelihood(text: str, passages: tuple[str, ...] = HARBOUR, segments: tuple[str, ...] = ()) -> list[float]:
    """Of each passage, said in its segment, or in one of its own."""
    question = forms.read(text)
    embedder = MultilingualEmbedder()
    scores = embedder.embed(passages) @ embedder.embed([text], queries=True)[0]
    ids = segments or tuple(map(str, range(len(passages))))
    sources = {id: pb.Source(segment_id=id) for id in ids}
    found = []
    for id, passage, score in zip(ids, passages, scores, strict=True):
        sources[id].passages.add(kind="speech", text=passage, score=score)
        found.append((sources[id], sources[id].passages[-1]))
    told = list(zip(passages, ids, strict=True))
    return list(map(float, likelihoods(EMBEDDER, question, told, measured(question, found))))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Where is the lighthouse, and how high is it?", 0),
        ("Wo steht der Leuchtturm, und wie hoch ist er?", 0),
        ("Who is the keeper, and what does she paint every second summer?", 1),
        ("When was the harbour wall broken, and how long did it take to mend it?", 2),
        ("¿Qué se vende en el café, y cuándo hay música?", 3),
    ],
)
def test_a_question_of_two_clauses_that_one_passage_answers_is_answered(text: str, answer: int) -> None:
    told = likelihood(text)
    assert int(np.argmax(told)) == answer
    assert told[answer] >= threshold(EMBEDDER)


def test_what_is_said_in_the_words_of_the_question_is_not_refused() -> None:
    told = likelihood("How tall is the tower?", ("The tower is 300 metres tall.", *HARBOUR[3:]))
    assert int(np.argmax(told)) == 0 and told[0] >= threshold(EMBEDDER)


@pytest.mark.parametrize("text", ["How many litres of crab soup are sold?", "How tall is the keeper?"])
def test_what_is_only_spoken_of_is_not_answered(text: str) -> None:
    assert max(likelihood(text)) < threshold(EMBEDDER)


@pytest.mark.parametrize("copies", [2, 6])
@pytest.mark.parametrize("text", ["Where is the lighthouse, and how high is it?", "How tall is the keeper?"])
def test_it_makes_no_difference_how_often_all_is_there(text: str, copies: int) -> None:
    once = likelihood(text)
    assert likelihood(text, HARBOUR * copies) == pytest.approx(once * copies, abs=1e-3)


def test_a_word_of_the_same_meaning_is_likest() -> None:
    question = question_states("physician")
    likest = reading().likest(question, passage_states(["The doctor came.", "The boat came."]))
    assert likest[0].mean() > likest[1].mean()


def test_nothing_is_alike_where_nothing_is_asked() -> None:
    likest = reading().likest(question_states("..."), passage_states(list(HARBOUR)))
    told = alike(likest, within(likest, HARBOUR), np.zeros(0))
    assert np.isfinite(told).all() and told.shape == (len(HARBOUR), len(FEATURES))


def test_a_single_passage_stands_out_from_no_other() -> None:
    likest = np.array([[0.5, 0.1]])
    assert alike(likest, likest, np.ones(2))[0, FEATURES.index("alike_contrast")] == 0


def test_what_is_told_near_is_told_in_the_same_segment() -> None:
    likest = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.3]], np.float32)
    near = within(likest, ["a", "a", "b"])
    assert near == pytest.approx(np.array([[0.9, 0.8], [0.9, 0.8], [0.3, 0.3]]))
    told = alike(likest, near, np.ones(2))
    assert told[0, FEATURES.index("least_alike_near")] == pytest.approx(0.8)
    assert told[0, FEATURES.index("least_alike")] == pytest.approx(0.1)
    assert told[2, FEATURES.index("alike_near")] == told[2, FEATURES.index("alike")]


def test_what_is_not_read_is_not_likelier_than_what_is() -> None:
    more = tuple(f"{text} This was told on day {day}." for day in range(4) for text in HARBOUR)
    assert len(more) > MAX_READ > MAX_ATTENDED
    told = sorted(likelihood("How high is the lighthouse, and where does it stand?", more), reverse=True)
    assert len(set(told[MAX_ATTENDED:])) < len(told) - MAX_ATTENDED  # as likely as the least likely that was judged
    assert told[0] > told[MAX_ATTENDED]


def test_two_passages_are_told_apart_by_what_is_measured_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "question_states", None)  # which nothing may call
    assert max(likelihood("How high is the lighthouse?", HARBOUR[:2])) >= threshold(EMBEDDER)
    with pytest.raises(TypeError):
        likelihood("How high is the lighthouse?")


def test_who_speaks_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(evidence, "passage_states", lambda texts: read.extend(texts) or passage_states(texts))
    spoken = [
        pb.Passage(kind="speech", text=f"Speaker 2: It took {minutes} minutes.", score=0.85) for minutes in (3, 4, 5)
    ]
    points(Question("How long did it take?", "number"), [pb.Source(passages=spoken)], EMBEDDER)
    assert sorted(read) == [f"It took {minutes} minutes." for minutes in (3, 4, 5)]
