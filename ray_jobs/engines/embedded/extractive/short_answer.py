"""The answer in a word or two, where the form of the question asks for one that a passage can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ray_jobs.engines.embedded.extractive.facts import Fact, Kind, facts, measure, measures_else
from ray_jobs.engines.embedded.extractive.forms import asks_for_mention, wanted_measure
from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.languages import holds, language_of
from ray_jobs.engines.embedded.extractive.question import Form, Question
from ray_jobs.engines.embedded.extractive.sentences import content_terms, sentences, telling
from ray_jobs.engines.embedded.extractive.somebody import is_somebody
from services.core.search.tokens import folded, is_unspaced
from services.core.words import STOP_WORDS, Held, content_words

WANTED: dict[Form, Kind] = {"number": "number", "who": "name", "when": "date", "where": "place"}
AFFIRMING_SHARE = 0.6  # of the words of a question that a sentence which affirms or denies it holds
MAX_NAMES = 4  # of a passage that are tried for one of somebody
MAX_LABELLED = 60  # characters of a line such as "Mon: 55" that is an answer as it is

_LABELLED = re.compile(r"(?P<label>[^:：\d]{1,40}?)\s*[:：]\s*\S")
_ASKING_END = re.compile(r"(?:でしょうか|ですか|ますか|吗|嗎|呢|か)?[？?\s]*$")


def short_answer(question: Question, passage_text: str, *, is_judged: bool = True) -> str:
    """The number, name, date or place as it stands in the passage, yes or no in the question's language, or "" where the
    form asks for none of these or the passage has none.

    is_judged: whether a name has to be somebody's, which takes some 20 ms for each that is tried, at most MAX_NAMES.
    """
    if question.form == "yes_no":
        return _yes_or_no(question, passage_text)
    kind = WANTED.get(question.form)
    if kind is None:
        return ""
    wanted = content_terms(question.text)
    asked = folded(question.text)
    wanted_by = wanted_measure(question.text) if kind == "number" else ""
    found: list[tuple[tuple[bool, bool, float, bool, float], str, Fact]] = []
    labelled_lines: dict[bool, list[str]] = {True: [], False: []}  # at a label that is asked for, and at others
    for sentence in sentences(passage_text):
        labelled = _LABELLED.match(sentence) if len(sentence) <= MAX_LABELLED else None
        named = labelled is not None and is_named(labelled["label"], wanted)
        if labelled:
            labelled_lines[named].append(sentence)
        share = Held(sentence).share(wanted)
        for fact in facts(sentence):
            if fact.kind == kind and folded(fact.text) not in asked and not measures_else(fact.text, wanted_by):
                text = sentence if labelled else _counted(sentence, fact, wanted)
                is_measured = bool(wanted_by) and measure(fact.text) == wanted_by
                found.append(
                    ((named, is_measured, share, fact.is_sure, -_distance(sentence, fact, wanted)), text, fact)
                )
    if len(labelled_lines[False]) > 1 and not labelled_lines[True]:
        return ""  # a chart or a table none of whose labels is asked for
    if labelled_lines[True]:  # what stands at another label answers something else
        found = [item for item in found if item[1] not in labelled_lines[False]]
    found.sort(key=lambda item: item[0], reverse=True)
    if kind == "name" and is_judged:
        return next((text for _, text, fact in found[:MAX_NAMES] if is_somebody(fact.text)), "")
    return found[0][1] if found else ""


def names_somebody(text: str) -> bool:
    """Whether one of its names is of a person or an organisation: of the first few, those first that are surely names."""
    names = sorted((fact for fact in facts(text) if fact.kind == "name"), key=lambda fact: not fact.is_sure)
    return any(is_somebody(fact.text) for fact in names[:MAX_NAMES])


def is_named(label: str, wanted: set[str]) -> bool:
    """Whether a question has a label's words, or what the label is short for."""
    terms = content_terms(label) or {folded(label)}
    return any(term == word or (len(term) >= 3 and word.startswith(term)) for term in terms for word in wanted)


def _counted(sentence: str, fact: Fact, wanted: set[str]) -> str:
    """A number with the words behind it up to one that the question has: "four main reasons"."""
    if fact.kind != "number":
        return fact.text
    rest = re.match(r"(?:\s[^\W\d_]+){1,3}", sentence[fact.end :])
    words = rest[0].split() if rest else []
    for count, word in enumerate(words, 1):
        if Held(word).share(wanted):
            return f"{fact.text} {' '.join(words[:count])}"
    return fact.text


def _distance(sentence: str, fact: Fact, wanted: set[str]) -> float:
    """Characters between a fact and the nearest word of the question."""
    return min((max(start - fact.end, fact.start - end, 0) for start, end in _places(sentence, wanted)), default=1e6)


def _places(sentence: str, wanted: set[str]) -> Iterator[tuple[int, int]]:
    for match in re.finditer(r"\w+", sentence):
        if Held(match[0]).share({term for term in wanted if not is_unspaced(term)}):
            yield match.span()
    for term in wanted:
        if is_unspaced(term):
            yield from (match.span() for match in re.finditer(re.escape(term), sentence))


def affirmed(question: Question, passage_text: str) -> str:
    """Yes or no by a passage that is known to speak to the question: no where it denies what the question does not."""
    language, text = question.language, _ASKING_END.sub("", question.text)
    wanted = content_terms(text) - STOP_WORDS
    if holds("alternative", language, text) or not wanted:
        return ""
    sentence = telling(text, passage_text)
    spoken = language_of(sentence)
    if Held(sentence).share(wanted) < AFFIRMING_SHARE or holds("doubt", spoken, sentence):
        return ""
    denied = holds("negation", spoken, sentence) != holds("negation", language, text)
    return frames(language).templates["no" if denied else "yes"]


def _yes_or_no(question: Question, passage_text: str) -> str:
    """Yes where one sentence says all that is asked, no where it denies it or says another number; else ""."""
    language, text = question.language, _ASKING_END.sub("", question.text)
    if holds("alternative", language, text) or holds("negation", language, text):
        return ""
    wanted = content_terms(text) - STOP_WORDS
    is_of_mention = bool(wanted) and asks_for_mention(question.text)
    if is_of_mention:
        wanted = set(content_words(text, language)) & wanted or wanted
    amounts = {folded(fact.text) for fact in facts(text) if fact.kind in ("number", "date")}
    besides = {term for term in wanted if not any(term in amount for amount in amounts)}
    said = frames(language).templates
    for sentence in sentences(passage_text):
        spoken = language_of(sentence)
        if sentence[-1] in "?？" or holds("doubt", spoken, sentence) or (len(wanted) < 2 and not is_of_mention):
            continue
        held = Held(sentence)
        if held.share(wanted) == 1.0:
            if not holds("negation", spoken, sentence):
                return said["yes"]
            # What else is denied in a longer sentence can't be told by its words.
            return said["no"] if not re.search(r"[,;，；、]", sentence) else ""
        others = [folded(fact.text) for fact in facts(sentence) if fact.kind in ("number", "date")]
        if len(amounts) == len(others) == 1 and besides and held.share(besides) == 1.0 and amounts != set(others):
            return said["no"] if not holds("negation", spoken, sentence) else ""
    return ""
