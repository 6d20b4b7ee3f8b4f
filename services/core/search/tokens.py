"""Text as search reads it: one way for what is indexed and what is asked, so that both databases index plain tokens.

Forms of one text are one (NFKC, case, accents of the scripts that write them as an extra, vowel points, tatweel). Scripts without
spaces are indexed by every two neighbours, so that any part of them is found; numbers and letters are told apart ("5GHz" is
"5 GHz"), digits that are grouped are one number ("2,500"), and a hyphenated word counts as one word too ("e-mail", "email"), as
does one of Persian whose parts a zero-width non-joiner keeps apart: it is also written without, and with a space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple

from services.core.stemming import stem

GAP = "·"  # never a token: no phrase goes over it
MAX_TOKEN = 64  # characters
MAX_TOKENS = 50_000  # of one text
Script = Literal["letters", "digits", "han", "katakana", "hiragana", "hangul", "unspaced"]
UNSPACED = ("han", "katakana", "hiragana", "hangul", "unspaced")
WINDOW = 4  # letters of Thai, Lao, Khmer, Myanmar that are looked for together where a query is longer than WHOLE
WHOLE = 6

_HYPHENS = frozenset("-\u2010\u2011\u2013\u00ad")
_NON_JOINER = re.compile(r"(?<=[\u0620-\u06ff])\u200c+(?=[\u0620-\u06ff])")
_GROUPS = re.compile(r"(?<=\d)[,'’\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_PLAIN_RUN = re.compile(r"[a-z]+|[0-9]+")
_EXTRA_MARKS = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW")
_KEPT_MARKS = {"CYRILLIC": "\u0306"}  # й is no и
_DROPPED = frozenset("\u0640")  # tatweel
_DOTLESS = {"\u0131": "i"}
_NAMES: tuple[tuple[str, Script], ...] = (
    ("CJK ", "han"),
    ("IDEOGRAPHIC ITERATION", "han"),
    ("KATAKANA", "katakana"),
    ("HIRAGANA", "hiragana"),
    ("HANGUL", "hangul"),
    ("THAI", "unspaced"),
    ("LAO", "unspaced"),
    ("KHMER", "unspaced"),
    ("MYANMAR", "unspaced"),
)


class Piece(NamedTuple):
    """A run of one script. `units`: its letters with their marks. `is_joined`: a hyphen alone stands before it."""

    script: Script
    units: tuple[str, ...]
    is_joined: bool = False

    @property
    def text(self) -> str:
        return "".join(self.units)


def folded(text: str) -> str:
    """The key by which two forms of one text are compared; never shown."""
    kept: list[str] = []
    base = ""
    for character in unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()):
        category = unicodedata.category(character)
        if category == "Mn":
            if base and character not in _KEPT_MARKS.get(base, ""):
                continue
        elif category == "Cf" or character in _DROPPED:
            continue
        else:
            base = _marked(character)
        kept.append(_DOTLESS.get(character, character))
    return unicodedata.normalize("NFC", "".join(kept))


def pieces(text: str) -> Iterator[Piece]:
    """The runs of letters, digits and scripts without spaces, in order, folded."""
    for part in _grouped(_NON_JOINER.sub("\u2010", text.replace("\u00ad", ""))).split(" "):
        # Most words of most texts are plain: they need not be looked at letter by letter.
        yield from _plain_pieces(part.lower()) if part.isascii() else _folded_pieces(folded(part))


def _plain_pieces(text: str) -> Iterator[Piece]:
    end = 0
    for run in _PLAIN_RUN.finditer(text):
        is_joined = end > 0 and run.start() == end + 1 and text[end] == "-"
        yield Piece("digits" if run.group().isdecimal() else "letters", tuple(run.group()), is_joined)
        end = run.end()


def _folded_pieces(shown: str) -> Iterator[Piece]:
    script: Script | None = None
    units: list[str] = []
    joined = hyphen = False
    for character in shown:
        if units and unicodedata.category(character).startswith("M"):
            units[-1] += character
            continue
        found = _script(character)
        if found == "katakana" and character == "ー" and script == "hiragana":
            found = script
        if units and found != script:
            yield Piece(script, tuple(units), joined)  # type: ignore[arg-type]
            units, joined = [], False
        if found is None:
            hyphen = character in _HYPHENS and script is not None
        else:
            if not units:
                joined, hyphen = hyphen, False
            units.append(character)
        script = found
    if units:
        yield Piece(script, tuple(units), joined)  # type: ignore[arg-type]


def index_tokens(text: str) -> list[str]:
    """What is indexed of a text, in order; words whose parts a hyphen joins come once more at the end, as one."""
    if text.isascii() and "-" not in text:  # words alone, none of which a hyphen joins
        return [_token(run.group()) for run in islice(_PLAIN_RUN.finditer(_grouped(text).lower()), MAX_TOKENS)]
    found: list[str] = []
    whole: list[str] = []
    before: Piece | None = None
    for piece in pieces(text):
        found += _tokens(piece, is_last=False)
        if piece.script == "letters":
            if piece.is_joined and before is not None:
                whole += [GAP, _token(before.text + piece.text)]
                before = Piece("letters", (before.text, piece.text))
            else:
                before = piece
        else:
            before = None
        if len(found) > MAX_TOKENS:
            break
    return found[:MAX_TOKENS] + whole[:MAX_TOKENS]


def phrase_tokens(text: str) -> list[str]:
    """The tokens of a text that must follow each other; the last may be the beginning of one, if `ends_open`."""
    every = list(pieces(text))
    return [token for place, piece in enumerate(every) for token in _tokens(piece, is_last=place == len(every) - 1)]


def ends_open(text: str) -> bool:
    """Whether the last token of the phrase is one letter of a script without spaces: any token that begins with it will do."""
    every = list(pieces(text))
    return bool(every) and every[-1].script in UNSPACED and len(every[-1].units) == 1


def joined(text: str) -> str:
    """A hyphenated word as one word, or nothing: e-mail is email."""
    every = list(pieces(text))
    if (
        len(every) < 2
        or not all(piece.script == "letters" for piece in every)
        or not all(p.is_joined for p in every[1:])
    ):
        return ""
    return _token("".join(piece.text for piece in every))


def terms(text: str) -> list[str]:
    """The words of a query, each as a text of its own: hyphens and units hold together, scripts without spaces are cut."""
    found: list[str] = []
    for token in text.split():
        held: list[Piece] = []
        runs: list[Piece] = []
        for piece in pieces(token):
            if piece.script in UNSPACED:
                runs.append(piece)
                if held:
                    found.append(_written(held))
                    held = []
            else:
                held.append(piece)
        if held:
            found.append(_written(held))
        heavy = any(piece.script in ("han", "katakana") for piece in runs)
        for run in runs:
            if not (heavy and run.script == "hiragana"):  # beside these, what is written so is grammar
                found += windows(run)
    return list(dict.fromkeys(found))


def windows(piece: Piece) -> list[str]:
    """The parts of a run by which it is looked for."""
    units = piece.units
    if piece.script in ("han", "hangul"):
        size = 2
    elif len(units) <= WHOLE or piece.script == "katakana":
        size = len(units)
    else:
        size = WINDOW
    return ["".join(units[start : start + size]) for start in range(max(1, len(units) - size + 1))]


def is_unspaced(term: str) -> bool:
    return any(piece.script in UNSPACED for piece in pieces(term))


def _written(held: list[Piece]) -> str:
    return "".join(
        ("-" if piece.is_joined and place else " " if place else "") + piece.text for place, piece in enumerate(held)
    )


def _tokens(piece: Piece, *, is_last: bool) -> list[str]:
    if piece.script not in UNSPACED:
        return [_token(piece.text)]
    units = piece.units
    pairs = [_short(units[place] + units[place + 1]) for place in range(len(units) - 1)]
    # The end of a run is a token too, so that one letter is found by what begins with it.
    return pairs if is_last and pairs else [*pairs, _short(units[-1])]


@lru_cache(16384)
def _token(word: str) -> str:
    return _short(stem(word) if word.isascii() else word)


def _short(token: str) -> str:
    return token[:MAX_TOKEN]


@lru_cache(4096)
def _script(character: str) -> Script | None:
    category = unicodedata.category(character)
    if category[0] not in "LNM" or category in ("Nl", "No"):
        return "letters" if category in ("Nl", "No") else None
    if category == "Nd":
        return "digits"
    name = unicodedata.name(character, "")
    return next((script for prefix, script in _NAMES if name.startswith(prefix)), "letters")


@lru_cache(4096)
def _marked(character: str) -> str:
    """The script of a letter whose marks are an extra; empty for others, whose marks make another letter."""
    first = unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""
    return first if first in _EXTRA_MARKS else ""


def _grouped(text: str) -> str:
    """Digits that are grouped by threes without what groups them: 2,500 is 2500."""
    return _GROUPS.sub("", text)
