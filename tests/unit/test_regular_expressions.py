"""Long text takes time by its length: each regular expression is tried on what it was made for and does not quite find.

What is counted is the processor time of one text, far above what reading it takes and far under what its square does.
"""

from __future__ import annotations

import ast
import importlib
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ray_jobs.engines.embedded import scene_text, titles
from ray_jobs.engines.language import cleaning, fences
from services.cli.instance import ROOT
from services.cli.terminal import visible
from services.core import questions, quoting, words
from services.core.search import tokens
from services.core.store import comparisons
from services.nimbus.answers.citations import CitationStream
from services.nimbus.context.search import _terms
from services.rest.bodies import too_many_values

LENGTH = 100_000
CPU_SECONDS = 1.5  # reading such a text takes a tenth of it at most; a step for each pair of its characters far more
RUNS = 'a1 .-_,:[<\n"é'
MAX_STARTS = 6
SOURCES = ("services", "ray_jobs")
EXTRACTIVE = ("ray_jobs/engines/embedded/extractive", "ray_jobs/engines/embedded/extraction")
SEARCHING = frozenset(("search", "sub", "subn", "findall", "finditer", "split", "match", "fullmatch"))


class TooMuchError(Exception):
    pass


@contextmanager
def little_processor_time() -> Iterator[None]:
    """Of this process, however busy the machine is. The engine of `re` looks for signals as it works."""

    def over(_signal: int, _frame: object) -> None:
        raise TooMuchError

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@dataclass(frozen=True)
class Use:
    """One expression of the code, and how it is applied."""

    place: str
    pattern: re.Pattern
    method: str

    def __str__(self) -> str:
        return f"{self.place}:{self.method}"


def uses() -> list[Use]:
    found: list[Use] = []
    for path in sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py")):
        text = path.read_text()
        if "import re\n" in text and not str(path.relative_to(ROOT)).startswith(EXTRACTIVE):
            found += _uses_of(path, ast.parse(text))
    return list({(use.pattern, use.method): use for use in found}.values())


def _uses_of(path: Path, tree: ast.Module) -> Iterator[Use]:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    compiled = {
        key: value for key, value in vars(importlib.import_module(name)).items() if isinstance(value, re.Pattern)
    }
    for call in ast.walk(tree):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=method), args=[ast.Constant(value=text), *_]
            ):
                if method in SEARCHING:
                    yield Use(f"{name}:{call.lineno}", re.compile(text, _flags(call)), method)
            case ast.Attribute(value=ast.Name(id=id), attr=method) if id in compiled and method in SEARCHING:
                yield Use(f"{name}:{call.lineno}", compiled[id], method)


def _flags(call: ast.Call) -> int:
    named = [each for each in ast.walk(call) if isinstance(each, ast.Attribute) and each.attr.isupper()]
    return sum({int(getattr(re, each.attr)) for each in named})


def nearly(pattern: re.Pattern) -> str:
    """A text that it finds, or nearly: each part of it once, and repetitions three times."""
    parse = re._parser.parse  # type: ignore[attr-defined]
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    return _written(parse(source, pattern.flags & ~re.UNICODE))


def _written(parts: object) -> str:
    text = ""
    for kind, value in parts:  # type: ignore[attr-defined]
        match str(kind):
            case "LITERAL":
                text += chr(value)
            case "NOT_LITERAL":
                text += "b"
            case "ANY":
                text += "c"
            case "IN":
                text += _one_of(value)
            case "BRANCH":
                text += _written(value[1][0])
            case "SUBPATTERN":
                text += _written(value[-1])
            case "ATOMIC_GROUP":
                text += _written(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                text += _written(value[2]) * max(value[0], min(3, value[1]))
    return text


def _one_of(items: list) -> str:
    if str(items[0][0]) == "NEGATE":
        return "w"
    for kind, value in items:
        match str(kind):
            case "LITERAL":
                return chr(value)
            case "RANGE":
                return chr(value[0])
            case "CATEGORY":
                return {"DIGIT": "7", "SPACE": " ", "WORD": "w"}.get(str(value).rpartition("_")[2], "!")
    return "x"


def hostile(pattern: re.Pattern) -> Iterator[str]:
    """Long runs, of what it looks for too, with something after them that fits nothing."""
    near = nearly(pattern)
    for run in RUNS:
        yield run * LENGTH + "\x00"
    for end in sorted({round(len(near) * part / MAX_STARTS) for part in range(1, MAX_STARTS + 1)} - {0}):
        start = near[:end]
        yield start * (LENGTH // len(start)) + "\x00"
        yield start + start[-1] * LENGTH + "\x00"
        yield start + " " * LENGTH + "\x00"


@pytest.mark.parametrize("use", uses(), ids=str)
def test_an_expression_reads_long_text_that_it_does_not_quite_find_once(use: Use) -> None:
    apply = getattr(use.pattern, use.method)
    for text in hostile(use.pattern):
        given = text if isinstance(use.pattern.pattern, str) else text.encode()
        with little_processor_time():
            found = apply(given[:0], given) if use.method in ("sub", "subn") else apply(given)
            if use.method == "finditer":
                list(found)


def test_an_expression_that_backtracks_is_told_from_one_that_does_not() -> None:
    slow = Use("here", re.compile(r"[\w.]+@"), "search")
    with pytest.raises(TooMuchError):
        test_an_expression_reads_long_text_that_it_does_not_quite_find_once(slow)


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "a line on the screen": scene_text.tidy,
    "words of a title": titles.words,
    "a shortened title": lambda text: titles.shortened(text, 80),
    "text from a model": cleaning.cleaned,
    "text for a model": cleaning.without_tokens,
    "one line of a prompt": fences.one_line,
    "text outside of fences": fences.outside,
    "text in a terminal": visible,
    "quoted text": lambda text: quoting.inert(quoting.unmarked(text)),
    "text without links": quoting.unlinked,
    "words of a question": words.content_words,
    "stems": words.stems,
    "tokens of an index": tokens.index_tokens,
    "terms of a search": tokens.terms,
    "joined pieces": tokens.joined,
    "phrases of a search": _terms,
    "words of a question in Chinese": lambda text: words.content_words(text, "zh"),
    "names of files": questions.file_names,
    "a question without files": questions.excludes_files,
    "a value of a filter": comparisons.read,
    "a pattern of a filter": lambda text: comparisons.is_like(text, "%a%[" * 20 + "%~"),
    "a body": lambda text: too_many_values(text.encode()),
    "an answer": lambda text: list(CitationStream(lambda _: True).feed(text)),
    "a streamed answer": lambda text: _streamed(text),
}
# Nearly words, numbers, names, marks, tags, escapes, times: what the functions look for, cut short or without an end.
NEARLY = (
    "a",
    " ",
    "1",
    "-",
    "\n",
    "[1, ",
    "[[",
    "](",
    "<a",
    "<<",
    "1,234",
    "a.b-",
    "it's ",
    '\\"',
    '"',
    "- ",
    "what ",
    "ä",
    "中",
)


def _streamed(text: str) -> list:
    stream = CitationStream(lambda _: True)
    return [part for start in range(0, len(text), 100) for part in stream.feed(text[start : start + 100])]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_reads_users_text_takes_time_by_its_length(function: str) -> None:
    for piece in NEARLY:
        with little_processor_time():
            FUNCTIONS[function](piece * (LENGTH // 3 // len(piece)) + "\x00")
