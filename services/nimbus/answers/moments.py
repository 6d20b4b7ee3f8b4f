"""The moment of a source that a claim is about: the passage whose words it repeats, with its own start and end."""

from __future__ import annotations

import re
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from services.core.search.tokens import index_tokens
from services.nimbus.context.sources import MEDIA_DESCRIPTIONS

MAX_CLAIM = 1_000  # characters before a marker that are read
MIN_SHARED = 2  # words; fewer are shared by chance
MIN_SHARE = 0.5  # of the passage's words, or of the claim's, whichever are fewer


# What is quoted is repeated word by word; the words around it say where it stands.
_QUOTED = re.compile(r"[“„«「\"]([^“”„«»「」\"]{3,})[”“»」\"]")


class Moments:
    """Of the sources of one answer, by the numbers that the engine cites."""

    def __init__(self, request: pb.GenerateRequest) -> None:
        self._sources = {source.number: source for source in request.sources}
        self._tokens: dict[int, list[set[str]]] = {}

    def of(self, number: int, claim: str) -> tuple[float, float]:
        """(start, end) in seconds: of the passage that the claim repeats, else of the whole source."""
        source = self._sources[number]
        claim = claim[-MAX_CLAIM:]
        said = set(index_tokens(" ".join(_QUOTED.findall(claim)) or claim))
        if number not in self._tokens:
            self._tokens[number] = [set(index_tokens(passage.text)) for passage in source.passages]
        best, found = 0.0, None
        for passage, tokens in zip(source.passages, self._tokens[number], strict=True):
            shared = len(said & tokens)
            share = shared / min(len(said), len(tokens)) if said and tokens else 0.0
            is_telling = shared >= MIN_SHARED or shared == len(tokens)
            weight = share * shared
            if is_telling and share >= MIN_SHARE and weight > best:
                best, found = weight, passage
        if (
            found is None
            or found.end_time <= found.start_time
            or not source.start_time <= found.start_time <= source.end_time
        ):
            return source.start_time, source.end_time
        return found.start_time, found.end_time

    def narrowed(self, number: int, start: float, end: float, annotation: dict[str, Any]) -> dict[str, Any]:
        """The annotation of a source as that of a moment in it: what it holds of the description is what is there then."""
        made = annotation | {"start_time": start, "end_time": end}
        for kind in MEDIA_DESCRIPTIONS:
            if kind in annotation:
                then = {
                    passage.text
                    for passage in self._sources[number].passages
                    if passage.kind == kind and passage.start_time < end and passage.end_time >= start
                }
                made[kind] = [
                    item for item in annotation[kind] if (item if isinstance(item, str) else item["text"]) in then
                ]
        return made
