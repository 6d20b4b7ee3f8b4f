"""The parts of an English question without a parser: how it opens, what it is about, and its noun phrases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ray_jobs.engines.embedded.extraction.numerals import Token
from services.core.words import content_words

WH_WORDS = frozenset("what which who whom whose when where why how".split())
DO_WORDS = frozenset("do does did can could will would should may might must".split())
BE_WORDS = frozenset("is are was were am be been being".split())
AUXILIARIES = DO_WORDS | BE_WORDS | frozenset("has have had".split())
PREPOSITIONS = frozenset(
    """about above after against along among around at before behind below beside between by during for from in inside
    into like near of off on onto outside over per since than through to toward towards under until upon versus via with
    within without""".split()
)
PRONOUNS = frozenset("i you he she it we they me him her us them himself itself themselves myself".split())
DETERMINERS = frozenset(
    "a an the this that these those my your his its their our some any each every no both all".split()
)
IMPERATIVES = frozenset(
    """tell give show list name describe explain summarize summarise compare contrast find count outline say identify
    mention quote recap sum discuss define state elaborate expand translate rewrite repeat""".split()
)
# Verbs that follow a subject with nothing between to show where it ends: "how does that work".
VERBS = frozenset(
    """mean means work works happen happens help helps say says said cost costs look looks take takes matter relate come
    comes go goes make makes get change changes show shows showed start starts begin begins end ends rise rises fall
    falls give gives mention mentions mentioned apply""".split()
)
# "given" of "where was the address given": what else does not end in -ed or -ing.
PARTICIPLES = frozenset(
    """given shown said made taken seen held known called written told built found done spoken kept born set put sold won
    begun broken chosen drawn driven grown hidden led left lost meant met paid read run sent spent sung taught thrown""".split()
)
_OTHER_BREAKS = frozenset(
    """and or but nor so if because while when that's only also not there here then too very just else again ever yet
    still please""".split()
)
_BREAKS = WH_WORDS | AUXILIARIES | PREPOSITIONS | PRONOUNS | _OTHER_BREAKS
_WORD = re.compile(r"\w+(?:['’.\-]\w+)*")


@dataclass(frozen=True)
class Phrase:
    """A noun phrase: an article or the like, if any, and the words up to the next preposition, verb or stop."""

    text: str
    start: int
    end: int
    preposition: str = ""  # that stands right before it

    @property
    def head(self) -> str:
        return self.text.split()[-1].lower()

    @property
    def determiner(self) -> str:
        first = self.text.split()[0].lower()
        return first if first in DETERMINERS else ""

    @property
    def is_name(self) -> bool:
        words = [word for word in self.text.split() if word.lower() not in DETERMINERS]
        return bool(words) and words[0][:1].isupper()

    @property
    def has_number(self) -> bool:
        return any(character.isdigit() for character in self.text)

    @property
    def says_something(self) -> bool:
        return bool(content_words(self.text))


def tokens_of(text: str) -> list[Token]:
    return [Token(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]


@dataclass(frozen=True)
class Question:
    """A question, read once. `text` has no mark at its end."""

    text: str

    @classmethod
    def read(cls, text: str) -> Question:
        return cls(" ".join(text.split()).rstrip(" ?.!"))

    @cached_property
    def tokens(self) -> list[Token]:
        return tokens_of(self.text)

    @cached_property
    def body(self) -> int:
        """Index of the first token behind the opening ("how many turbines does", "tell me") where there is one."""
        lowers = [token.lower for token in self.tokens]
        if not lowers:
            return 0
        if lowers[0] in WH_WORDS:
            for index, word in enumerate(lowers[1:], 1):
                if word in AUXILIARIES:
                    return index + 1
            return 1
        if lowers[0] in AUXILIARIES:
            return 1
        if lowers[0] in IMPERATIVES:
            return 2 if lowers[1:2] == ["me"] or lowers[1:2] == ["us"] else 1
        return 0

    @property
    def auxiliary(self) -> str:
        before = self.tokens[self.body - 1].lower if self.body else ""
        return before if before in AUXILIARIES else ""

    @property
    def opening(self) -> str:
        """The words that ask, without their auxiliary: "How many turbines", "Where"."""
        end = self.body - 1 if self.auxiliary else self.body
        return self.text[: self.tokens[end - 1].end] if end > 0 else ""

    @cached_property
    def phrases(self) -> list[Phrase]:
        """Noun phrases behind the opening, in order; failing that, those of the opening."""
        found = self._phrases(self.tokens[self.body :])
        if self.body == 1 and not self.auxiliary and len(found) > 1 and not found[0].determiner:
            found = found[1:]  # "which project presents the film": a noun and its verb, which no article tells apart
        if not found or (found[0].preposition and self._asks_for_a_thing):
            opening = [token for token in self.tokens[1 : self.body] if token.lower not in ("many", "much", "me", "us")]
            found = self._phrases(opening) + found
        return found

    @property
    def _asks_for_a_thing(self) -> bool:
        """ "Which spacecraft is", "how many tokens are": the opening names what is asked about."""
        words = self.opening.lower().split()
        return len(words) > 1 and (words[0] in ("which", "what", "whose") or words[1] in ("many", "much"))

    @property
    def subject(self) -> Phrase | None:
        """The first phrase that says something."""
        return next((phrase for phrase in self.phrases if phrase.says_something), None)

    @property
    def topic(self) -> str:
        """What the question is about: its subject with what is said of its place, time or kind."""
        subject = self.subject
        if subject is None:
            return ""
        parts = [subject.text]
        for phrase in self.phrases[self.phrases.index(subject) + 1 :]:
            if phrase.preposition and phrase.says_something:
                parts.append(f"{phrase.preposition} {phrase.text}")
        return " ".join(parts)

    def _phrases(self, tokens: Sequence[Token]) -> list[Phrase]:
        phrases: list[Phrase] = []
        words: list[Token] = []
        preposition = ""

        def close(stop: str) -> None:
            nonlocal words, preposition
            kept = self._without_verb(words, is_subject=not phrases and not preposition, stop=stop)
            if any(word.lower not in DETERMINERS for word in kept):
                start, end = kept[0].start, kept[-1].end
                phrases.append(Phrase(self.text[start:end], start, end, preposition))
            if words:
                preposition = ""
            words = []

        for index, token in enumerate(tokens):
            gap = self.text[tokens[index - 1].end : token.start] if index else ""
            # "the Bay of Fundy" is one name.
            if token.lower == "of" and words and words[-1].text[:1].isupper() and _is_capital(tokens, index + 1):
                words.append(token)
                continue
            relative = token.lower == "that" and bool(words)
            if token.lower in _BREAKS or (token.lower in DETERMINERS and words) or gap.strip(" '“\"’"):
                close(token.lower)
            if token.lower in _BREAKS or relative:
                preposition = token.text if token.lower in PREPOSITIONS else ""
            else:
                words.append(token)
        close("")
        return phrases

    def _without_verb(self, words: list[Token], *, is_subject: bool, stop: str) -> list[Token]:
        """Drops what is no noun: the verb behind a subject ("the tide rise"), a participle, a verb that stands alone."""
        if not words:
            return words
        core = [word for word in words if word.lower not in DETERMINERS]
        last = words[-1]
        place = self.tokens.index(words[0])
        before = self.tokens[place - 1].lower if place else ""
        participle = last.lower in PARTICIPLES or last.lower.endswith(("ed", "ing"))
        if len(words) == 1 and not last.text[:1].isupper():
            if before in PRONOUNS | WH_WORDS | {"to", "that"} or last.lower in VERBS | PARTICIPLES:
                return []
            if participle and (self.auxiliary or before in ("", ",")):
                return []
        ends = last.end == len(self.text)
        if self.auxiliary in DO_WORDS and len(core) > 1 and stop not in AUXILIARIES:
            if (is_subject and (self.opening or stop in DETERMINERS)) or (ends and last.lower in VERBS):
                return words[:-1]
        if self.auxiliary in BE_WORDS | {"has", "have", "had"} and ends and participle:
            return words[:-1]
        return words


def _is_capital(tokens: Sequence[Token], index: int) -> bool:
    return index < len(tokens) and tokens[index].text[:1].isupper()
