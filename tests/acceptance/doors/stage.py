"""A tenant with two talks behind one door. Each door has a tenant of its own, all of them with the same things."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ray_jobs.engines.scripted import Script
from tests.acceptance.described import describe, upload
from tests.acceptance.doors.cloudglue_door import CloudglueDoor
from tests.acceptance.doors.door import Door, Json
from tests.acceptance.doors.grpc_door import GrpcDoor
from tests.acceptance.doors.openai_door import OpenAIDoor
from tests.acceptance.live_front import Account, Front
from tests.waiting import until

QUESTION = "What is said of parsing?"
SPEAKERS = ("Amy", "Zoë")
ID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Stage:
    account: Account
    door: Door
    collection_id: str
    file_ids: tuple[str, ...]
    foreign_collection_id: str  # of another tenant, as the next four
    foreign_response_id: str
    foreign_search_id: str
    foreign_chat_id: str
    foreign_file_id: str

    def asks(self, question: str | list[Json] = QUESTION, **more: Any) -> Json:
        """A request about the collection. What is none of its fields is of the script that the engine follows."""
        script = {name: more.pop(name) for name in list(more) if name in SCRIPT}
        request = {"model": "nimbus-001", "input": question, "knowledge_base": {"collections": [self.collection_id]}}
        if script:
            request["instructions"] = json.dumps(script)
        return {name: value for name, value in {**request, **more}.items() if value is not None}

    def chats(self, *messages: Json, **more: Any) -> Json:
        """A chat about the collection, of the question if no other messages are given. The script is as in `asks`."""
        script = {name: more.pop(name) for name in list(more) if name in SCRIPT}
        turns = list(messages) or [{"role": "user", "content": QUESTION}]
        if script:
            turns.insert(0, {"role": "system", "content": json.dumps(script)})
        request = {"model": "nimbus-001", "messages": turns, "collections": [self.collection_id]}
        return {name: value for name, value in {**request, **more}.items() if value is not None}

    def streamed_chat(self, request: Json) -> list[Json]:
        with self.door.stream_chat(request) as chunks:
            return list(chunks)

    def streamed(self, request: Json) -> list[Json]:
        with self.door.stream(request) as events:
            return list(events)

    def followed(self, response_id: str, starting_after: int | None = None) -> list[Json]:
        with self.door.follow(response_id, starting_after) as events:
            return list(events)

    def ended(self, response_id: str) -> Json:
        until(lambda: self.door.get(response_id)["status"] != "in_progress", "the response ends")
        return self.door.get(response_id)

    def engine_writes(self, streams: int, seconds: float = 10) -> None:
        engine = self.account.front.engine
        assert engine is not None
        until(lambda: engine.engine.running == streams, f"the engine writes {streams} answers", seconds)


SCRIPT = tuple(field.name for field in fields(Script))


DOORS: tuple[Callable[[Account], Door], ...] = (
    lambda account: CloudglueDoor(account.front.url, account.key),
    lambda account: OpenAIDoor(account.front.url, account.key),
    lambda account: GrpcDoor(account.channel(), account.metadata),
)


def stages(front: Front) -> list[Stage]:
    """One for each door."""
    stranger, foreign_collection, foreign_files = _with_talks(front)
    with stranger.http as http:
        base = {"collections": [foreign_collection]}
        asked = {"model": "nimbus-001", "input": QUESTION, "knowledge_base": base}
        response = http.post("/v1/responses", json=asked).json()
        chat = {"model": "nimbus-001", "messages": [{"role": "user", "content": QUESTION}]}
        chatted = http.post("/v1/chat/completions", json=chat).json()
        search = http.post("/v1/search", json={"scope": "segment", "query": "parsing", **base}).json()
    made = []
    for door in DOORS:
        account, collection_id, files = _with_talks(front)
        foreign = (foreign_collection, response["id"], search["id"], chatted["id"], foreign_files[0])
        made.append(Stage(account, door(account), collection_id, files, *foreign))
    return made


def _with_talks(front: Front) -> tuple[Account, str, tuple[str, ...]]:
    account = front.account()
    return account, *collection_of_talks(account, "talks")


def collection_of_talks(account: Account, name: str) -> tuple[str, tuple[str, ...]]:
    """A collection with a described file of each speaker: the ids of all."""
    collection = account.sdk.collections.create(collection_type="media-descriptions", name=name)
    files = []
    for speaker in SPEAKERS:
        files.append(upload(account, f"{speaker}.mp4"))
        account.sdk.collections.add_video(collection.id, file_id=files[-1])
        describe(account, collection.id, files[-1])
        account.sdk.files.update(files[-1], metadata={"speaker": speaker})
    return collection.id, tuple(files)


TIMES = ("created_at", "completed_at")


def anonymous(value: Any, known: dict[str, str] | None = None) -> Any:
    """With each id by the order of its first appearance, and no times of day: what must be the same at every door."""
    known = {} if known is None else known
    match value:
        case str():
            return ID.sub(lambda id: known.setdefault(id[0].replace("-", ""), f"id-{len(known)}"), value)
        case dict():
            return {name: anonymous(item, known) for name, item in value.items() if name not in TIMES}
        case list() | tuple():
            return [anonymous(item, known) for item in value]
    return value


def same_at_all(stages: Sequence[Stage], play: Callable[[Any], Any]) -> None:
    """Plays a scenario at every door. Raises where one tells otherwise than the first."""
    outcomes = {}
    for stage in stages:
        try:
            outcomes[stage.door.name] = anonymous(play(stage))
        except AssertionError as error:
            raise AssertionError(f"at the door {stage.door.name}") from error
    first, *others = outcomes
    for other in others:
        assert outcomes[other] == outcomes[first], f"{other} and {first} differ"
