import random
import re

import pytest

from services.core.questions import MAX_NAMES, excludes_files, file_names, without_file_names

KINDS = "mp4|m4v|mov|mkv|webm|avi|flv|3gp|ts|mpe?g|wmv|ogv|ogg|mp3|m4a|wav|flac|aac|opus"
NAME = re.compile(rf"\w[\w.\-]*\.(?:{KINDS})\b", re.I)  # what a file's name is, however long it takes to find
PIECES = ("a", ".", "-", "mp4", ".mp4", " ", "é", "_", ".mov", "MOV", ".b", "x.ts", "ts", "/", ",")
LONG = {"dots": "a." * 199_000, "one word": "x" * 399_999, "ligatures": "ﷺ" * 399_000, "blanks": "x" + " " * 399_000}


def test_names_of_files_are_found_in_any_text():
    lot = random.Random(1)
    for _ in range(20_000):
        text = "".join(lot.choice(PIECES) for _ in range(lot.randint(1, 9)))
        assert file_names(text) == list(dict.fromkeys(NAME.findall(text))), text
        assert without_file_names(text) == NAME.sub(" ", text), text
    assert len(file_names(" ".join(f"{number}.mp4" for number in range(100)))) == MAX_NAMES


@pytest.mark.parametrize("text", LONG.values(), ids=list(LONG))
def test_a_question_as_long_as_may_be_is_read_in_one_go(text: str):
    """What tries each place of a run again takes hours here."""
    assert file_names(text) == [] and without_file_names(text) == text
    assert not excludes_files(text)
