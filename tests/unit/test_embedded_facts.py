"""Numbers, dates, names and places as they stand in texts of seven languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.embedded.extractive.facts import amounts, facts, kinds_in, may_measure, measure


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("The wall is 12 feet high and cost $3.5 million in all.", "number", ["12 feet", "$3.5 million"]),
        ("It weighs two thousand kilograms, or 90 km/h, 12%.", "number", ["two thousand kilograms", "90 km/h", "12%"]),
        (
            "Er ist dreihundert Meter hoch und kostet 2,5 Millionen Euro.",
            "number",
            ["dreihundert Meter", "2,5 Millionen Euro"],
        ),
        ("Il pèse quatre-vingt-dix kilogrammes.", "number", ["quatre-vingt-dix kilogrammes"]),
        ("Mide trescientos metros.", "number", ["trescientos metros"]),
        ("Tem dois quilômetros.", "number", ["dois quilômetros"]),
        ("高三百米，有25名学生。", "number", ["三百米", "25名"]),
        ("塔は三百メートルで、理由は3つです。", "number", ["三百メートル", "3つ"]),
        ("One of them came first in the second round.", "number", []),
        ("Version 1.2.3 of part A12 was made in 1998.", "number", []),
        ("Built on March 5, 2021 at 3 pm.", "date", ["March 5, 2021", "3 pm"]),
        ("Am 4. Mai 1998 um 14 Uhr, also Montag.", "date", ["4. Mai 1998", "14 Uhr", "Montag"]),
        ("Le 12 mars 2024 à 15 h 30.", "date", ["12 mars 2024", "15 h 30"]),
        ("El 4 de mayo de 1998.", "date", ["4 de mayo de 1998"]),
        ("Em 4 de maio de 1998.", "date", ["4 de maio de 1998"]),
        ("建于1889年3月5日，星期一开放。", "date", ["1889年3月5日", "星期一"]),
        ("平成元年に作られ、月曜日に開く。", "date", ["平成元年", "月曜日"]),
        ("It may rain in the summer of the year.", "date", []),
        ("It was drawn by Ada van Dorn and Dr. Lim.", "name", ["Ada van Dorn", "Lim"]),
        ("Es wurde von Ada Dorn und Frau Lim gemalt.", "name", ["Ada Dorn", "Lim"]),
        ("王明教授和大家见面。", "name", ["王明"]),
        ("私は田中です。アダ・ラブレスの話です。", "name", ["田中", "アダ・ラブレス"]),
        ("HOW WE WORK", "name", []),
        ("We met in Lisbon, near the sea.", "place", ["Lisbon"]),
        ("La torre está en Madrid.", "place", ["Madrid"]),
        ("他在上海市工作，去过德国。", "place", ["上海市", "德国"]),
    ],
)
def test_what_stands_in_a_text_is_found(text: str, kind: str, found: list[str]) -> None:
    assert [fact.text for fact in facts(text) if fact.kind == kind and fact.is_sure] == found


def test_a_capital_at_the_beginning_of_a_sentence_is_no_sure_name() -> None:
    assert kinds_in("Tides rise.") == set()
    assert [fact.text for fact in facts("Ada wrote it.")] == ["Ada"]


@given(st.text(max_size=200))
def test_a_fact_stands_where_it_says(text: str) -> None:
    for fact in facts(text):
        assert fact.text == text[fact.start : fact.end] != ""


def test_a_long_text_is_read_in_part() -> None:
    assert len(facts("7 km. " * 100_000)) < 1_000


@pytest.mark.parametrize(
    ("number", "measured"),
    [
        ("300 metres", "length"),
        ("trente-cinq minutes", "duration"),
        ("8,000 EUR", "currency"),
        ("$30", "currency"),
        ("80 %", "share"),
        ("三百元", "currency"),
        ("一百二十岁", "duration"),
        ("sechs", ""),
        ("nine degrees", ""),  # of an angle or of warmth
        ("12", ""),
    ],
)
def test_a_number_measures_what_its_unit_does(number: str, measured: str) -> None:
    assert measure(number) == measured


@pytest.mark.parametrize(
    ("number", "wanted", "may"),
    [
        ("40 kg", "mass", True),
        ("40", "mass", False),
        ("40 kg", "length", False),
        ("40 m", "length", True),
        ("40", "currency", True),
        ("40 euros", "currency", True),
        ("40", "count", True),
        ("40 kg", "count", False),
        ("40 kg", "", True),
    ],
)
def test_a_number_may_be_of_a_measure_by_its_unit(number: str, wanted: str, may: bool) -> None:
    assert may_measure(number, wanted) is may


def test_amounts_are_read_in_words_of_any_language() -> None:
    assert [amounts(text) for text in ("两句话", "三百二十", "in zwei Sätzen", "four lines")] == [[2], [320], [2], [4]]
