"""The engine's own words: every language has every sentence, with the same values."""

from __future__ import annotations

import string

import pytest

from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.languages import LANGUAGES, language_of


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_sentence_with_the_same_values(language: str) -> None:
    english, other = frames("en").templates, frames(language).templates
    assert list(other) == list(english)
    assert {name: placeholders(text) for name, text in other.items()} == {
        name: placeholders(text) for name, text in english.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_refusal_of_a_language_is_in_that_language(language: str) -> None:
    assert language_of(frames(language).say("refusal")) == language


def test_a_language_without_words_of_its_own_gets_english_ones() -> None:
    assert frames("xx") == frames("en")


@pytest.mark.parametrize(
    ("language", "written"),
    [("en", "in a.mp4 at 01:15–01:20"), ("de", "in a.mp4 bei 01:15–01:20"), ("ja", "a.mp4 の 01:15–01:20 に")],
)
def test_a_place_has_its_file_and_its_time(language: str, written: str) -> None:
    assert frames(language).place("a.mp4", 75.2, 80) == written


def test_a_place_is_as_much_as_is_known_of_it() -> None:
    words = frames("en")
    assert [words.place(), words.place("a.mp4"), words.place("", 3, 3.5)] == ["", "in a.mp4", "at 00:03"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_without_its_place_begins_with_a_word(language: str) -> None:
    for name in ("said", "shown", "seen"):
        assert frames(language).say(name, place="", quote="x", text="x")[0].isalpha()


@pytest.mark.parametrize(("items", "written"), [([], ""), (["a"], "a"), (["a", "b", "c"], "a, b and c")])
def test_a_list_is_written_as_people_do(items: list[str], written: str) -> None:
    assert frames("en").listed(items) == written
