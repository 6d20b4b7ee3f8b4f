"""The languages that replies are written in, and which of them a text is in."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

import stopwordsiso

LANGUAGES = ("en", "de", "fr", "es", "pt", "zh", "ja")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HAN = re.compile(r"[\u3400-\u9fff]")
MAX_CHARACTERS = 2_000


def words_of(text: str) -> list[str]:
    """Words of scripts with spaces, in order, as they are written."""
    return _WORD.findall(text)


def language_of(text: str, otherwise: str = "en") -> str:
    """By script, then by the words that say nothing."""
    text = text[:MAX_CHARACTERS]
    if _KANA.search(text):
        return "ja"
    if _HAN.search(text):
        return "zh"
    found = [word.lower().replace("’", "'") for word in words_of(text)]
    counts = {language: sum(word in stop_words(language) for word in found) for language in LANGUAGES[:5]}
    return max(counts, key=lambda language: counts[language]) if any(counts.values()) else otherwise


@lru_cache
def stop_words(language: str) -> frozenset[str]:
    return frozenset(stopwordsiso.stopwords(language)) if stopwordsiso.has_lang(language) else frozenset()


@lru_cache
def closed_class(name: str, language: str = "") -> frozenset[str]:
    """The words of a closed class in a language, or in all of them."""
    every: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_name("closed_class.json").read_text(encoding="utf-8")
    )
    of_class = every[name]
    return frozenset(" ".join(of_class.values() if not language else [of_class.get(language, "")]).split())


def holds(name: str, language: str, text: str) -> bool:
    """Whether a text holds a word of a closed class."""
    if language in ("zh", "ja"):
        return any(word in text for word in closed_class(name, language))
    text = text.lower().replace("’", "'")
    return bool(closed_class(name, language) & {*words_of(text), *re.findall(r"\bn'(?=\w)", text)})
