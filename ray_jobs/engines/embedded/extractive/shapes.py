"""What kind of answer a question about several videos wants, and what to look for to give it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from services.core.questions import file_names, is_broad
from services.core.words import content_words

Kind = Literal["fact", "which", "each", "common", "order", "compare"]
MAX_SIDES = 6

_VIDEOS = r"(?:videos?|clips?|files?|recordings?|lectures?|talks?|films?|movies?|sources?)"
_WHICH = re.compile(
    rf"^(?:(?:in|from|on) )?(?:which|what|how many)(?: of)?(?: all)?(?: the| these| those| my| our)? {_VIDEOS}\b(?P<rest>.*)$|"
    rf"^(?:list|name|find|show(?: me)?|give(?: me)?)(?: all| every| each)?(?: of)?(?: the| my)? {_VIDEOS}"
    r" (?:that|which|where|about|with|in which|of)\b(?P<found>.*)$|"
    rf"^(?:do|does|is|are) (?:any|some)(?: of)?(?: the| these| my)? {_VIDEOS}\b(?P<any>.*)$",
    re.I,
)
_EACH = re.compile(
    rf",?\s*\b(?:(?:for|in|of|from|by) )?(?:each|every)(?: one)?(?: of the| of these)? {_VIDEOS}\b,?|"
    r"\bper video\b|\bvideo by video\b",
    re.I,
)
_COMMON = re.compile(
    r"\b(?:in common|common (?:themes?|topics?|threads?|subjects?|ground|words?)|shared?|similarit(?:y|ies)|"
    r"similar|alike|overlap)\b",
    re.I,
)
_ORDER = re.compile(
    r"\b(?:(?:came|comes|was|is|happened|happens|appears?|opened|given|shown) "
    r"(?:first|last|earlier|later|before|after|older|newer)|"
    r"earlier|chronolog\w+|timeline|older|newer|in (?:the |what |which )?order|before or after)\b",
    re.I,
)
_COMPARE = re.compile(r"\b(?:compare[ds]?|contrast\w*|differences?|differs?|versus|vs|compared|both)\b", re.I)
_BETWEEN = re.compile(
    r"^.*?\b(?:compare|contrast|between|do|does|did|are|is|first|earlier|older|newer|order|[:,])\s+(?P<sides>\S.*)$",
    re.I,
)
_PUT = re.compile(r"^(?:please )?(?:put|place|sort|order|arrange)\s+(?P<sides>\S.*?)\s+(?:in|by)\s", re.I)
_LIST = re.compile(r"[:,]\s+(?P<sides>[^:]+)$")
_SAID = re.compile(r"^(?:is|are|was|were)\s+(?:said|shown|told|mentioned)\s+(?:about|of|on|in)\s+", re.I)
_NO_SUBJECT = frozenset(
    "two three four themes theme topics topic common compare differences difference similar one other".split()
)
_STRONG = re.compile(r"\s+(?:with|versus|vs\.?|against|or|(?:differ )?from)\s+", re.I)
_WEAK = re.compile(r",\s*(?:and |or )?|\s+and\s+", re.I)
_AROUND = re.compile(
    r"^(?:both|either|how|what|of|the (?:differences?|contrast) between|the topics of)\s+|"
    r"\s+(?:have|has|having|share|differ|compare|say|both|show|similar|alike|in common|chronologically)\b.*$|"
    r"\s+(?:differ|came first|comes first|opened|given|in order(?: of time)?)$",
    re.I,
)
_VERB_BEFORE = re.compile(
    r"^(?:(?:are|is|was|do|does|did|can|could|i|you|we|one|mentions?|shows?|talks?|speaks?|deals?|contains?|have|has|about|of|"
    r"with|words?|sees?|finds?|hears?|discuss(?:es)?|covers?|names?|refers?|to|says?|said|something|anything|explains?|describes?|"
    r"presents?|there|that|which|where|who|someone|text|the (?=words?\b|text\b))\s+)+",
    re.I,
)
# What a question says little by, and the name of a file much: "the lecture".
_KIND_OF_VIDEO = re.compile(r"\b(?:lecture|talk|show)\b", re.I)
_ASKING = re.compile(r"^(?:(?:please|list|name|tell|give|show|me|us|what|find)\s+)+", re.I)
_VERB_AFTER = re.compile(
    r"(?:\s+(?:is|are|was|shown|mentioned|discussed|said|explained|described|appears?|seen|heard|"
    r"presented|visible|on (?:the )?screen|about))+$",
    re.I,
)


@dataclass(frozen=True)
class Shape:
    """`parts` are searched each by itself: the sides of a comparison, else what is looked for."""

    kind: Kind
    parts: tuple[str, ...]
    is_overview: bool = False  # asks for the whole of the videos, and not for a thing in them

    @property
    def has_sides(self) -> bool:
        return len(self.parts) > 1

    @property
    def per_file(self) -> bool:
        """Whether every video has to be asked: what is named by its sides is found by them."""
        return self.kind != "fact" and not self.has_sides


def shape_of(question: str) -> Shape:
    """Deterministic, by words alone. A `fact` has the question itself for its part."""
    text = " ".join(question.split()).rstrip(" ?.!")
    which = _WHICH.match(text)
    if which and not (_ORDER.search(text) or _COMMON.search(text)):
        return Shape("which", (_looked_for(next(group for group in which.groups() if group is not None)) or text,))
    if _COMMON.search(text):
        return _weighed("common", text)
    if _ORDER.search(text) and (sides := _sides(text)):
        return Shape("order", sides)
    if _COMPARE.search(text):
        return _weighed("compare", text)
    if each := _EACH.search(text):
        rest = " ".join(f"{text[: each.start()]} {text[each.end() :]}".strip(" ,").split())
        if is_broad(rest) or not content_words(rest):
            return Shape("each", ("Summarize the videos",), is_overview=True)
        return Shape("each", (_looked_for(_ASKING.sub("", rest)) or rest,))
    return Shape("fact", (text,))


def _weighed(kind: Kind, text: str) -> Shape:
    """Sides where they are named, else what all the videos that are meant have to do with, else all of them."""
    if sides := _sides(text):
        return Shape(kind, sides)
    match = _BETWEEN.match(text)
    subject = _side(match["sides"]) if match else ""
    if set(content_words(subject)) - _NO_SUBJECT:
        return Shape(kind, (subject,))
    return Shape(kind, (text,), is_overview=True)


def _looked_for(rest: str) -> str:
    return _VERB_AFTER.sub("", _VERB_BEFORE.sub("", rest.strip(" ,:"))).strip()


def _sides(text: str) -> tuple[str, ...]:
    """The things that are weighed against each other; empty where they are not named, or but one."""
    if len(named := file_names(text)) > 1:
        return tuple(named[:MAX_SIDES])
    match = _PUT.match(text) or (_LIST.search(text) if _ORDER.search(text) else None) or _BETWEEN.match(text)
    if match is None:
        return ()
    sides = match["sides"]
    pieces = _STRONG.split(sides, maxsplit=1) if _STRONG.search(sides) else _WEAK.split(sides)
    if len(pieces) == 1 and re.search(r"\bto\b", sides):
        pieces = re.split(r"\s+to\s+", sides, maxsplit=1)
    plain = [_side(piece) for piece in pieces]
    named = [piece for piece in plain if content_words(piece) or _KIND_OF_VIDEO.search(piece)]
    return tuple(dict.fromkeys(named))[:MAX_SIDES] if len(named) > 1 else ()


def _side(piece: str) -> str:
    return _SAID.sub("", _AROUND.sub("", _AROUND.sub("", piece.strip()))).strip(" ,")
