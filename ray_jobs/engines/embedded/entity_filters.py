"""Conditions that a question puts on rows: by value, number, date, yes or no, or words that a text holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ray_jobs.engines.embedded.entity_columns import (
    ALIKE,
    DESCRIBED,
    EXACT,
    MEANT,
    Columns,
    EntityColumn,
    ValueSpan,
    literal,
)
from ray_jobs.engines.embedded.entity_dates import period_at
from ray_jobs.engines.embedded.entity_words import (
    ADJECTIVES,
    CONCEPTS,
    CURRENCIES,
    FILLERS,
    FORMS,
    MONTHS,
    NEGATIONS,
    Token,
    singular,
    words_of,
)

_MORE = frozenset("more over above exceeding greater higher beyond larger bigger".split())
_LESS = frozenset("less under below fewer lower smaller".split())
_OR_MORE = frozenset("more higher above greater better longer over".split())
_OR_LESS = frozenset("less lower below fewer shorter under".split())
_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600}
_GRAMS = {"gram": 1, "g": 1, "kilogram": 1000, "kg": 1000, "kilo": 1000}
_MONEY = frozenset("dollar usd euro eur buck".split())
_SCALES = frozenset("star point".split())


@dataclass(frozen=True)
class Condition:
    column: EntityColumn | None
    sql: str
    phrase: str  # behind "videos that have "
    words: tuple[str, ...] = ()  # values that it is about


def read_conditions(
    question: Sequence[Token], columns: Columns, *, several_collections: bool
) -> list[Condition] | None:
    """Marks the words that it read. None where a number or date is there whose column can't be told."""
    found: list[Condition] = []
    for read in (_read_numbers, _read_dates):
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


def column_for(question: Sequence[Token], places: Sequence[int], among: list[EntityColumn]) -> EntityColumn | None:
    """The column that the first of these words to speak of one speaks of."""
    for place in places:
        if 0 <= place < len(question) and question[place].kind == "word":
            column = Columns.best(_only(among), question[place])
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


def _only(among: list[EntityColumn]) -> Columns:
    columns = Columns((), "")
    columns.all = among
    return columns


def _read_numbers(question: Sequence[Token], columns: Columns) -> list[Condition] | None:
    found = []
    numbers = [column for column in columns.all if column.is_number]
    for index, token in enumerate(question):
        if token.number is None or token.is_read:
            continue
        comparison = _comparison(question, index)
        if comparison is None:
            continue
        first, last, operator, said, other = comparison
        unit = last if last < len(question) else -1
        column, factor = _number_column(question, first, index, unit, numbers)
        if column is None:
            # "before 2024" is a date, and is read as one later.
            if any(item.is_date for item in columns.all) and period_at(question, index) is not None:
                continue
            return None
        value = token.number * factor
        text = token.text if factor == 1 else f"{token.text} {question[unit].text}"
        if operator == "BETWEEN":
            assert other is not None
            sql = f"{column.sql} BETWEEN {value:.15g} AND {other * factor:.15g}"
            said = f"from {value:.15g} to {other * factor:.15g}"
        else:
            sql, said = f"{column.sql} {operator} {value:.15g}", f"{said} {text}"
        for place in range(first, last):
            question[place].is_read = True
        found.append(Condition(column, sql, f"have {column.label} {said}"))
    return found


def _comparison(question: Sequence[Token], index: int) -> tuple[int, int, str, str, float | None] | None:
    """(first token, token after, operator, in words, the second number of a range) around the number at `index`."""

    def word(place: int) -> str:
        return question[place].word if 0 <= place < len(question) else ""

    after = index + 1
    if word(index - 1) == "between" and word(after) == "and" and after + 1 < len(question):
        other = question[after + 1].number
        if other is not None:
            question[after + 1].is_read = True
            return index - 1, after + 2, "BETWEEN", "", other
    for end in (after, after + 1):  # "4 or more", "4 stars or more"
        if word(end) == "or" and word(end + 1) in _OR_MORE | _OR_LESS:
            question[end].is_read = question[end + 1].is_read = True
            sign, said = (">=", "of at least") if word(end + 1) in _OR_MORE else ("<=", "of at most")
            return index, after if end > after else after + 2, sign, said, None
    if question[index].kind == "plus":
        return index, after, ">=", "of at least", None
    before, second = word(index - 1), word(index - 2)
    for sign, said in ((">", "over"), ("<", "under"), (">=", "of at least"), ("<=", "of at most"), ("=", "of exactly")):
        if before == sign:
            return index - 1, after, sign, said, None
    if before in ("least", "most") and second == "at":
        return index - 2, after, ">=" if before == "least" else "<=", f"of at {before}", None
    if before == "exactly":
        return index - 1, after, "=", "of exactly", None
    is_named = question[index - 1].kind == "word" and before not in MONTHS
    if second in ("after", "before", "past") and is_named:  # "after minute 50"
        return index - 2, after, "<" if second == "before" else ">", "under" if second == "before" else "over", None
    start, compared = (index - 2, second) if before == "than" else (index - 1, before)
    operator = ">" if compared in _MORE else "<" if compared in _LESS else ""
    if not operator and before == "than" and compared in FORMS:
        operator = ">" if ADJECTIVES[FORMS[compared]][1] else "<"
    if not operator:
        return None
    if word(start - 1) in ("no", "not") and before == "than":
        operator, start = ("<=" if operator == ">" else ">="), start - 1
    said = {">": "over", "<": "under", ">=": "of at least", "<=": "of at most"}[operator]
    return start, after, operator, said, None


