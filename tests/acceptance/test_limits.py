"""What clients see of limits: how they stand, when they are refused and until when, at every door."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import grpc
import openai
import pytest
from arcus.v1 import files_pb2, files_pb2_grpc, responses_pb2_grpc
from cloudglue.client.resources.base import CloudglueError
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy import select, update

from services.core.store.limit_tables import limiters
from services.core.store.schema import tenants
from services.core.tenants.plans import CACHE_SECONDS
from tests.acceptance.live_front import Account, Front
from tests.acceptance.rpc_front import asks
from tests.running_system import LECTURE
from tests.waiting import until

ASK = {"model": "nimbus-001", "input": "What is said of tides?"}
BURST = 10**6
MINUTE = {f"x-ratelimit-{part}-requests" for part in ("limit", "remaining", "reset")}


@pytest.fixture
def limited(answering: Front) -> Any:
    """Makes an account with limits."""

    def made(**limits: Any) -> Account:
        account = answering.account()

        async def store() -> None:
            change = update(tenants).where(tenants.c.id == account.tenant_id).values(limits=limits)
            async with answering.backend.database.write() as connection:
                await connection.execute(change)

        answering.call(store())
        return account

    return made


def used(account: Account) -> Any:
    """The tenant's row."""

    async def read() -> Any:
        async with account.front.backend.database.read() as connection:
            return (await connection.execute(select(limiters).where(limiters.c.id == account.tenant_id))).one()

    return account.front.call(read())


def tokens_left(account: Account) -> int:
    with account.http as http:
        return int(http.get("/v1/files").headers["x-ratelimit-remaining-tokens"])


def test_without_limits_nothing_is_told_of_them(answering: Front):
    with answering.account().http as http:
        assert not [name for name in http.get("/v1/files").headers if name.startswith("x-ratelimit")]


def test_how_limits_stand_is_told_with_every_reply_and_when_to_come_back_with_a_refusal(limited):
    with limited(requests_per_minute=2, requests_burst=2).http as http:
        first, second, third = (http.get("/v1/files") for _ in range(3))
    assert [first.headers[f"x-ratelimit-{part}-requests"] for part in ("limit", "remaining")] == ["2", "1"]
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert third.status_code == 429 and third.headers["x-ratelimit-remaining-requests"] == "0"
    assert 25 <= int(third.headers["retry-after"]) <= 30
    assert third.json() == {
        "error": f"This tenant may use 2 requests a minute; try again in {third.headers['retry-after']} s."
    }
    assert third.headers["x-ratelimit-reset-requests"] in ("1m0s", "59s", "58s", "57s", "56s", "55s")


