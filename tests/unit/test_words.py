import pytest

from services.core.words import stem


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