def _number_column(
    question: Sequence[Token], first: int, index: int, unit: int, numbers: list[EntityColumn]
) -> tuple[EntityColumn | None, float]:
    """(the column that a compared number is of, what to multiply the number by to have it in the column's unit)."""
    named = question[unit].forms[0] if unit >= 0 and question[unit].kind == "word" else ""
    column = None
    comparing = next((item.word for item in question[first:index] if item.word in FORMS), "")
    if comparing:
        column = adjective_column(comparing, numbers)
    if first == index - 2 and question[first].word in ("after", "before", "past"):
        column = Columns.best(_only(numbers), question[index - 1], least=ALIKE)
        return column, 1.0
    measured = next((units for units in (_SECONDS, _GRAMS) if named in units), None)
    is_scale = named in _SCALES or named in _MONEY
    if column is None and measured is not None:
        # "45 minutes" is of a column that is called so, and of no other where several are measured in time.
        own = [
            item
            for item in numbers
            if item.table != "files" and set(map(singular, words_of(item.name))) & set(measured)
        ]
        column = next((item for item in own if list(map(singular, words_of(item.name))) == [named]), None)
        numbers = own if len(own) > 1 else numbers
    if column is None and unit >= 0 and measured is None and not is_scale:
        column = column_for(question, [unit, unit + 1], numbers)
        if column is not None and column.mentioned_by(question[unit]) == 0:
            if question[unit].kind != "word" or question[unit].word in ("in", "of", "by", "for", "and", "or"):
                column = None
    if column is None:
        # The nearest word before that speaks of a number: "a rating above 4", "cost less than 400".
        column = column_for(question, range(first - 1, max(-1, first - 6), -1), numbers)
    if column is None and (question[index].kind == "money" or named in _MONEY):
        column = adjective_column("cheap", numbers)
    if column is None and measured is _SECONDS and not own:
        column = adjective_column("long", numbers)
    if column is None and measured is _GRAMS and len(own) < 2:
        column = adjective_column("heavy", numbers)
    if column is None and named in _SCALES:
        column = adjective_column("good", numbers)
    if column is None or _differs_in_currency(column, f"{question[index].text[0]} {named}"):
        return None, 1.0
    factor = 1.0
    if measured is not None:
        own = next((measured[word] for word in map(singular, words_of(column.name)) if word in measured), None)
        if own is None:
            return None, 1.0  # a length in an unknown unit can't be compared
        factor = measured[named] / own
        question[unit].is_read = True
    elif named and (is_scale or column.mentioned_by(question[unit])):
        question[unit].is_read = True
    for place in range(max(0, first - 5), min(len(question), index + 4)):
        rivals = max((item.mentioned_by(question[place]) for item in numbers if item is not column), default=0)
        if column.mentioned_by(question[place]) > (0 if rivals == 0 else MEANT - 1):
            question[place].is_read = True
    return column, factor


def _differs_in_currency(column: EntityColumn, said: str) -> bool:
    asked = [currency for currency in CURRENCIES if currency & set(said.split())]
    kept = [currency for currency in CURRENCIES if currency & {singular(word) for word in column.told}]
    return bool(asked and kept and asked[0] not in kept)


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
            column, f"{column.sql} = {'true' if yes else 'false'}", f"have {column.label}: {'yes' if yes else 'no'}"
        )
    return list(found.values())


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
