"""How what is heard is counted."""

import pytest

from loadtests.scores import word_errors


@pytest.mark.parametrize(
    ("truth", "heard", "wrong"),
    [
        ("It opened in eighteen ninety eight.", "it opened in 1898", 0),
        ("Two thousand bees", "2,000 bees", 0),
        ("five, six, seven", "5 6 7", 0),
        ("at nineteen thirty", "At 19.30!", 0),
        ("thirty eight houses", "39 houses", 1),
        ("thirty eight houses", "houses", 2),
        ("L: no one's there", "no one's their", 1),
        ("R: a tide", "a tide rises", 1),
    ],
)
def test_words_are_counted_and_numbers_however_they_are_written(truth: str, heard: str, wrong: int):
    assert word_errors(truth, heard)[0] == wrong
