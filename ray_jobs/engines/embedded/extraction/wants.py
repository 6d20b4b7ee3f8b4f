"""What a property of a schema asks for, read from its name, description, type and format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ray_jobs.engines.embedded.extraction.numerals import CURRENCY_WORDS, UNITS
from services.core.entities.schemas import Place
from services.core.words import STOP_WORDS, stem

Aim = Literal[
    "date",
    "date-time",
    "time",
    "email",
    "uri",
    "phone",
    "person",
    "position",
    "country",
    "organisation",
    "place",
    "topic",
    "title",
    "quote",
    "money",
    "percent",
    "unit",
    "year",
    "count",
    "number",
    "label",
    "choice",
    "form",
]

_MONEY = set("price cost amount money budget fee revenue salary payment dollar euro pound spend income".split())
_COUNT = set("count number num total quantity how many".split())
_NUMBER = set("number figure value quantity measurement statistic measure metric".split())
_EMPTY = STOP_WORDS | set(
    "mentioned key main important found listed given specific relevant whole full exact called value values text string "
    "field name names extracted item items".split()
)
# Words of a name that tell the aim of a text, first match first.
_TEXTS: tuple[tuple[Aim, str], ...] = (
    ("email", "email mail"),
    ("uri", "url uri link website site homepage webpage"),
    ("phone", "phone telephone"),
    ("position", "role position job occupation profession"),
    (
        "person",
        "person people speaker presenter author writer host guest participant attendee instructor teacher lecturer "
        "director producer narrator interviewee interviewer",
    ),
    ("country", "country"),
    ("organisation", "company organization organisation institution university employer affiliation"),
    ("place", "place location where venue"),
    ("date", "date deadline birthday"),
    ("topic", "topic theme keyword phrase subject tag concept"),
    ("title", "title headline heading"),
    ("quote", "summary quote quotation takeaway gist highlight statement sentence"),
    ("money", " ".join(_MONEY)),
    ("number", "number figure measurement statistic metric"),
)
_READ = ("date", "date-time", "time", "email", "uri", "phone")  # formats that text has in more than one form
_CUES: dict[Aim, frozenset[str]] = {aim: frozenset(stem(cue) for cue in cues.split()) for aim, cues in _TEXTS}
_CUES["date"] |= {stem(word) for word in ("time", "timestamp", "day", "when")}
_CUES["date-time"] = _CUES["time"] = _CUES["date"]
_CUES["money"] |= {stem(word) for word in CURRENCY_WORDS}
_CUES["year"] = frozenset({stem("year")})
_CUES["form"] = frozenset(stem(word) for word in "id identifier uuid ip address host hostname duration".split())
_CUES["count"] = frozenset(stem(word) for word in _COUNT | _NUMBER)
SPECIFIC_ROLES = frozenset(
    "presenter author writer host guest director producer narrator interviewee interviewer".split()
)
_PRESENCE = set(
    "is are was were has have had does do mentions mention mentioned contains contain includes include shows show "
    "features feature discusses discuss covers cover talks talk about any there whether if true false uses use".split()
)
_MENTIONING = set("mentions mention mentioned discusses discuss covers cover talks".split())


@dataclass(frozen=True)
class Want:
    """`near` are the stems that must stand near a value; `words` all stems of the name."""

    aim: Aim
    words: frozenset[str]
    near: tuple[str, ...]
    unit: str = ""

    def accepts(self, around: set[str] | frozenset[str]) -> bool:
        """Whether at least half of the words are there."""
        return 2 * sum(word in around for word in self.near) >= len(self.near)

    def closeness(self, around: set[str] | frozenset[str]) -> int:
        return sum(word in around for word in self.near)


@dataclass(frozen=True)
class Presence:
    """The words of a boolean's name; a negated mention of them counts where the name is of mentioning."""

    near: tuple[str, ...]
    counts_negated: bool


def words_of(name: str) -> list[str]:
    """ticketPrice, ticket_price and TICKET-PRICE are ticket and price."""
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=[a-zß-ÿ])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.findall(r"[^\W_]+", spaced.replace("e-mail", "email"))]


def want(name: str, place: Place) -> Want:
    """What a leaf asks for. A name that says nothing leaves it to the description."""
    words = words_of(name)
    stems = frozenset(stem(word) for word in words)
    if place.choices:
        return Want("choice", stems, ())
    if place.kind in ("integer", "number"):
        return _number_want(words, stems, place)
    if place.format:
        given: Aim = place.format if place.format in _READ else "form"  # type: ignore[assignment]
        return Want(given, stems, _near(words, given, place))
    for aim, _ in _TEXTS:
        if stems & _CUES[aim]:
            return Want(aim, stems, _near(words, aim, place))
    if set(words) <= {"name", "names", "full"} and words:
        return Want("person", stems, ())
    return Want("label", stems, _near(words, "label", place))


def presence(name: str, place: Place) -> tuple[Presence, ...]:
    """What to look for, the name's words first and then the description's."""
    found = []
    for words in (words_of(name), words_of(place.description)):
        near = tuple(dict.fromkeys(stem(word) for word in words if word not in _PRESENCE | STOP_WORDS))
        if near:
            found.append(Presence(near, bool(set(words) & _MENTIONING)))
    return tuple(found)


def _number_want(words: list[str], stems: frozenset[str], place: Place) -> Want:
    is_counted = bool({"count", "number", "num"} & set(words))
    if stems & _CUES["money"] and not is_counted:
        return Want("money", stems, _near(words, "money", place))
    if "year" in words or ("years" in words and not _near(words, "year", place)):
        return Want("year", stems, _near(words, "year", place))
    for word in words if not is_counted else ():
        # One letter is a unit at the end of a name alone: height_m.
        if word in UNITS and (len(word) > 1 or word == words[-1]):
            unit = UNITS[word]
            near = tuple(item for item in _near(words, "unit", place) if item != stem(word))
            return Want("percent" if unit == "percent" else "unit", stems, near, unit)
    near = _near(words, "count", place)
    return Want("count" if near else "number", stems, near)


def _near(words: list[str], aim: Aim, place: Place) -> tuple[str, ...]:
    """Words that say more than the aim does; of the description where the name has none and the aim says too little."""
    own = _CUES.get(aim, frozenset())

    def telling(some: list[str]) -> tuple[str, ...]:
        stems = (stem(word) for word in some if word not in _EMPTY and len(word) > 1 and not word.isdigit())
        return tuple(dict.fromkeys(word for word in stems if word not in own))

    near = telling(words)
    if not near and aim in ("label", "count", "number"):
        near = telling([word for word in words_of(place.description) if word not in _PRESENCE])
    return near
