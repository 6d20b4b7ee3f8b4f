"""What the words of a follow-up point at: a pronoun with nothing to stand for, a place in a list, a file named before."""

from __future__ import annotations

import re

from ray_jobs.engines.embedded.extractive import earlier_answer
from ray_jobs.engines.embedded.extractive.phrases import (
    AUXILIARIES,
    IMPERATIVES,
    PREPOSITIONS,
    PRONOUNS,
    VERBS,
    Question,
    Token,
)
from ray_jobs.engines.embedded.titles import shortened
from services.core.questions import file_names
from services.core.words import STOP_WORDS

MAX_POINT_CHARACTERS = 90

_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
_ORDINALS |= {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6, "7th": 7, "8th": 8}
_ORDINALS |= {"last": -1, "final": -1, "former": 1, "latter": -1}
_WORDS = "|".join(_ORDINALS)
_THING = r"(?:ones?|points?|items?|bullets?|things?|options?|answers?|results?|entr(?:y|ies)|sentences?)"
_FILE = r"(?:videos?|clips?|files?|recordings?|films?|movies?|sources?)"
_ORDINAL = re.compile(
    rf"\b(?:the\s+)?(?:(?P<word>{_WORDS})(?:\s+(?P<thing>{_THING}))?(?:\s+(?:of (?:them|these|those|the list)|on the list))?"
    r"|(?:point|number|item|bullet|#)\s*(?P<digits>\d{1,2}))(?![\w-])",
    re.I,
)
_ORDINAL_FILE = re.compile(rf"\bthe (?P<word>{_WORDS}) {_FILE}\b", re.I)
_OTHER_FILE = re.compile(rf"\b(?:(?:in|from|of|by)\s+)?(?:(?:the|any)\s+others?|another)\s+{_FILE}\b", re.I)
_THAT_FILE = re.compile(rf"\b(?:that|the same) {_FILE}\b", re.I)
_EXPLETIVE = re.compile(
    r"\bit\s+(?:between|to|possible|true|that|when|if|necessary|takes?)\b|\b(?:time|day|date) is it\b", re.I
)
_REPORTS = re.compile(
    r"\b(?:he|she|they)\s+(?:ever\s+)?(?:say|said|talk|mention|show|explain|describe|discuss)\w*\b", re.I
)
SPEAKS = re.compile(r"\b(?:said|says?|saying|told|spoke|claim(?:s|ed)?)\b", re.I)
_PERSONAL = frozenset("it its they them their he she him her his itself themselves".split())
_POSSESSIVE = frozenset("its their his her".split())
_DEMONSTRATIVE = frozenset("that this these those".split())
# Words that ask for something without saying what: a question of these alone leans on its history.
_EMPTY = (
    STOP_WORDS
    | IMPERATIVES
    | frozenset(
        """again already answer details detail else elaborate example examples exactly first further go going happen happened
    happens keep kind last long longer make mean means meant much next number okay ok one ones part place please point
    points put reason really result sort sure thing things true work works continue deeper way ways bit little lot
    another come comes write time case""".split()
    )
)


def content(text: str) -> list[str]:
    """Words that say what a question is about, in lower case."""
    return [word for word in re.findall(r"[\w']+", text.lower()) if word not in _EMPTY]


# A place in a list


def pointed_at(asked: Question, previous: Question, answer: str, *, opens: bool) -> tuple[str, str] | None:
    """ "the second one": (what it means, the question with that in its place), from the last answer's points or the two
    sides that the last question weighed. `opens`: the question begins as a follow-up, so that a bare ordinal counts."""
    match = _ORDINAL.search(asked.text)
    if match is None:
        return None
    word = (match["word"] or "").lower()
    either = word in ("former", "latter")
    following = asked.text[match.end() :].split()
    bare = not match["thing"] and not match["digits"] and not either
    if (
        bare
        and following
        and following[0].lower() not in {"mean", "about", "say", "in", "is", "was"}
        and not (opens and match.start() == 0)
    ):
        return None
    if bare and not following and not opens and match.start() > 0 and asked.tokens[0].lower not in IMPERATIVES:
        return None
    place = int(match["digits"]) if match["digits"] else _ORDINALS[word]
    sides = earlier_answer.alternatives(previous.text)
    points = earlier_answer.points(answer)
    if sides and (either or len(points) < max(2, abs(place))):
        points = sides
    if not points or not 1 <= abs(place) <= len(points):
        return None
    meant = points[place - 1 if place > 0 else place]
    if points is not sides:
        meant = f"“{shortened(meant, MAX_POINT_CHARACTERS)}”"
    return meant, asked.text[: match.start()] + meant + asked.text[match.end() :]


