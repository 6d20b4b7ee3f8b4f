"""What can be told of a question by its words alone."""

from __future__ import annotations

import re

from services.core.words import content_words

_WHOLE = re.compile(
    r"\b(summar\w+|overview|key (?:topics|points|ideas)|main (?:topics|points|ideas|themes)|topics|themes|"
    r"what (?:is|are) (?:this|these|the|each|every) (?:video|clip|lecture|recording)s? about|what happens|in common)\b",
    re.I,
)
_EVERY = re.compile(r"\b(?:each|every|all)(?: of)?(?: the)? (?:video|clip|file|recording|lecture)s?\b", re.I)
# Begins where a run of such characters does, so that a long one is tried once and not at each of its characters.
_FILE = re.compile(
    r"(?<![\w.\-])([.\-]*)(\w[\w.\-]*\.(?:mp4|m4v|mov|mkv|webm|avi|flv|3gp|ts|mpe?g|wmv|ogv|ogg|mp3|m4a|wav|flac|aac|opus)\b)",
    re.I,
)
_EXCLUDING = re.compile(r"\b(?:other than|except(?: for| in)?|apart from|besides|not in)\s+(?=\S+\.\w{2,4}\b)", re.I)
MAX_CHARACTERS = 20_000  # that are read for names
MAX_NAMES = 20
# "What is shown?", "Describe what can be seen": asked of nothing in particular.
_OPEN = re.compile(
    r"^\W*(?:please )?(?:what|describe|explain|show|tell)\b.*?\b(?:shown?|says?|said|see|seen|hear|heard|happen(?:s|ed|ing)?|"
    r"going on|visible|discuss(?:ed)?|talks?|mention(?:s|ed)?|written|(?:video|clip|lecture|file|recording|film|movie|slide|"
    r"screen|text)s?)\b",
    re.I,
)
_OPEN_WORDS = frozenset(
    "see seen hear heard visible happen happens happened happening going recording recordings film films "
    "movie movies slide slides screen screens text written please".split()
)
MAX_OPEN_CHARACTERS = 200
_ASKING = frozenset("list name tell give please provide find write".split())


def is_broad(question: str) -> bool:
    """Whether the question asks for the whole of the videos rather than for a fact in them."""
    if _WHOLE.search(question):
        return True
    # "Tell me of each video" wants all of it; "list what each video says of the moon" wants the moon.
    return _EVERY.search(question) is not None and not set(content_words(_EVERY.sub(" ", question))) - _ASKING


def wants_all(question: str) -> bool:
    """Whether it is broad, or names nothing to look for, and stands for itself: "What is shown?"."""
    if is_broad(question):
        return True
    text = without_file_names(question[:MAX_CHARACTERS])
    return len(text) <= MAX_OPEN_CHARACTERS and bool(_OPEN.search(text)) and not set(content_words(text)) - _OPEN_WORDS


def file_names(text: str) -> list[str]:
    """Names of media files in a text, in order of first mention."""
    found = dict.fromkeys(match[2] for match in _FILE.finditer(text[:MAX_CHARACTERS]))
    return list(found)[:MAX_NAMES]


def without_file_names(text: str) -> str:
    """A file's name says where to look, not what for."""
    return _FILE.sub(r"\1 ", text)


def excludes_files(question: str) -> bool:
    """Whether the files that a question names are those it does not want: "other than talk.mp4"."""
    return _EXCLUDING.search(question[:MAX_CHARACTERS]) is not None
