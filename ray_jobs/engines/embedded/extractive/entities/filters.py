"""Conditions that a question puts on rows: by value, number, date, yes or no, or words that a text holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ray_jobs.engines.embedded.extractive.entities.columns import (
    ALIKE,
    DESCRIBED,
    EXACT,
    MEANT,
    Columns,
    EntityColumn,
    ValueSpan,
    literal,
)
from ray_jobs.engines.embedded.extractive.entities.conditions import Condition, date_column
from ray_jobs.engines.embedded.extractive.entities.dates import period_at
from ray_jobs.engines.embedded.extractive.entities.numbers import read_numbers
from ray_jobs.engines.embedded.extractive.entities.words import (
    FILLERS,
    NEGATIONS,
    Token,
)


def read_conditions(
    question: Sequence[Token], columns: Columns, *, several_collections: bool
) -> list[Condition] | None:
    """Marks the words that it read. None where a number or date is there whose column can't be told."""
    found: list[Condition] = []
    for read in (read_numbers, _read_dates):
        conditions = read(question, columns)
        if conditions is None:
            return None
        found += conditions
    if several_collections:
        found += _read_collections(question, columns)
    found += _read_values(question, columns)
    found += _read_flags(question, columns)
    found += _read_quoted(question, columns)
    found += _read_names(question, columns)
    return found


def _read_dates(question: Sequence[Token], columns: Columns) -> list[Condition] | None:
    found = []
    index = 0
    while index < len(question):
        read = None if question[index].is_read else period_at(question, index)
        if read is None:
            index += 1
            continue
        start, end, period = read
        year = next(
            (column for column in columns.properties if column.is_number and column.name.lower() == "year"), None
        )
        column = year or date_column(question, index, columns)
        if column is None:
            return None
        for place in range(max(0, start), end):
            question[place].is_read = True
        if column is year:
            bounds = [f"{column.sql} >= {period.first.year}" if period.first else ""]
            bounds.append(f"{column.sql} <= {period.last.year}" if period.last else "")
        elif period.month is not None:
            bounds = [f"month({column.sql}) = {period.month}"]
        else:
            bounds = [f"{column.sql} >= DATE '{period.first}'" if period.first else ""]
            bounds.append(f"{column.sql} < DATE '{period.last + timedelta(days=1)}'" if period.last else "")
        found.append(Condition(column, " AND ".join(filter(None, bounds)), f"have {column.label} {period.said}"))
        index = end
    return found


def _read_collections(question: Sequence[Token], columns: Columns) -> list[Condition]:
    """Which of several collections is meant, by words that only its name has."""
    meant: set[str] = set()
    for token in question:
        named = [name for name in columns.collection_names if token.forms[0] in columns.row_words(name)]
        if len(named) == 1 and token.kind == "word":
            meant.add(named[0])
            token.is_read = True
    if not meant or len(meant) == len(columns.collection_names):
        return []
    names = sorted(meant)
    return [
        Condition(
            None,
            f"f.collection_name IN ({', '.join(map(literal, names))})",
            f"are in {' or '.join(f'“{name}”' for name in names)}",
        )
    ]


def _read_values(question: Sequence[Token], columns: Columns) -> list[Condition]:
    chosen: list[tuple[ValueSpan, bool]] = []
    spans = columns.values(question)
    while spans:
        span = spans[0]
        rivals = [item for item in spans if (item.start, item.end) == (span.start, span.end)]
        spans = [item for item in spans if item.end <= span.start or item.start >= span.end]
        if any(question[place].is_read for place in range(span.start, span.end)):
            continue
        best = _choose(question, rivals, columns)
        if best is None:
            continue
        negated = _negation(question, best.start)
        chosen.append((best, negated is not None))
        for place in range(best.start, best.end):
            question[place].is_read = True
        if negated is not None:
            for place in range(negated, best.start):
                question[place].is_read = True
    chosen.sort(key=lambda item: item[0].start)
    for place, (span, _) in enumerate(chosen[1:], 1):
        last, was_negated = chosen[place - 1]
        between = {token.word for token in question[last.end : span.start]}
        if was_negated and span.column == last.column and between <= {"or", "nor", "and", ","}:
            chosen[place] = (span, True)
    by_column: dict[tuple[EntityColumn, bool], list[ValueSpan]] = {}
    for span, is_negated in chosen:
        by_column.setdefault((span.column, is_negated), []).append(span)
    return [_value_condition(question, column, group, no) for (column, no), group in by_column.items()]