# A file


def named_file(core: str, previous: Question, answer: str, *, fragment: bool) -> str | None:
    """ "in the other video", "in that clip": by the names of files that the last answer gives."""
    files = file_names(answer)
    ordinal = _ORDINAL_FILE.search(core)
    if place := _OTHER_FILE.search(core):
        if len(files) == 2:
            name = f"in {files[1]}"
        else:
            name = f"in a video other than {files[0]}" if files else "in another video"
    elif files and (place := _THAT_FILE.search(core)):
        name = files[0]
    elif ordinal and len(files) > 1 and abs(_ORDINALS[ordinal["word"].lower()]) <= len(files):
        place, at = ordinal, _ORDINALS[ordinal["word"].lower()]
        name = files[at - 1 if at > 0 else at]
    else:
        return None
    rest = Question.read(f"{core[: place.start()]} {core[place.end() :]}")
    if fragment or (not content(rest.text) and any(token.lower in PRONOUNS for token in rest.tokens)):
        return f"{previous.text}, {name if name.startswith('in ') else f'in {name}'}"
    return f"{core[: place.start()].rstrip()} {name}{core[place.end() :]}"


# Pronouns


def unbound(asked: Question) -> Token | None:
    """The first pronoun for which nothing before it in the question can stand."""
    text = asked.text
    reports = _REPORTS.search(text)
    start = asked.tokens[min(asked.body, len(asked.tokens) - 1)].start
    named = [phrase for phrase in asked.phrases if phrase.start >= start and phrase.says_something]
    for index, token in enumerate(asked.tokens):
        word = token.lower
        if any(phrase.end <= token.start for phrase in named):
            return None
        before = asked.tokens[index - 1].lower if index else ""
        after = asked.tokens[index + 1].lower if index + 1 < len(asked.tokens) else ""
        if word in _PERSONAL:
            expletive = word == "it" and _EXPLETIVE.search(text)
            someone = reports and reports.start() == token.start and content(text)
            if not expletive and not someone:
                return token
        elif word in _DEMONSTRATIVE and _stands_alone(word, before, after, text):
            return token
        elif word == "there" and index and not {before, after} & AUXILIARIES:
            return token
    return None


def _stands_alone(word: str, before: str, after: str, text: str) -> bool:
    """Whether a demonstrative is a pronoun ("who said that") and neither article ("that tide") nor joint ("true that")."""
    if after and after not in AUXILIARIES | PREPOSITIONS | PRONOUNS | VERBS | {
        "and",
        "or",
        "so",
        "again",
        "too",
        "said",
        "shown",
    }:
        return False
    verb_before = AUXILIARIES | PREPOSITIONS | VERBS | IMPERATIVES | {"", "and", "said", "says", "all", "causes", "is"}
    if after and before not in verb_before:
        return False
    return not (word == "this" and before in AUXILIARIES and not SPEAKS.search(text) and not after)  # "what is this?"


def put_in(text: str, pronoun: Token, previous: Question) -> str:
    """The question with the topic of the last one in the place of the pronoun."""
    topic = previous.topic
    before, after = text[: pronoun.start], text[pronoun.end :]
    following = after.split()[:1]
    if pronoun.lower in _POSSESSIVE and following and following[0].lower() not in PREPOSITIONS:
        owner = previous.subject.text if previous.subject else topic
        return f"{before}{owner}{'’' if owner.endswith('s') else '’s'}{after}"
    if pronoun.lower == "there":
        places = [phrase for phrase in previous.phrases if phrase.preposition.lower() in ("in", "at", "on", "near")]
        where = f"{places[-1].preposition} {places[-1].text}" if places else f"about {topic}"
        return f"{before}{where}{after}"
    if not before.strip() and not after.strip():
        return f"Tell me more about {topic}"
    return f"{before}{topic}{after}"
