"""Rewrites a question that leans on the conversation before it into one that can be read alone.

Without a language model: it tells by words alone (pronouns with nothing to stand for, ellipsis, ordinals) that a question
leans on what came before, and puts in the phrase of the last question, or the point of the last answer, that it means.
A question that stands alone is returned as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import earlier_answer
from ray_jobs.engines.embedded.extractive.phrases import (
    AUXILIARIES,
    DETERMINERS,
    IMPERATIVES,
    PREPOSITIONS,
    WH_WORDS,
    Phrase,
    Question,
)
from ray_jobs.engines.embedded.extractive.references import (
    MAX_POINT_CHARACTERS,
    SPEAKS,
    content,
    named_file,
    pointed_at,
    put_in,
    unbound,
)
from ray_jobs.engines.embedded.titles import shortened
from services.core.questions import is_broad

MAX_TURNS = 16
MAX_CHARACTERS = 2_000  # of a question; a longer one is taken to stand alone
MAX_WORDS = 30

_CONTRACTED = re.compile(r"\b(what|who|where|when|how|why|that|it)['’]s\b", re.I)
_LEADING = re.compile(r"^(?:(?:and|but|or|so|then|ok|okay|also|now|well|yes|no|hm+|please)\b[\s,]*)+", re.I)
_TRAILING = re.compile(r"[\s,]+(?:then|too|as well|instead|though|please)$", re.I)
_WHAT_ABOUT = re.compile(
    r"^(?:what about|how about|what of|i mean|i meant|(?:the )?same (?:question )?(?:for|about|with)|"
    r"is it the same (?:for|with))\s+",
    re.I,
)
_THE_ONE = re.compile(rf"^(?:the )?ones? (?=(?:{'|'.join(sorted(PREPOSITIONS))})\b)", re.I)
_FORM = re.compile(
    r"\b(?:shorter|briefer|longer|briefly|in short|one sentence|(?:bullet|numbered|key) ?(?:points?|list)|bullets|"
    r"(?:as )?a list|(?:in|with|as|at most|only) (?:\w+ ){0,2}(?:sentences?|points?|bullets|words|paragraphs?)|"
    r"timestamps?|rephrase|reword|say (?:it|that) again|repeat)\b",
    re.I,
)
_AGAIN = re.compile(r"^(?:are you (?:really )?sure|really|is (?:that|this|it) (?:so|true|right|correct)|sure)$", re.I)
_GO_ON = re.compile(
    r"^(?:go on|continue|more|(?:more |further )?details?|elaborate|expand|explain|tell me more|say more)$", re.I
)
_MORE = re.compile(r"\b(?:more|else|details?|elaborate|expand|explain|describe|deeper|further|other)\b", re.I)
_WHY = {"how come": "why", "how so": "how", "why so": "why", "why not": "why not"}
_WHICH_WORD = re.compile(rf"^(?:(?:{'|'.join(sorted(PREPOSITIONS))}) )?(?:what|which|whose|how)(?: \w+)?$", re.I)
_WHICH_ONE = re.compile(r"^which(?: (?:one|of (?:them|these|those|the two)))?(?= (?:is|are|was|were|has|had)\b)", re.I)
_COMPARATIVE = re.compile(r"\b(?:more|less|most|least|better|worse|best|worst|\w{2,}(?:er|est))\b", re.I)
_SUPERLATIVE = re.compile(r"\b(?:most|least|best|worst|\w{2,}est)\b", re.I)


def standalone(messages: Sequence[pb.Message]) -> str:
    """The last message as it reads without those before it. Each earlier question is read the same way first."""
    question, answer = "", ""
    for message in messages[-MAX_TURNS:]:
        if message.role == "user":
            question = _resolved(message.text, question, answer)
        elif message.role == "assistant":
            answer = message.text
    return question


def _resolved(text: str, previous: str, answer: str) -> str:
    if not previous or len(text) > MAX_CHARACTERS or len(previous) > MAX_CHARACTERS or len(text.split()) > MAX_WORDS:
        return text
    asked = Question.read(text)
    if not asked.tokens:
        return text
    rewritten = _rewritten(asked.text, Question.read(previous), answer)
    return text if rewritten is None else _sentence(rewritten)


def _rewritten(text: str, previous: Question, answer: str) -> str | None:
    """The question put together, without a mark at its end; None if it stands alone."""
    core = _CONTRACTED.sub(r"\1 is", _TRAILING.sub("", _LEADING.sub("", text))).strip()
    about = _WHAT_ABOUT.match(core) is not None
    leads = about or _LEADING.match(text) is not None
    core = _WHAT_ABOUT.sub("", core)
    asked = Question.read(core)
    if not asked.tokens:
        return None
    if _AGAIN.match(core) or (not about and _FORM.search(core) and not content(_FORM.sub(" ", core))):
        return previous.text
    if _GO_ON.match(core):
        return f"Tell me more about {previous.topic}" if previous.topic else previous.text
    fragment = about or (_is_fragment(asked) and (leads or _begins_inside(asked)))
    in_file = named_file(core, previous, answer, fragment=fragment)
    if in_file is not None:
        return in_file
    point = pointed_at(asked, previous, answer, opens=leads or fragment)
    if point is not None:
        meant, put = point
        if put != meant:
            return put
        return f"What about {meant}" if meant.startswith("“") else _substituted(meant, previous)
    if core.lower() in WH_WORDS or core.lower() in _WHY:
        return _asked_again(_WHY.get(core.lower(), core.lower()), previous)
    if _WHICH_WORD.match(core):
        return f"{previous.text}, and {core[:1].lower()}{core[1:]}"
    if fragment:
        return _substituted(core, previous)
    return _with_topic(asked, previous, answer)


def _asked_again(word: str, previous: Question) -> str:
    """ "and when?": the last question with another question word."""
    if previous.auxiliary and previous.opening.lower() in WH_WORDS:
        return f"{word}{previous.text[len(previous.opening) :]}"
    return f"{previous.text}, and {word}"


def _substituted(fragment: str, previous: Question) -> str:
    """ "and in Paris?", "what about the sun?": the last question with the parallel phrase replaced."""
    fragment = _THE_ONE.sub("", fragment)
    extreme = fragment.lower().removeprefix("the ")
    if _SUPERLATIVE.fullmatch(extreme) and _SUPERLATIVE.search(previous.text):
        return _SUPERLATIVE.sub(extreme, previous.text, count=1)
    if not content(fragment):
        return f"Tell me more about {previous.topic}" if previous.topic else previous.text
    first, _, rest = fragment.partition(" ")
    if first.lower() in PREPOSITIONS:
        same = [phrase for phrase in previous.phrases if phrase.preposition.lower() == first.lower()]
        return _replaced(previous.text, same[-1], rest) if same and rest else f"{previous.text} {fragment}"
    target = _parallel(fragment, previous)
    return f"{previous.text}: {fragment}" if target is None else _replaced(previous.text, target, fragment)


def _parallel(fragment: str, previous: Question) -> Phrase | None:
    """The phrase of the last question that a new one stands for: of the same head, shape or article, or its subject."""
    phrases = [phrase for phrase in previous.phrases if phrase.says_something]
    if not phrases:
        return None
    new = Phrase(fragment, 0, len(fragment))
    alike: tuple[Callable[[Phrase], bool], ...] = (
        lambda phrase: phrase.head.rstrip("s") == new.head.rstrip("s"),
        lambda phrase: phrase.has_number and new.has_number,
        lambda phrase: phrase.is_name and new.is_name,
        lambda phrase: not phrase.determiner and not new.determiner,
    )
    for test in alike:
        same = [phrase for phrase in phrases if test(phrase)]
        if same:
            return same[-1]
    # "What is the weight of the sun?": the sun is what is asked about, except of a person: "who is the king of Spain?"
    if len(phrases) > 1 and phrases[1].preposition.lower() == "of" and previous.opening.lower() != "who":
        return phrases[1]
    return phrases[0]


def _replaced(text: str, phrase: Phrase, new: str) -> str:
    return text[: phrase.start] + new + text[phrase.end :]


def _with_topic(asked: Question, previous: Question, answer: str) -> str | None:
    """Names what the last question was about where this one only points at it, or asks for more without saying of what."""
    text, topic = asked.text, previous.topic
    hollow = not content(text)
    pronoun = unbound(asked)
    if pronoun is not None and hollow and SPEAKS.search(text) and pronoun.lower in ("that", "this", "it"):
        quoted = earlier_answer.points(answer)
        said = f"“{shortened(quoted[0], MAX_POINT_CHARACTERS)}”" if quoted else topic
        return f"{text[: pronoun.start]}{said}{text[pronoun.end :]}" if said else previous.text
    if not topic:
        return previous.text if hollow and (pronoun is not None or _MORE.search(text)) else None
    if pronoun is not None:
        return put_in(text, pronoun, previous)
    if _WHICH_ONE.match(text) and _COMPARATIVE.search(text) and len(content(text)) <= 1 and " than " not in text:
        return f"{_WHICH_ONE.sub('Which', text)}, {' or '.join(earlier_answer.alternatives(previous.text)) or topic}"
    # A greeting or a thank-you is hollow too, but asks for nothing.
    asks = _MORE.search(text) or asked.tokens[0].lower in WH_WORDS | AUXILIARIES | IMPERATIVES
    if hollow and asks and not is_broad(text):
        return f"{text} about {topic}" if _MORE.search(text) else f"About {topic}: {text[:1].lower()}{text[1:]}"
    return None


def _is_fragment(asked: Question) -> bool:
    """A phrase rather than a sentence: no question word, no verb that asks."""
    words = [token.lower for token in asked.tokens]
    return len(words) <= 8 and not set(words) & (AUXILIARIES | WH_WORDS) and words[0] not in IMPERATIVES


def _begins_inside(asked: Question) -> bool:
    """A fragment that nothing introduces is a follow-up where it begins as the inside of a sentence does."""
    return asked.tokens[0].lower in PREPOSITIONS | (DETERMINERS - {"all"})


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    mark = "." if text.split()[0].lower().strip(",:") in IMPERATIVES else "?"
    return f"{text[:1].upper()}{text[1:]}{mark}"
