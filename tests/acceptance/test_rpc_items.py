"""Items of earlier responses over gRPC: named by their ids, and listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from arcus.v1 import lists_pb2
from arcus.v1 import responses_pb2 as pb
from arcus.v1.responses_pb2_grpc import ResponseServiceStub

from tests.acceptance.live_front import Account, Front


@pytest.fixture
def account(answering: Front) -> Account:
    return answering.account()


@pytest.fixture
def call(account: Account) -> Iterator[Any]:
    with account.channel() as channel:
        stub = ResponseServiceStub(channel)
        yield lambda name, request: getattr(stub, name)(request, metadata=account.metadata, timeout=30)


def ask(call: Any, *messages: pb.InputMessage) -> pb.Response:
    return call("Create", pb.CreateResponseRequest(model="nimbus-001", messages=messages))


def items(call: Any, response_id: str, **page: Any) -> pb.ListInputItemsResponse:
    return call("ListInputItems", pb.ListInputItemsRequest(response_id=response_id, **page))


QUESTION = pb.InputMessage(text="The code word is papaya.")
TURNS = (
    pb.InputMessage(role=pb.ROLE_DEVELOPER, text="Be brief."),
    pb.InputMessage(text="Warm?"),
    pb.InputMessage(function_call=pb.FunctionCall(call_id="c1", name="get_weather", arguments="{}")),
    pb.InputMessage(function_call_output=pb.FunctionCallOutput(call_id="c1", output="18 degrees")),
)


def test_items_of_earlier_responses_are_put_in_by_their_ids(call: Any):
    first = ask(call, QUESTION)
    (asked,) = items(call, first.id).items
    named = [pb.InputMessage(item_reference=id) for id in (asked.id, first.output[0].id)]
    second = ask(call, *named, pb.InputMessage(text="What is it?"))
    told = items(call, second.id, sort=lists_pb2.SORT_ASC).items
    assert [item.message.text for item in told] == [QUESTION.text, first.output[0].content[0].text, "What is it?"]
    assert [item.message.role for item in told] == [pb.ROLE_USER, pb.ROLE_ASSISTANT, pb.ROLE_USER]


def test_input_is_listed_in_pages_as_it_was_sent(call: Any):
    response = ask(call, *TURNS)
    told, after = [], ""
    while True:
        page = items(call, response.id, limit=3, after=after, sort=lists_pb2.SORT_ASC)
        told += page.items
        after = told[-1].id
        if not page.has_more:
            break
    assert len({item.id for item in told}) == len(told) == 4
    sent = [pb.InputMessage(role=turn.role or pb.ROLE_USER, text=turn.text) if turn.text else turn for turn in TURNS]
    assert [item.message for item in told] == sent
    assert [item.id for item in items(call, response.id).items] == [item.id for item in reversed(told)]


@pytest.mark.parametrize(
    ("page", "words"), [({"limit": 101}, "limit"), ({"after": "msg_unknown"}, "there is no item msg_unknown")]
)
def test_a_page_that_can_not_be_is_refused(call: Any, page: dict[str, Any], words: str):
    response = ask(call, QUESTION)
    with pytest.raises(grpc.RpcError, match=words) as refused:
        items(call, response.id, **page)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_nothing_of_another_tenant_is_named_or_listed(answering: Front, call: Any):
    other = answering.account()
    with other.channel() as channel:
        request = pb.CreateResponseRequest(model="nimbus-001", messages=[QUESTION])
        theirs = ResponseServiceStub(channel).Create(request, metadata=other.metadata, timeout=30)
    with pytest.raises(grpc.RpcError, match=r"input\[0\]\.id: there is no item") as refused:
        ask(call, pb.InputMessage(item_reference=theirs.output[0].id), QUESTION)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as refused:
        items(call, theirs.id)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
