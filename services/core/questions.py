"""The files that a question names."""

from __future__ import annotations

import re

# Begins where a run of such characters does, so that a long one is tried once and not at each of its characters.
_FILE = re.compile(
    r"(?<![\w.\-])([.\-]*)(\w[\w.\-]*\.(?:mp4|m4v|mov|mkv|webm|avi|flv|3gp|ts|mpe?g|wmv|ogv|ogg|mp3|m4a|wav|flac|aac|opus)\b)",
    re.I,
)
_EXCLUDING = re.compile(r"\b(?:other than|except(?: for| in)?|apart from|besides|not in)\s+(?=\S+\.\w{2,4}\b)", re.I)
MAX_CHARACTERS = 20_000  # that are read for names
MAX_NAMES = 20


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
