import json

import grpc
import pytest
from arcus.v1 import responses_pb2 as pb

from services.nimbus.requests import parse_request
from tests.acceptance.rpc_front import RpcFront, asks, open_front

ENDLESS = json.dumps({"messages": 1000, "interval_seconds": 0.02})
FAILS = json.dumps({"messages": 5, "fail_after": 2})


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


async def test_an_answer_is_given_whole_with_its_citations(front: RpcFront):
    at = await front.described(front.client)
    include = ["cloudglue_citations.media_descriptions"]
    reply = await front.client.responses("Create", asks("What moves the tide?", at.collection_id, include=include))
    (item,) = reply.output
    (part,) = item.content
    assert reply.status == pb.RESPONSE_STATUS_COMPLETED and "word" in part.text
    assert {citation.file_id for citation in part.annotations} == {at.file_id}
    assert {citation.collection_id for citation in part.annotations} == {at.collection_id}
    assert part.annotations[0].speech and part.annotations[0].end_time > part.annotations[0].start_time
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens > 0


async def test_a_stream_tells_the_same_events_as_http(front: RpcFront):
    at = await front.described(front.client)
    request = asks("What moves the tide?", at.collection_id, metadata={"user": "u1"})
    events = [event async for event in front.client.responses("Stream", request)]
    body = {
        "model": "nimbus-001",
        "input": "What moves the tide?",
        "knowledge_base": {"collections": [at.collection_id]},
    }
    told = [event async for event in await front.backend.answers.stream(front.client.tenant_id, parse_request(body))]
    assert [event.type for event in events] == [event["type"] for event in told]
    assert [event.sequence_number for event in events] == [event["sequence_number"] for event in told]
    assert "".join(event.delta for event in events) == "".join(event.get("delta", "") for event in told)
    last = events[-1]
    assert last.type == "response.completed" and last.response.metadata["user"] == "u1"
    assert "".join(event.delta for event in events) == last.response.output[0].content[0].text
    cited = [event.annotation for event in events if event.HasField("annotation")]
    assert list(last.response.output[0].content[0].annotations) == cited != []
    assert await front.client.responses("Get", pb.GetResponseRequest(response_id=last.response.id)) == last.response


async def test_a_cancelled_stream_frees_the_engine_and_is_kept_as_cancelled(front: RpcFront):
    at = await front.described(front.client)
    call = front.client.responses("Stream", asks("What moves the tide?", at.collection_id, script=ENDLESS))
    created = await call.read()
    while (await call.read()).type != "response.output_text.delta":
        pass
    assert front.engine.running == 1
    call.cancel()
    await front.wait_for_requests(front.client, 0)
    await front.wait_for_engine()
    kept = await front.client.responses("Get", pb.GetResponseRequest(response_id=created.response.id))
    assert kept.status == pb.RESPONSE_STATUS_CANCELLED


async def test_a_failure_after_the_first_event_is_the_last_event(front: RpcFront):
    at = await front.described(front.client)
    request = asks("What moves the tide?", at.collection_id, script=FAILS)
    events = [event async for event in front.client.responses("Stream", request)]
    assert events[-1].type == "error" and events[-1].error.message and events[-1].error.code
    failed = await front.client.responses("Get", pb.GetResponseRequest(response_id=events[0].response.id))
    assert failed.status == pb.RESPONSE_STATUS_FAILED and failed.error == events[-1].error
    with pytest.raises(grpc.aio.AioRpcError):
        await front.client.responses("Create", request)


async def test_a_bad_question_fails_before_the_first_event(front: RpcFront):
    for request, code in (
        (asks("What?", "none"), grpc.StatusCode.NOT_FOUND),
        (asks(" "), grpc.StatusCode.INVALID_ARGUMENT),
        (asks("What?", temperature=3), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.CreateResponseRequest(model="gpt"), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await front.client.responses("Stream", request).read()
        assert caught.value.code() is code


async def test_responses_are_listed_and_deleted(front: RpcFront):
    at = await front.described(front.client)
    await front.client.responses("Create", asks("And the moon?", at.collection_id, store=False))
    listed = await front.client.responses("List", pb.ListResponsesRequest(status=pb.RESPONSE_STATUS_COMPLETED))
    assert [(item.id, len(item.output)) for item in listed.responses] == [(at.response_id, 0)]
    for _ in range(2):
        await front.client.responses("Delete", pb.DeleteResponseRequest(response_id=at.response_id))
    assert (await front.client.responses("List", pb.ListResponsesRequest())).total == 0