def _choose(question: Sequence[Token], rivals: list[ValueSpan], columns: Columns) -> ValueSpan | None:
    """The reading of a run of words as a value, where only one is to be thought of."""
    whole = [span for span in rivals if span.is_whole] or rivals
    start, end = whole[0].start, whole[0].end
    outside = [token for place, token in enumerate(question) if not start <= place < end]

    def spoken(span: ValueSpan) -> int:
        return max((span.column.mentioned_by(token) for token in outside), default=0)

    # A name is written as it is: "Cells" is the title rather than the topic "cells".
    written = " ".join(token.text for token in question[start:end])
    as_written = [span for span in whole if span.value == written]
    if question[start].is_capital and len(as_written) == 1:
        whole = as_written
    # A word that names a column is that column, unless the column of the value is spoken of as well.
    names_column = end - start == 1 and any(
        column.mentioned_by(question[start]) >= ALIKE and column not in [span.column for span in whole]
        for column in columns.properties
    )
    best = max(map(spoken, whole))
    if len(whole) > 1 or names_column:
        whole = [span for span in whole if spoken(span) == best and best >= MEANT]
    if len({span.column for span in whole}) != 1:
        return None
    return whole[0]


def _negation(question: Sequence[Token], start: int) -> int | None:
    """Where the "not" of what stands at `start` is; only words of grammar may stand between them."""
    for place in range(start - 1, max(-1, start - 4), -1):
        word = question[place].word
        if word in NEGATIONS:
            return place
        if word == "than" and place and question[place - 1].word == "other":
            return place - 1
        if question[place].is_read or word not in FILLERS:
            return None
    return None


def _value_condition(
    question: Sequence[Token], column: EntityColumn, spans: list[ValueSpan], is_negated: bool
) -> Condition:
    between = {question[place].word for place in range(spans[0].end, spans[-1].start)}
    for place in range(spans[0].end, spans[-1].start):
        question[place].is_read = question[place].is_read or question[place].word in ("or", "nor", "and")
    for token in question[: spans[0].start] if len(spans) == 2 and "and" in between and column.is_list else ():
        token.is_read = token.is_read or token.word == "both"
    joined = " OR " if "or" in between or is_negated or not column.is_list else " AND "
    tests = []
    for span in spans:
        if column.is_list and span.is_whole:
            tests.append(f"list_contains({column.sql}, {literal(span.value)})")
        elif span.is_whole:
            tests.append(f"{column.sql} = {literal(span.value)}")
        else:
            tests.append(_holds(column, span.value))
        for token in question:
            if column.mentioned_by(token) >= MEANT:
                token.is_read = True
    said = (" or " if joined == " OR " else " and ").join(f"“{span.value}”" for span in spans)
    sql = tests[0] if len(tests) == 1 else f"({joined.join(tests)})"
    verb = "other than" if is_negated and not column.is_list else "without" if is_negated else ""
    verb = verb or ("with" if column.is_list else "containing" if not all(s.is_whole for s in spans) else "")
    return Condition(
        column,
        f"NOT {sql}" if is_negated else sql,
        f"have {column.label} {verb} {said}".replace("  ", " "),
        tuple(span.value for span in spans),
    )


