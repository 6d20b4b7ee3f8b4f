"""Items of earlier responses by their ids, what a response was asked, and lists whose pages OpenAI's clients turn."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.acceptance.live_front import Account, Front, openai_client
from tests.acceptance.open_responses import WEATHER

SCRIPT = json.dumps({"call": {"name": "get_weather", "arguments": '{"location": "Rome"}'}, "messages": 2})
ASKED: dict[str, Any] = {"model": "nimbus-001"}


def client_of(account: Account) -> openai.OpenAI:
    return openai_client(account.front.url, account.key)


@pytest.fixture
def client(answering: Front):
    with client_of(answering.account()) as client:
        yield client


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": text}


def reference(id: str) -> dict[str, Any]:
    return {"type": "item_reference", "id": id}


def test_what_a_response_put_out_is_put_in_by_its_id(client: openai.OpenAI):
    first = client.responses.create(**ASKED, input="Is it warm?", tools=[WEATHER], instructions=SCRIPT)
    message, call = first.output
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
    named = [user("Is it warm?"), reference(message.id), reference(call.id), output]
    whole = [user("Is it warm?"), message.to_dict(), call.to_dict(), output]
    by_id, as_it_came = (client.responses.create(**ASKED, input=input) for input in (named, whole))
    assert by_id.usage.input_tokens == as_it_came.usage.input_tokens  # the engine was shown the same
    told = client.responses.input_items.list(by_id.id, order="asc").data
    assert [item.type for item in told] == ["message", "message", "function_call", "function_call_output"]
    assert told[1].content[0].text == first.output_text


@pytest.mark.parametrize("how", [{}, {"stream": True}, {"background": True}, {"store": False}])
def test_a_reference_means_the_same_in_every_kind_of_response(client: openai.OpenAI, how: dict[str, Any]):
    first = client.responses.create(**ASKED, input="Say hello.")
    reply = client.responses.create(**ASKED, input=[reference(first.output[0].id), user("Again?")], **how)
    response = list(reply)[-1].response if how.get("stream") else reply
    assert response.status in ("completed", "in_progress") and response.error is None


def test_input_is_referred_to_as_well_and_outlives_what_it_was_taken_from(client: openai.OpenAI):
    first = client.responses.create(**ASKED, input="The code word is papaya.")
    (asked,) = client.responses.input_items.list(first.id).data
    second = client.responses.create(**ASKED, input=[reference(asked.id), user("What is it?")])
    client.responses.delete(first.id)
    third = client.responses.create(**ASKED, input="And now?", previous_response_id=second.id)
    assert third.usage.input_tokens > second.usage.input_tokens
    items = client.responses.input_items.list(second.id, order="asc").data
    assert [item.content[0].text for item in items] == ["The code word is papaya.", "What is it?"]


def test_what_no_response_of_the_account_has_is_refused_by_its_place(answering: Front, client: openai.OpenAI):
    with client_of(answering.account()) as other:
        theirs = other.responses.create(**ASKED, input="Say hello.").output[0].id
    lost = client.responses.create(**ASKED, input="Say hello.", store=False).output[0].id
    for id in (theirs, lost, "msg_unknown", "msg_" + "0" * 32, "rs_" + "f" * 32 + "_7", "é"):
        with pytest.raises(openai.BadRequestError, match="no item") as refused:
            client.responses.create(**ASKED, input=[user("a"), reference(id), user("b")])
        assert refused.value.param == "input[1].id"


def test_a_reference_may_be_the_last_item_where_it_is_a_question(client: openai.OpenAI):
    first = client.responses.create(**ASKED, input="Say hello.")
    (asked,) = client.responses.input_items.list(first.id).data
    assert client.responses.create(**ASKED, input=[reference(asked.id)]).status == "completed"
    with pytest.raises(openai.BadRequestError, match="must end with"):
        client.responses.create(**ASKED, input=[user("a"), reference(first.output[0].id)])


def test_pages_of_input_end_and_hold_every_item_once(client: openai.OpenAI):
    input = [item for number in range(5) for item in (user(f"q{number}"), {"role": "assistant", "content": "a"})]
    response = client.responses.create(**ASKED, input=[*input, user("last")])
    for order in ("asc", "desc"):
        items = list(client.responses.input_items.list(response.id, limit=3, order=order))
        assert len({item.id for item in items}) == len(items) == 11
        assert items[0 if order == "desc" else -1].content[0].text == "last"
    with pytest.raises(openai.BadRequestError):
        client.responses.input_items.list(response.id, after="msg_unknown")
    with pytest.raises(openai.NotFoundError):
        client.responses.input_items.list("unknown")


def test_lists_end_and_hold_everything_once_while_they_grow(client: openai.OpenAI):
    def upload(number: int) -> str:
        return client.files.create(file=(f"{number}.mp4", b"\0\0\0\x18ftypmp42" + bytes(50)), purpose="user_data").id

    ids = [upload(number) for number in range(7)]
    seen = []
    for file in client.files.list(limit=3):
        if len(seen) == 3:
            upload(7)  # newest first: what comes now is before all that is still to be told
        seen.append(file.id)
    assert seen == ids[::-1]
    assert [file.id for file in client.files.list(limit=3, order="asc")][:7] == ids
    assert len(list(client.files.list())) == 8
    with pytest.raises(openai.NotFoundError):
        client.files.list(after="unknown")
    page: Any = client.get("/files", cast_to=object, options={"params": {"limit": 3}})
    assert (page["has_more"], page["first_id"], page["last_id"]) == (True, page["data"][0]["id"], page["data"][2]["id"])


def test_chat_completions_are_listed_by_cursor(client: openai.OpenAI):
    ask = {**ASKED, "messages": [{"role": "user", "content": "Say hello."}], "store": True}
    made = [client.chat.completions.create(**ask).id for _ in range(5)]
    assert [item.id for item in client.chat.completions.list(limit=2)] == made[::-1]
    assert [item.id for item in client.chat.completions.list(limit=2, order="asc")] == made
