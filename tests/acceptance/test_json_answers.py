"""Answers in JSON through every door: parsed by OpenAI's client, told again, streamed, refused, failed where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import grpc
import openai
import pytest
from arcus.v1 import chat_pb2, responses_pb2
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel

from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.generator import EmbeddedGenerator
from ray_jobs.engines.language.generator import LanguageGenerator
from ray_jobs.engines.language.model import Prompt
from ray_jobs.engines.language.scripted import Answer, ScriptedModel, pieces, plain_answer
from tests.acceptance.described import described_talk
from tests.acceptance.live_front import Account, Front, front_settings, openai_client
from tests.acceptance.scripted_server import ScriptedServer

MODEL: Literal["nimbus-001"] = "nimbus-001"
WRONG = "Answer with what does not fit."
NOTHING = frames("en").say("nothing")


class Talk(BaseModel):
    """What a talk is about."""

    topic: str
    numbers: list[int]


FORMAT = responses_pb2.TextFormat(type="json_schema", name="Talk")
FORMAT.schema.update(Talk.model_json_schema())


def answered(prompt: Prompt) -> Answer:
    if any(WRONG in turn.text for turn in prompt.turns):
        return pieces('{"answer":{"topic":7},"sources":[1]}')
    return plain_answer(prompt)


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Front]]:
    engines = {"language": LanguageGenerator(ScriptedModel(answered)), "embedded": EmbeddedGenerator()}
    started = {}
    for name, engine in engines.items():
        settings = front_settings(tmp_path_factory.mktemp(name))
        started[name] = Front(settings, ScriptedServer(engine)).start()
    yield started
    for front in started.values():
        front.stop()


@pytest.fixture(scope="module")
def talk(fronts: dict[str, Front]) -> Account:
    """With a video, and a model that answers with what fits."""
    account = fronts["language"].account()
    described_talk(account)
    return account


@pytest.fixture(scope="module")
def empty(fronts: dict[str, Front]) -> Account:
    """Without one, and the engine that has nothing to fill a record from."""
    return fronts["embedded"].account()


def client(account: Account) -> openai.OpenAI:
    return openai_client(account.front.url, account.key)


def test_a_response_is_parsed_and_cites_its_sources(talk: Account) -> None:
    response = client(talk).responses.parse(model=MODEL, input="What of streaming?", text_format=Talk)
    assert response.output_parsed == Talk(topic="words of an example", numbers=[1])
    part = response.output[0].content[0]
    assert part.type == "output_text" and json.loads(part.text) == {"topic": "words of an example", "numbers": [1]}
    (citation,) = part.annotations
    assert citation.type == "file_citation" and citation.filename == "clip.mp4"
    told = response.text.format
    assert told.type == "json_schema" and told.name == "Talk" and told.strict and "numbers" in str(told.schema_)
    assert client(talk).responses.retrieve(response.id).text == response.text


def test_a_stream_tells_the_json_alone_and_then_its_citations(talk: Account) -> None:
    with client(talk).responses.stream(model=MODEL, input="What of streaming?", text_format=Talk) as events:
        seen = list(events)
        final = events.get_final_response()
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert json.loads(text)["numbers"] == [1] and final.output_parsed.numbers == [1]
    kinds = [event.type for event in seen]
    assert kinds.count("response.output_text.annotation.added") == 1 and kinds[-1] == "response.completed"


def test_a_chat_is_parsed_and_cites_its_sources(talk: Account) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "What of streaming?"}]}
    (choice,) = client(talk).chat.completions.parse(**asked, response_format=Talk).choices
    assert choice.message.parsed == Talk(topic="words of an example", numbers=[1]) and not choice.message.refusal
    assert len(choice.model_extra["citations"]) == 1
    with client(talk).chat.completions.stream(**asked, response_format=Talk) as events:
        assert events.get_final_completion().choices[0].message.parsed == choice.message.parsed


def test_any_object_may_be_asked_for(talk: Account) -> None:
    response = client(talk).responses.create(
        model=MODEL, input="What of streaming?", text={"format": {"type": "json_object"}}
    )
    assert json.loads(response.output_text) == {} and response.text.format.type == "json_object"


def test_a_background_response_is_made_as_it_was_asked_for(talk: Account) -> None:
    asked: Any = {"input": "What of streaming?", "text": {"format": json_format(), "verbosity": "low"}}
    response = client(talk).responses.create(model=MODEL, background=True, stream=True, **asked)
    done = [event.response for event in response if event.type == "response.completed"]
    assert json.loads(done[0].output_text)["numbers"] == [1] and done[0].text.verbosity == "low"


def json_format() -> Any:
    return {"type": "json_schema", "name": "Talk", "schema": Talk.model_json_schema()}


def test_an_answer_that_does_not_fit_fails_and_says_where(talk: Account) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client(talk).responses.parse(model=MODEL, input="What of streaming?", text_format=Talk, instructions=WRONG)
    assert "does not have the form" in caught.value.message and "$" in caught.value.message


def test_what_can_not_be_filled_is_refused_as_openai_refuses(empty: Account) -> None:
    response = client(empty).responses.parse(model=MODEL, input="What of streaming?", text_format=Talk)
    (part,) = response.output[0].content
    assert part.type == "refusal" and part.refusal == NOTHING and response.output_parsed is None
    assert response.status == "completed" and response.output_text == ""
    with client(empty).responses.stream(model=MODEL, input="What of streaming?", text_format=Talk) as events:
        seen = list(events)
    assert "".join(event.delta for event in seen if event.type == "response.refusal.delta") == NOTHING
    assert [event.refusal for event in seen if event.type == "response.refusal.done"] == [NOTHING]
    following = client(empty).responses.create(model=MODEL, input="And now?", previous_response_id=response.id)
    assert following.output_text
    again = [{"role": "user", "content": "x"}, response.output[0].model_dump(), {"role": "user", "content": "y"}]
    assert client(empty).responses.create(model=MODEL, input=again).output_text


def test_a_chat_is_refused_too(empty: Account) -> None:
    asked: Any = {"model": MODEL, "messages": [{"role": "user", "content": "What of streaming?"}]}
    (choice,) = client(empty).chat.completions.parse(**asked, response_format=Talk).choices
    assert (choice.message.content, choice.message.parsed, choice.message.refusal) == (None, None, NOTHING)
    with client(empty).chat.completions.stream(**asked, response_format=Talk) as events:
        assert events.get_final_completion().choices[0].message.refusal == NOTHING


def test_what_the_engine_can_not_do_is_refused_by_name(empty: Account) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client(empty).responses.create(model=MODEL, input="What?", text={"format": {"type": "json_object"}})
    assert "json_schema" in caught.value.message
    tool: Any = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    with pytest.raises(openai.BadRequestError) as caught:
        client(empty).responses.create(model=MODEL, input="What?", tools=[tool], tool_choice="required")
    assert "tool_choice" in caught.value.message


def test_grpc_says_the_same(talk: Account, empty: Account) -> None:
    asked = responses_pb2.CreateResponseRequest(model=MODEL, text_format=FORMAT)
    asked.messages.add(role=responses_pb2.ROLE_USER, text="What of streaming?")
    response = call(talk, "ResponseService/Create", asked, responses_pb2.Response)
    (part,) = response.output[0].content
    assert json.loads(part.text)["numbers"] == [1] and len(part.annotations) == 1
    assert MessageToDict(response.text_format.schema) == MessageToDict(FORMAT.schema)
    assert (response.text_format.type, response.text_format.name) == ("json_schema", "Talk")
    refused = call(empty, "ResponseService/Create", asked, responses_pb2.Response)
    assert [(part.type, part.text) for part in refused.output[0].content] == [("refusal", NOTHING)]
    chat = chat_pb2.CreateChatCompletionRequest(model=MODEL, text_format=FORMAT)
    chat.messages.add(role="user", content="What of streaming?")
    completion = call(talk, "ChatService/Create", chat, chat_pb2.ChatCompletion)
    assert json.loads(completion.message.content)["numbers"] == [1]
    assert call(empty, "ChatService/Create", chat, chat_pb2.ChatCompletion).message.refusal == NOTHING
    asked.text_format.name = "two words"
    with pytest.raises(grpc.RpcError) as caught:
        call(talk, "ResponseService/Create", asked, responses_pb2.Response)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT and "text.format.name" in caught.value.details()


def call(account: Account, method: str, message: Any, reply: Any) -> Any:
    with account.channel() as channel:
        unary = channel.unary_unary(
            f"/arcus.v1.{method}",
            request_serializer=lambda value: value.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        return unary(message, metadata=account.metadata, timeout=60)
