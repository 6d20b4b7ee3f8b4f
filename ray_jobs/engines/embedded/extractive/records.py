"""An answer in JSON without a language model: what the answer in words cites is read for what the schema asks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extraction.extractor import missing, record
from ray_jobs.engines.embedded.extraction.lines import Line, lines_of
from ray_jobs.engines.embedded.extraction.wants import want
from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.stages.extract import Passage, PassageKind
from services.core.entities.schemas import Place, Property, parse_schema

IN_WORDS = ("answer", "response", "summary")  # properties that the answer in words is for, where they are texts
MAX_NAMED = 8
_KINDS: dict[str, PassageKind] = {"speech": "speech", "scene_text": "scene_text", "visual_scene_description": "visual"}
_MARK = re.compile(r" ?\[(\d+)\]")
_LEAD = re.compile(r"\*\*(.+?)\*\*")  # as claims.py writes it


@dataclass(frozen=True)
class Record:
    """`text`: JSON that fits the schema, or, where `is_refusal`, why there is none."""

    text: str
    is_refusal: bool = False
    citations: tuple[pb.Citation, ...] = ()


def filled(request: pb.GenerateRequest, answer: str) -> Record:
    """`answer`: in words, with [n] behind each claim; `request`: with the sources as they are."""
    place = parse_schema(json.loads(request.json_schema), field="text.format.schema")
    claims = _claims(answer)
    if not claims and not request.results:
        return Record(answer, is_refusal=True)
    lines, numbers = _lines(request, {claim.number for claim in claims}, answer)
    given = {item.name: words for item in place.properties if item.name in IN_WORDS and (words := _words(item, answer))}
    lacking = [name for name in missing(place, lines) if name not in given]
    if len(lacking) == 1:  # then it is what the question asks for
        given |= _led(place, lacking[0], answer)
    asked = tuple(item for item in place.properties if item.name not in given)
    made = record(replace(place, properties=asked), lines)
    value = {} if made is None else made.value | given
    if made is None or not (made.sources or given) or not place.fits(value):
        said = frames(request.language or "en")
        names = lacking[:MAX_NAMED] or [item.name for item in place.properties][:MAX_NAMED] or ["JSON"]
        return Record(said.say("unfilled", names=said.listed(names)), is_refusal=True)
    support = [(numbers[one.line.block], one.line.text) for one in made.sources]
    cited = [pb.Citation(number=number, claim=claim) for number, claim in support if number]
    ordered = {item.name: value[item.name] for item in place.properties if item.name in value}
    text = json.dumps(ordered or value, ensure_ascii=False)
    return Record(text, citations=tuple([*cited, *(claims if given else ())]))


def _words(item: Property, answer: str) -> str:
    """The answer in words without its marks, where the property may hold it."""
    words = _MARK.sub("", answer)
    return words if item.place.fits(words) else ""


def _led(place: Place, name: str, answer: str) -> dict[str, Any]:
    """A property whose value is the answer in a word, with which the answer in words begins where it has one."""
    lead = _LEAD.match(answer)
    item = next(item for item in place.properties if item.name == name)
    if lead is None:
        return {}
    if item.place.kind == "string" and not item.place.format and item.place.fits(lead[1]):
        return {name: lead[1]}
    lines = lines_of([Passage("speech", lead[1], 0.0, 0.0)])
    # Of its words those alone count that a value must agree with: the question found what the others say.
    item = replace(item, name=_unit(item), place=replace(item.place, description=""))
    made = record(replace(place, properties=(item,)), lines, is_alone=True)
    return {} if made is None or not made.sources else {name: made.value[item.name]}


def _unit(item: Property) -> str:
    """The name or the description, where it tells of what kind a number must be; else nothing."""
    for words in (item.name, item.place.description):
        wanted = want(words, item.place)
        if wanted.aim not in ("count", "number"):
            return words
    return ""


def _claims(answer: str) -> list[pb.Citation]:
    """Each marker with what stands before it."""
    claims, start = [], 0
    for match in _MARK.finditer(answer):
        claims.append(pb.Citation(number=int(match[1]), claim=answer[start : match.start()].strip()))
        start = match.end()
    return claims


def _lines(request: pb.GenerateRequest, cited: set[int], answer: str) -> tuple[list[Line], list[int]]:
    """What the cited sources say and show, the best first, and of each block the number of its source.

    What queries found has no source: the answer in words is what it says, with the number 0.
    """
    passages: list[Passage] = []
    numbers: list[int] = []
    if request.results and not cited:
        passages, numbers = [Passage("speech", answer, 0.0, 0.0)], [0]
    for source in request.sources:
        for passage in source.passages:
            kind = _KINDS.get(passage.kind)
            given = kind and Passage(kind, passage.text, passage.start_time, passage.end_time)
            if given and source.number in cited and (given, source.number) not in zip(passages, numbers, strict=True):
                passages.append(given)
                numbers.append(source.number)
    return lines_of(passages), numbers
