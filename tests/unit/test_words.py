import pytest

from services.core.words import stem, stems


@pytest.mark.parametrize(
    "forms",
    [
        "tide tides",
        "price prices pricing priced",
        "open opens opened opening",
        "heading headings",
        "country countries",
        "class classes",
        "plan plans planned planning",
        "turbine turbines Turbine's",
    ],
)
def test_the_forms_of_a_word_share_a_stem(forms: str):
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize("pair", [("tide", "tie"), ("bus", "bud"), ("sea", "see"), ("is", "i")])
def test_other_words_do_not(pair: tuple[str, str]):
    assert stem(pair[0]) != stem(pair[1])


@pytest.mark.parametrize(
    ("question", "passage"), [("What is a tide?", "Tides rise."), ("Who opened it?", "It opens a dam")]
)
def test_a_question_and_a_passage_meet_in_the_stems_of_their_words(question: str, passage: str):
    assert stems(question) & stems(passage)


def test_words_that_say_nothing_have_no_part_in_it():
    assert stems("What is shown in the videos?") == set()
