"""A condition on rows, and the column that words near it speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ray_jobs.engines.embedded.extractive.entities.columns import ALIKE, Columns, EntityColumn
from ray_jobs.engines.embedded.extractive.entities.words import ADJECTIVES, CONCEPTS, FORMS, Token, words_of


@dataclass(frozen=True)
class Condition:
    column: EntityColumn | None
    sql: str
    phrase: str  # behind "videos that have "
    words: tuple[str, ...] = ()  # values that it is about


def column_for(question: Sequence[Token], places: Sequence[int], among: list[EntityColumn]) -> EntityColumn | None:
    """The column that the first of these words to speak of one speaks of."""
    for place in places:
        if 0 <= place < len(question) and question[place].kind == "word":
            column = Columns.best(only(among), question[place])
            if column is not None:
                return column
    return None


def adjective_column(word: str, among: list[EntityColumn]) -> EntityColumn | None:
    """The column that an adjective compares by: "longer" is of a duration."""
    adjective = ADJECTIVES.get(FORMS.get(word, word))
    if adjective is None:
        return None
    for names, _ in CONCEPTS:
        if adjective[0] in names:
            found = [column for column in among if names & set(words_of(column.name))]
            own = [column for column in found if column.table != "files"] or found
            return own[0] if len(own) == 1 else None
    found = [column for column in among if adjective[0] in words_of(column.name)]
    return found[0] if len(found) == 1 else None


def date_column(question: Sequence[Token], near: int, columns: Columns) -> EntityColumn | None:
    """The date that a time in the question is of: the one that is spoken of, else the only one of the rows' own."""
    dates = [column for column in columns.all if column.is_date]
    for place in sorted(range(len(question)), key=lambda place: abs(place - near)):
        named = [column for column in dates if column.mentioned_by(question[place]) >= ALIKE]
        if len(named) == 1:
            question[place].is_read = True
            return named[0]
        if question[place].word in ("uploaded", "added") and not named:
            question[place].is_read = True
            return next((column for column in dates if column.table == "files"), None)
    own = [column for column in dates if column.table != "files"]
    return own[0] if len(own) == 1 else None


def only(among: list[EntityColumn]) -> Columns:
    columns = Columns((), "")
    columns.all = among
    return columns
