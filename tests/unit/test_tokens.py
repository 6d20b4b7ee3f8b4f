"""What is indexed of a text and what is asked meet, whatever the script and the form."""

from __future__ import annotations

import pytest

from services.core.search.tokens import folded, index_tokens, terms
from services.core.words import Held, content_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Malmö", "Malmo\u0308"),
        ("DİYARBAKIR", "diyarbakır"),
        ("H₂O", "H2O"),
        ("ＦＡＸ", "fax"),
        ("oﬃce", "office"),
        ("GROẞ", "gross"),
        ("كِتَاب", "كتـاب"),
        ("שָׁלוֹם", "שלום"),
        ("ΟΔΟΣ", "οδός"),
    ],
)
def test_forms_of_one_text_are_one(one: str, other: str):
    assert index_tokens(one) == index_tokens(other)


@pytest.mark.parametrize(("one", "other"), [("й", "и"), ("が", "か"), ("कि", "की")])
def test_marks_that_make_another_letter_stay(one: str, other: str):
    assert folded(one) != folded(other)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("email", "Send an e-mail."),
        ("e-mail", "Send an email."),
        ("5GHz", "on 5 GHz"),
        ("5 GHz", "on 5GHz"),
        ("2500", "2,500 people"),
        ("2,500", "2500 people"),
        ("kilo-42", "再起動kilo-42後"),
        ("台風", "昨日台風が来た"),
        ("雨", "今日は雨です"),
        ("ဈေး", "ဒီနေ့ဈေးဖွင့်တယ်"),
        ("ປາ", "ຂ້ອຍມັກກິນປາແດກ"),
        ("병원", "병원에서 만났다"),
        # Persian, with a zero-width non-joiner, with a space, and without either
        ("درخت", "درخت\u200cها سبزند"),
        ("می روم", "من می\u200cروم"),
        ("می\u200cروم", "من می روم"),
        ("می\u200cروم", "من میروم"),
        ("میروم", "من می\u200cروم"),
    ],
)
def test_a_word_is_found_in_a_text(word: str, text: str):
    assert all(term in Held(text) for term in terms(word))


@pytest.mark.parametrize(("word", "text"), [("car", "carpet"), ("25", "2500"), ("台北", "台風"), ("mail", "email")])
def test_a_part_of_a_word_is_not_the_word(word: str, text: str):
    assert not any(term in Held(text) for term in terms(word))


def test_grammar_between_words_of_japanese_is_no_word_of_a_question():
    assert content_words("台風の被害は？") == ["台風", "被害"]


def test_a_name_of_words_that_say_nothing_counts_where_nothing_else_does():
    assert content_words("What did The Who do?") == ["the who"]
    assert "the who" in Held("Then The Who played.") and "the who" not in Held("The man who played.")
    assert content_words("What is it about?") == []


@pytest.mark.parametrize(
    "text",
    [
        "It weighs 2,500 kg, at 5GHz!",
        "line\nbreak\tand  spaces",
        "_snake_case (v2.1)",
        "don't 1,2,3",
        "",
        "Users' 1,000,000",
    ],
)
def test_plain_text_is_read_as_it_is_beside_other_letters(text: str):
    assert index_tokens(text) == index_tokens(f"{text} é")[:-1]
