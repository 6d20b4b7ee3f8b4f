"""The last question of a conversation as it reads without what came before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import forms
from ray_jobs.engines.embedded.extractive.question import Question
from services.core.search.tokens import folded
from services.core.words import content_words

MAX_TURNS = 4  # earlier questions that are read: each may lean on the one before it
MAX_CHARACTERS = 2_000
SURE = 0.5  # probability of its own form from which a question that leans keeps it
# What a few words can ask of something that was named before; with any other form they go on as the question before did.
_OWN_FORMS = frozenset({"who", "number", "when", "where", "yes_no", "moment", "which_file", "list"})


def standalone(messages: Sequence[pb.Message], tables: Iterable[pb.EntityTable] = ()) -> Question:
    """The last question; one that leans on those before it ("And when was it built?") is put behind them, or in their place.

    `tables`: whose values may take each other's place ("And in Canada?").
    """
    asked = [message.text for message in messages if message.role == "user"][-MAX_TURNS:]
    tables = list(tables)
    found: Question | None = None
    for text in asked:
        question = forms.read(text)
        found = _behind(found, question, tables) if found is not None and question.leans else question
    return found or Question("")


def _behind(earlier: Question, question: Question, tables: Sequence[pb.EntityTable]) -> Question:
    other = _with_other_value(earlier.text, question.text, tables)
    if other:
        return replace(earlier, text=other)
    if question.form in _OWN_FORMS and question.probability >= SURE:
        return replace(question, text=f"{earlier.text} {question.text}"[-MAX_CHARACTERS:])
    if content_words(
        question.text[:MAX_CHARACTERS], question.language
    ):  # "And about pears?": the same of something else
        return replace(question, form=earlier.form, leans=False)
    return replace(question, text=f"{earlier.text} {question.text}"[-MAX_CHARACTERS:], form=earlier.form)


def _with_other_value(earlier: str, text: str, tables: Sequence[pb.EntityTable]) -> str:
    """The earlier question with the value of a column that the later one names in place of its own; "" where there is none."""
    for table in tables:
        for column in table.columns:
            values = sorted(column.examples, key=len, reverse=True)
            new = next((value for value in values if folded(value) in folded(text)), "")
            old = next((value for value in values if folded(value) in folded(earlier)), "")
            at = earlier.casefold().find(old.casefold()) if old and new and old != new else -1
            if at >= 0:
                return earlier[:at] + new + earlier[at + len(old) :]
    return ""