def _holds(column: EntityColumn, text: str) -> str:
    pattern = literal("%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
    if column.is_list:
        return f"len(list_filter({column.sql}, lambda item: item ILIKE {pattern} ESCAPE '\\')) > 0"
    return f"{column.sql} ILIKE {pattern} ESCAPE '\\'"


def _read_flags(question: Sequence[Token], columns: Columns) -> list[Condition]:
    flags = [column for column in columns.all if column.is_flag]
    found: dict[EntityColumn, Condition] = {}
    for index, token in enumerate(question):
        if token.is_read or token.kind != "word":
            continue
        spoken = {column: column.mentioned_by(token) for column in flags}
        others = max((column.mentioned_by(token) for column in columns.all if not column.is_flag), default=0)
        least = max(spoken.values(), default=0)
        named = [column for column, score in spoken.items() if score == least]
        if least < DESCRIBED or len(named) != 1 or named[0] in found or (others >= least and least < EXACT):
            continue
        column = named[0]
        if least == DESCRIBED and others:
            continue
        negated = _negation(question, index)
        for place in range(negated if negated is not None else index, index + 1):
            question[place].is_read = True
        for other in question:
            if column.mentioned_by(other) >= DESCRIBED and max(
                (item.mentioned_by(other) for item in columns.all if item is not column), default=0
            ) <= column.mentioned_by(other):
                other.is_read = True
        yes = negated is None
        found[column] = Condition(
            column, f"{column.sql} = {'true' if yes else 'false'}", _flag_phrase(column.label, yes)
        )
    return list(found.values())


def _flag_phrase(label: str, yes: bool) -> str:
    """ "has music" reads "have music" or "have no music"."""
    verb, _, rest = label.partition(" ")
    if verb == "has" and rest:
        return f"have {rest}" if yes else f"have no {rest}"
    if verb == "is" and rest:
        return f"are {rest}" if yes else f"are not {rest}"
    return f"have {label}: {'yes' if yes else 'no'}"


def _read_quoted(question: Sequence[Token], columns: Columns) -> list[Condition]:
    """Words in quotation marks that are no known value: looked for in the column spoken of, else in every text."""
    found = []
    for token in question:
        if token.kind != "quoted" or token.is_read:
            continue
        texts = [column for column in columns.properties if column.is_text]
        spoken = {column for column in texts for other in question if column.mentioned_by(other) >= ALIKE}
        looked = [column for column in texts if column in spoken] if len(spoken) == 1 else texts
        if not looked:
            continue
        token.is_read = True
        for column in spoken if len(spoken) == 1 else ():
            for other in question:
                other.is_read = other.is_read or column.mentioned_by(other) >= ALIKE
        sql = " OR ".join(_holds(column, token.text) for column in looked)
        where = looked[0].label if len(looked) == 1 else "any text"
        found.append(
            Condition(looked[0] if len(looked) == 1 else None, f"({sql})", f"have {where} containing “{token.text}”")
        )
    return found


def _read_names(question: Sequence[Token], columns: Columns) -> list[Condition]:
    """Capitalised words that are no known value, where one column of text, not all of whose values are known, is meant."""
    found = []
    index = 0
    while index < len(question):
        end = index
        while end < len(question) and question[end].is_capital and not question[end].is_read:
            end += 1
        name = question[index:end]
        index = max(end, index + 1)
        if not name:
            continue
        open_ended = [
            column
            for column in columns.properties
            if column.type == "VARCHAR" and (column.distinct is None or column.distinct > len(column.examples))
        ]
        meant = {column for column in open_ended for token in question if column.mentioned_by(token) >= MEANT}
        if len(meant) != 1 or any(columns.best(token) for token in name):
            continue
        (column,) = meant
        text = " ".join(token.text.removesuffix("'s") for token in name)
        for token in name:
            token.is_read = True
        for token in question:
            token.is_read = token.is_read or column.mentioned_by(token) >= MEANT
        found.append(Condition(column, _holds(column, text), f"have {column.label} containing “{text}”", (text,)))
    return found
