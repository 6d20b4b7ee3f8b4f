"""The acceptance cases of the Open Responses specification, over sockets, in both SDKs' eyes."""

from __future__ import annotations

import json

import httpx
import openai
import pytest
from openai.types.responses import Response

from services.core.engines.config import MODELS
from tests.acceptance.live_front import Account, Front
from tests.acceptance.open_responses import (
    CASES,
    REFUSED,
    WEATHER,
    Case,
    Json,
    Stream,
    answer,
    check_answer,
    check_response,
    post,
    user,
)

CALLS = json.dumps({"call": {"name": "get_weather", "arguments": '{"location": "Zürich"}'}, "messages": 1})


@pytest.fixture(scope="module")
def asker(answering: Front) -> Account:
    return answering.account()


@pytest.mark.parametrize("stream", [False, True], ids=["at-once", "streamed"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_holds(asker: Account, case: Case, model: str, stream: bool):
    body = case.body(model) | ({"instructions": CALLS} if case.call else {})
    with v1(asker) as http:
        response = answer(http, body, stream=stream)
        check_answer(case, body, response, can_call=True)
        assert check_response(http.get(f"/responses/{response['id']}").json()) == response
    Response.model_validate(response)  # strictly, by OpenAI's own types
    told = asker.sdk.responses.get(response["id"])
    assert told.status == "completed" and len(told.output) == len(response["output"])


@pytest.mark.parametrize(("case", "field"), REFUSED, ids=[case.name for case, _ in REFUSED])
@pytest.mark.parametrize("stream", [False, True], ids=["at-once", "streamed"])
def test_what_is_not_offered_is_refused_by_its_field(asker: Account, case: Case, field: str, stream: bool):
    with v1(asker) as http:
        reply = post(http, {**case.body("nimbus-001"), "stream": stream})
    error = reply.json()["error"]
    assert (reply.status_code, error["type"], error["param"]) == (400, "invalid_request_error", field), reply.text
    assert len(error["message"].split()) > 3


@pytest.mark.parametrize("stream", [False, True], ids=["at-once", "streamed"])
def test_a_conversation_goes_on_by_the_id_of_its_last_response(asker: Account, stream: bool):
    with v1(asker) as http:
        first = answer(http, {"model": "nimbus-001", "input": "The code word is papaya."}, stream=stream)
        body = {"model": "nimbus-001", "input": "What is the code word?", "previous_response_id": first["id"]}
        second = answer(http, body, stream=stream)
        assert second["previous_response_id"] == first["id"] != second["id"]
        assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]  # the first turn was read again
        missing = post(http, body | {"previous_response_id": "resp_missing"})
        assert missing.status_code == 404 and "resp_missing" in missing.json()["error"]["message"]


def test_a_function_is_called_and_its_output_goes_on(asker: Account):
    choice = {"type": "function", "name": "get_weather"}
    asked = {"model": "nimbus-001", "input": "Is it warm?", "tools": [WEATHER], "tool_choice": choice}
    with v1(asker) as http:
        first = answer(http, asked | {"instructions": CALLS}, stream=True)
        (call,) = [item for item in first["output"] if item["type"] == "function_call"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
        body = {"model": "nimbus-001", "input": [output], "previous_response_id": first["id"]}
        second = answer(http, body, stream=False)
    assert [item["type"] for item in second["output"]] == ["message"] and second["status"] == "completed"


@pytest.mark.parametrize(
    ("limits", "calls"), [({}, 2), ({"parallel_tool_calls": False}, 1), ({"max_tool_calls": 1}, 1)]
)
def test_no_more_functions_are_called_than_asked_for(asker: Account, limits: Json, calls: int):
    call = {"name": "get_weather", "arguments": '{"location": "Zürich"}'}
    script = json.dumps({"call": call, "calls": 2, "messages": 1})
    asked = {"model": "nimbus-001", "input": "Where is it warm?", "tools": [WEATHER], "instructions": script, **limits}
    with v1(asker) as http:
        output = answer(http, asked, stream=True)["output"]
    assert [item["type"] for item in output].count("function_call") == calls


@pytest.mark.parametrize("stream", [False, True], ids=["at-once", "streamed"])
def test_what_a_response_put_out_can_be_put_in(asker: Account, stream: bool):
    """As clients do that keep the conversation themselves: items go back as they came."""
    said = [user("Is it warm?")]
    asked = {"model": "nimbus-001", "tools": [WEATHER], "instructions": CALLS, "store": False}
    with v1(asker) as http:
        output = answer(http, {**asked, "input": said}, stream=stream)["output"]
        call = output[-1]
        result = {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": [{"type": "input_text", "text": "18"}],
        }
        second = answer(http, {**asked, "input": [*said, *output, result]}, stream=stream)
        assert [item["type"] for item in second["output"]] == ["message"]
        refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I can't say."}]}
        again = [*said, *output, result, *second["output"], {"type": "message", **refusal}, *said]
        assert answer(http, {**asked, "input": again}, stream=stream)["output"]


def test_the_openai_sdk_puts_a_stream_together(asker: Account):
    with openai.OpenAI(api_key=asker.key, base_url=f"{asker.front.url}/v1", max_retries=0) as client:
        with client.responses.stream(
            model="nimbus-001", input="Is it warm?", tools=[WEATHER], instructions=CALLS
        ) as told:
            kinds = {event.type for event in told}
            final = told.get_final_response()
        assert {"response.output_text.delta", "response.function_call_arguments.done", "response.completed"} <= kinds
        assert [item.type for item in final.output] == ["message", "function_call"]
        kept = client.responses.retrieve(final.id)
        assert kept.output_text == final.output_text and kept.usage == final.usage


def test_truncation_is_refused_where_it_is_disabled(asker: Account):
    turns = [{"role": role, "content": "word " * 4000} for role in ("user", "assistant")]
    asked = {"model": "nimbus-001", "input": [*turns, {"role": "user", "content": "And?"}]}
    with v1(asker) as http:
        assert check_response(http.post("/responses", json=asked).json())["truncation"] == "auto"
        for more in ({}, {"stream": True}, {"background": True}):
            reply = http.post("/responses", json={**asked, "truncation": "disabled", **more})
            assert reply.status_code == 400 and "truncation" in reply.json()["error"]["message"], reply.text


def test_a_background_response_fits_the_schema_from_its_first_moment(asker: Account):
    with v1(asker) as http:
        begun = answer(http, {"model": "nimbus-001", "input": "Say hello.", "background": True}, stream=False)
        assert (begun["status"], begun["completed_at"]) == ("in_progress", None)
        assert Stream().read(http.get(f"/responses/{begun['id']}?stream=true").text)["id"] == begun["id"]


def v1(account: Account) -> httpx.Client:
    return httpx.Client(
        base_url=f"{account.front.url}/v1",
        headers={"Authorization": f"Bearer {account.key}"},
        timeout=30,
        verify=False,
    )