def test_a_refusal_comes_before_the_body(limited):
    account = limited(requests_per_minute=1)
    with account.http as http:
        http.get("/v1/files")
    lines = ["POST /v1/files HTTP/1.1", "Host: x", f"Authorization: Bearer {account.key}"]
    lines += ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000000", "", ""]
    with socket.create_connection(("127.0.0.1", account.front.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 429")


def test_openai_s_client_waits_as_long_as_it_is_told_and_succeeds(limited):
    account = limited(requests_per_minute=6, requests_burst=1)
    client = openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1", max_retries=3)
    assert client.responses.create(**ASK).status == "completed"
    with pytest.raises(openai.RateLimitError) as caught:
        client.with_options(max_retries=0).responses.create(**ASK)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
    assert set(caught.value.response.headers) >= MINUTE
    began = time.monotonic()
    assert client.responses.create(**ASK).status == "completed"
    assert time.monotonic() - began >= 0.5, "it was not refused once"


def test_grpc_tells_the_same(limited):
    account = limited(requests_per_minute=2, requests_burst=1)
    with account.channel() as channel:
        list_files = files_pb2_grpc.FileServiceStub(channel).List
        list_files(files_pb2.ListFilesRequest(), metadata=account.metadata)
        with pytest.raises(grpc.RpcError) as caught:
            list_files(files_pb2.ListFilesRequest(), metadata=account.metadata)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told = rpc_status.from_call(caught.value)
    retry = error_details_pb2.RetryInfo()
    assert [detail.Unpack(retry) for detail in told.details] == [False, True]
    assert 25 <= retry.retry_delay.seconds <= 30


@pytest.mark.parametrize("door", ["whole", "streamed", "chat", "background", "grpc"])
def test_an_answer_is_charged_what_the_engine_counted(limited, door: str):
    account = limited(tokens_per_minute=1, tokens_burst=BURST, requests_in_progress=2)  # next to nothing comes back
    body = ASK | {"instructions": json.dumps({"messages": 3, "tokens_per_message": 5})}
    with account.http as http:
        if door == "grpc":
            with account.channel() as channel:
                stub = responses_pb2_grpc.ResponseServiceStub(channel)
                usage = stub.Create(asks("tides?", script=body["instructions"]), metadata=account.metadata).usage
                counted = usage.input_tokens + usage.output_tokens
        elif door == "chat":
            messages = [{"role": "user", "content": "tides?"}]
            reply = http.post("/v1/chat/completions", json={"model": "nimbus-001", "messages": messages}).json()
            counted = reply["usage"]["total_tokens"]
        elif door == "streamed":
            text = http.post("/v1/responses", json=body | {"stream": True}).text
            last = json.loads(text.split("data: ")[-2].strip())
            counted = last["response"]["usage"]["total_tokens"]
        else:
            reply = http.post("/v1/responses", json=body | {"background": door == "background"}).json()
            until(lambda: http.get(f"/v1/responses/{reply['id']}").json()["status"] == "completed", "it ends")
            counted = http.get(f"/v1/responses/{reply['id']}").json()["usage"]["total_tokens"]
    assert counted > 0
    until(lambda: used(account).in_progress == {}, "all is settled")
    assert BURST - tokens_left(account) == counted


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_who_goes_away_gives_back_the_place_and_what_was_not_written(limited, door: str):
    account = limited(requests_in_progress=1, tokens_per_minute=1, tokens_burst=BURST)
    script = json.dumps({"messages": 1000, "interval_seconds": 0.05})
    if door == "http":
        with (
            account.http as http,
            http.stream("POST", "/v1/responses", json=ASK | {"instructions": script, "stream": True}) as s,
        ):
            lines = s.iter_lines()  # kept: httpx closes the connection of an iterator that is dropped
            next(lines)
            with account.http as other:
                refused = other.get("/v1/files")
                assert refused.status_code == 429 and "in progress" in refused.json()["error"]
    else:
        with account.channel() as channel:
            stub = responses_pb2_grpc.ResponseServiceStub(channel)
            call = stub.Stream(asks("tides?", script=script), metadata=account.metadata)
            next(iter(call))
            call.cancel()
    until(lambda: used(account).in_progress == {}, "the place is given back")
    assert 0 < BURST - tokens_left(account) < 2000, "what was reserved is given back, what was written is not"


def test_who_may_have_one_request_at_a_time_may_send_the_next_as_soon_as_one_has_ended(limited):
    with limited(requests_in_progress=1).http as http:
        assert [http.get("/v1/files").status_code for _ in range(20)] == [200] * 20
        assert [http.post("/v1/responses", json=ASK).status_code for _ in range(3)] == [200] * 3


def test_a_background_response_holds_the_place_of_its_request_until_it_ends(limited):
    account = limited(requests_in_progress=1)
    slow = ASK | {"instructions": json.dumps({"messages": 1000, "interval_seconds": 0.05}), "background": True}
    with account.http as http:
        begun = http.post("/v1/responses", json=slow)
        assert begun.status_code == 200
        assert http.get("/v1/files").status_code == 429
        account.front.call(account.front.backend.answers.cancel(account.tenant_id, begun.json()["id"]))
        until(lambda: http.get("/v1/files").status_code == 200, "the place is given back")


def test_limits_that_are_changed_hold_within_seconds(limited):
    account = limited()
    with account.http as http:
        assert http.get("/v1/files").status_code == 200

        async def limit() -> None:
            async with account.front.backend.database.write() as connection:
                change = update(tenants).where(tenants.c.id == account.tenant_id)
                await connection.execute(change.values(limits={"requests_per_minute": 1}))

        account.front.call(limit())
        until(lambda: http.get("/v1/files").status_code == 429, "it is refused", 30 + CACHE_SECONDS)


@pytest.mark.parametrize(("limit", "status"), [("stored_bytes", 402), ("video_seconds_per_day", 509)])
def test_what_is_used_up_is_told_to_every_client_in_its_words_before_the_body(limited, limit: str, status: int):
    account = limited(**{limit: 0})
    with pytest.raises(CloudglueError) as told:
        account.sdk.files.upload(str(LECTURE), wait_until_finish=False)
    assert told.value.status_code == status and "This tenant may" in str(told.value)
    client = openai.OpenAI(api_key=account.key, base_url=f"{account.front.url}/v1", max_retries=2)
    with pytest.raises(openai.APIStatusError) as caught:
        client.files.create(file=LECTURE, purpose="user_data")
    assert (caught.value.status_code, caught.value.code, caught.value.type) == (status, *["insufficient_quota"] * 2)
    assert ("retry-after" in caught.value.response.headers) == (status == 509)
    lines = ["POST /v1/files HTTP/1.1", "Host: x", f"Authorization: Bearer {account.key}"]
    lines += ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000000", "", ""]
    with socket.create_connection(("127.0.0.1", account.front.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 %d" % status)
    with account.channel() as channel:
        header = files_pb2.UploadRequest(header=files_pb2.UploadHeader(filename="a.mp4"))
        with pytest.raises(grpc.RpcError) as refused:
            files_pb2_grpc.FileServiceStub(channel).Upload(iter([header]), metadata=account.metadata)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with account.http as http:
        assert http.get("/v1/files").json()["total"] == 0
