"""Names in text: people who are introduced, countries, organisations, and other places."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CAP = r"(?:[A-ZÀ-ÖØ-Þ][^\W\d_]*[a-zß-öø-ÿ][^\W\d_]*(?:[-'’][A-Z][^\W\d_]*)?|[A-Z]['’][A-Z][^\W\d_]+|[A-Z]\.)"
_NAME = rf"{_CAP}(?:[ ]{_CAP}){{0,3}}"
_WORD = r"[^\W\d_]+(?:[-'’][^\W\d_]+)*"
_TITLE = r"(?:dr|prof|doctor|professor|mr|mrs|ms|sir|dame)\.?"

# How a person is introduced, and what the introduction says that they are.
_CUES: tuple[tuple[str, frozenset[str]], ...] = (
    (r"my name is", frozenset({"speaker", "presenter", "host"})),
    (r"my name's", frozenset({"speaker", "presenter", "host"})),
    (r"(?:presented|given) by", frozenset({"speaker", "presenter"})),
    (r"hosted by|your host,?|your host is", frozenset({"host", "presenter", "speaker"})),
    (r"written by|authored by", frozenset({"author", "writer"})),
    (r"directed by", frozenset({"director"})),
    (r"produced by", frozenset({"producer"})),
    (r"narrated by", frozenset({"narrator", "speaker"})),
    (r"interviewed by", frozenset({"interviewer"})),
    (r"interview with", frozenset({"interviewee", "guest", "speaker"})),
    (r"(?:please )?welcome (?:our guest,? |to the stage,? )?|joined by|our guest is", frozenset({"guest", "speaker"})),
)
# Where text has capitals these introduce too; without capitals they would take any words for a name.
_CASED_CUES = ((r"I am|I'm|I’m|[Tt]his is|[Hh]ere is", frozenset({"speaker", "presenter", "host"})),)
_POSITIONS = re.compile(
    r"\b(?:CEO|CTO|CFO|COO|PhD|Ph\.D|chief|director|professor|engineer|manager|president|founder|scientist|editor|"
    r"researcher|lecturer|teacher|head of|analyst|architect|author|journalist|university|institute|officer|minister|"
    r"chair(?:man|woman)?|coach|lead|designer|developer|physicist|chemist|biologist|historian|astronaut)\b",
    re.I,
)
_STOPS = set(
    "a an and are as at but by for from had has have he her his i i'm in is it of on or she so that the their then they "
    "this to today was we welcome were what when where who will with you your not also very just here there my our".split()
)
_PERSON_LINE = re.compile(rf"(?:{_TITLE}[ ])?{_CAP}(?:[ ]{_CAP}){{1,3}}", re.I)
_TITLED = re.compile(rf"\b(?:Dr|Prof|Mr|Mrs|Ms|Doctor|Professor)\b\.?[ ]+({_NAME})")
_ORGANISATION = re.compile(
    rf"(?:{_CAP}[ ]){{0,4}}(?:University|Institute|College|Foundation|Laboratory|Corporation|Agency|Museum|Academy|Ministry)"
    rf"(?:[ ]of(?:[ ]the)?[ ]{_CAP}(?:[ ]{_CAP})?)?|{_CAP}(?:[ ]{_CAP}){{0,3}},?[ ](?:Inc|Ltd|LLC|GmbH|Corp|PLC)\b\.?"
)
COUNTRIES = tuple(
    "Afghanistan|Albania|Algeria|Andorra|Angola|Argentina|Armenia|Australia|Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh|"
    "Barbados|Belarus|Belgium|Belize|Benin|Bhutan|Bolivia|Bosnia and Herzegovina|Botswana|Brazil|Brunei|Bulgaria|"
    "Burkina Faso|Burundi|Cambodia|Cameroon|Canada|Cape Verde|Chad|Chile|China|Colombia|Costa Rica|Croatia|Cuba|Cyprus|"
    "Czech Republic|Czechia|Denmark|Djibouti|Dominican Republic|Ecuador|Egypt|El Salvador|Eritrea|Estonia|Ethiopia|Fiji|"
    "Finland|France|Gabon|Gambia|Georgia|Germany|Ghana|Greece|Guatemala|Guinea|Guyana|Haiti|Honduras|Hungary|Iceland|"
    "India|Indonesia|Iran|Iraq|Ireland|Israel|Italy|Jamaica|Japan|Jordan|Kazakhstan|Kenya|Kuwait|Kyrgyzstan|Laos|Latvia|"
    "Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|"
    "Mauritania|Mauritius|Mexico|Moldova|Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|Namibia|Nepal|Netherlands|"
    "New Zealand|Nicaragua|Niger|Nigeria|North Korea|North Macedonia|Norway|Oman|Pakistan|Panama|Papua New Guinea|"
    "Paraguay|Peru|Philippines|Poland|Portugal|Qatar|Romania|Russia|Rwanda|Samoa|San Marino|Saudi Arabia|Senegal|Serbia|"
    "Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Somalia|South Africa|South Korea|South Sudan|Spain|Sri Lanka|"
    "Sudan|Suriname|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Togo|Tonga|Trinidad and Tobago|Tunisia|"
    "Turkey|Turkmenistan|Uganda|Ukraine|United Arab Emirates|United Kingdom|United States|Uruguay|Uzbekistan|Venezuela|"
    "Vietnam|Yemen|Zambia|Zimbabwe".split("|")
)
_NEEDS_CAPITALS = {"Chad", "Georgia", "Guinea", "Jordan", "Mali", "Niger", "Togo", "Turkey", "Oman"}
_COUNTRY = re.compile(rf"\b(?:{'|'.join(sorted(COUNTRIES, key=len, reverse=True))})\b", re.I)
_AS_WRITTEN = {name.lower(): name for name in COUNTRIES}
_PLACE = re.compile(rf"\b(?:in|at|near|from)[ ](?:the[ ])?({_NAME})")
_NO_PLACE = re.compile(
    r"^(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday|I|The|This|That|It|We|You|He|She|They)\b"
)


@dataclass(frozen=True)
class Name:
    """`roles` is what the introduction says of a person; `position` what stands beside the name."""

    text: str
    roles: frozenset[str] = frozenset()
    position: str = ""


def people(line: str, following: str = "") -> list[Name]:
    """People introduced in a line; `following` is the next line of the same text on the screen, else empty."""
    found = [
        *_introduced(line),
        *(Name(match[1].rstrip(" .")) for match in _TITLED.finditer(line)),
    ]
    caption = _captioned(line, following)
    if caption is not None:
        found.insert(0, caption)
    unique: dict[str, Name] = {}
    for name in found:
        if len(name.text) > 1:
            unique.setdefault(name.text.lower(), name)
    # "Ann" is the Ann Smith of the same line.
    return [
        name for key, name in unique.items() if not any(other != key and f" {key} " in f" {other} " for other in unique)
    ]


def countries(line: str) -> list[str]:
    found = []
    for match in _COUNTRY.finditer(line):
        name = _AS_WRITTEN[match[0].lower()]
        if name not in _NEEDS_CAPITALS or match[0] == name:
            found.append(name)
    return found


def organisations(line: str) -> list[str]:
    return [match[0].strip(" ,") for match in _ORGANISATION.finditer(line)]


def places(line: str) -> list[str]:
    """Names that a preposition of place stands before, and countries."""
    named = [match[1] for match in _PLACE.finditer(line) if not _NO_PLACE.match(match[1])]
    return list(dict.fromkeys([*named, *countries(line)]))


def _introduced(line: str) -> list[Name]:
    found = []
    has_capitals = any(word[:1].isupper() for word in line.split()[1:] if word not in ("I", "I'm", "I’m"))
    for cues, is_cased in ((_CUES, has_capitals), (_CASED_CUES, True)):
        if cues is _CASED_CUES and not has_capitals:
            continue
        for cue, roles in cues:
            flags = 0 if cues is _CASED_CUES else re.I
            for match in re.finditer(rf"(?<!\w)(?:{cue})[ ]*(?:(?i:{_TITLE})[ ]+)?", line, flags):
                name = _name_at(line[match.end() :], is_cased)
                if name:
                    found.append(Name(name, roles))
    if not has_capitals:
        for match in re.finditer(r"\bi(?: a|'|’)m (?:doctor|professor) ", line, re.I):
            if name := _name_at(line[match.end() :], False):
                found.append(Name(name, frozenset({"speaker", "presenter", "host"})))
    return found


def _name_at(text: str, is_cased: bool) -> str:
    """The name at the start of a text. Where the text has no capitals: its first words, capitalised."""
    if is_cased:
        match = re.match(_NAME, text)
        return match[0].rstrip(".") if match and match[0].lower() not in _STOPS else ""
    words: list[str] = []
    for match in re.finditer(rf"({_WORD})(\W*)", text):
        if match[1].lower() in _STOPS or len(words) == 3:
            break
        words.append(match[1])
        if match[2].strip():
            break
    return " ".join(word.capitalize() for word in words)


def _captioned(line: str, following: str) -> Name | None:
    """Jane Doe, Chief Engineer; or the two on lines of their own."""
    head, comma, rest = line.partition(",")
    position = rest.strip() if comma else following.strip()
    head = re.sub(rf"^{_TITLE}[ ]+", "", head.strip(), flags=re.I)
    if not re.fullmatch(rf"{_CAP}(?:[ ]{_CAP}){{1,3}}", head) or len(position) > 80 or _POSITIONS.search(head):
        return None
    return Name(head, position=position) if _POSITIONS.search(position) else None
