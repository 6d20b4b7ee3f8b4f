"""What an earlier answer of a conversation listed: its points, its files, and the alternatives of a question."""

from __future__ import annotations

import re

MAX_POINTS = 40
MAX_CHARACTERS = 20_000
_LINE = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+(.+)$", re.M)
_MARK = re.compile(r"\s*\[\d+\]")
_CITED = re.compile(r"(?<=\])\.?\s+(?=\S)")
_ENDED = re.compile(r"(?<=[.!?])\s+(?=[A-Z“])")
_QUOTE = re.compile(r"“([^”]+)”")
_PLACE = re.compile(
    r"^(?:In \S+\s*)?(?:,?\s*at \d{1,2}:\d{2}(?::\d{2})?)?\s*[:,]\s*|^At \d{1,2}:\d{2}(?::\d{2})?\s*[:,]\s*", re.I
)
_NOTHING = re.compile(r"^I (?:found nothing|could not find)\b", re.I)
_ALTERNATIVES = re.compile(
    r"(?:between|compare|contrast|either|first|earlier|later|[:,])\s+(?P<one>[^,:]+?)\s+(?:and|or|with|to|versus|vs\.?)\s+(?P<other>[^,:]+)$",
    re.I,
)


def points(answer: str) -> list[str]:
    """What the answer lists, in order, each without its place, its marks and the words around a quotation."""
    text = answer[:MAX_CHARACTERS]
    rows = _LINE.findall(text)
    if len(rows) < 2:
        rows = _CITED.split(text) if "[" in text else _ENDED.split(text)
    found = []
    for row in rows[:MAX_POINTS]:
        plain = _MARK.sub("", row).strip().rstrip(".").strip()
        quoted = _QUOTE.search(plain)
        plain = quoted.group(1) if quoted else _PLACE.sub("", plain)
        if plain and not _NOTHING.match(plain):
            found.append(plain)
    return found


def alternatives(question: str) -> list[str]:
    """The two sides of a question that weighs one thing against another, else nothing."""
    match = _ALTERNATIVES.search(question.rstrip(" ?.!"))
    return [match["one"].strip(), match["other"].strip()] if match else []
