"""The last question of a conversation as it reads without what came before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import forms
from ray_jobs.engines.embedded.extractive.question import Question

MAX_TURNS = 4  # earlier questions that are read: each may lean on the one before it
MAX_CHARACTERS = 2_000
SURE = 0.5  # probability of its own form from which a question that leans keeps it
# What a few words can ask of something that was named before; with any other form they go on as the question before did.
_OWN_FORMS = frozenset({"who", "number", "when", "where", "yes_no", "moment", "which_file", "list"})


def standalone(messages: Sequence[pb.Message]) -> Question:
    """The last question; one that leans on those before it ("And when was it built?") is put behind them."""
    asked = [message.text for message in messages if message.role == "user"][-MAX_TURNS:]
    found: Question | None = None
    for text in asked:
        question = forms.read(text)
        found = _behind(found, question) if found is not None and question.leans else question
    return found or Question("")


def _behind(earlier: Question, question: Question) -> Question:
    own = question.form in _OWN_FORMS and question.probability >= SURE
    text = f"{earlier.text} {question.text}"[-MAX_CHARACTERS:]
    return replace(question, text=text, form=question.form if own else earlier.form)
