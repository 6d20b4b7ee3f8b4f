"""What a tenant is told that it used is what the engine counted, however its answers ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import ScriptedServer
from tests.waiting import until

TOKENS = 4  # of each chunk of the script


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A front whose engine nobody else asks."""
    running = Front(front_settings(tmp_path_factory.mktemp("usage")), ScriptedServer()).start()
    yield running
    running.stop()


def asks(script: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "nimbus-001", "input": "What is said?", "instructions": json.dumps(script), **more}


def chats(script: dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": json.dumps(script)}, {"role": "user", "content": "What is said?"}]
    return {"model": "nimbus-001", "messages": messages, **more}


def used(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    return http.get("/v1/usage", params=query).raise_for_status().json()["data"]


def output_tokens(http: httpx.Client) -> int:
    return sum(bucket["output_tokens"] for bucket in used(http, group_by="kind") if bucket["kind"] == "response")


def test_what_is_told_is_what_the_engine_counted(counting: Front) -> None:
    account, engine = counting.account(), counting.engine.engine  # type: ignore[union-attr]
    began = engine.chunks
    short, failing = {"messages": 5}, {"messages": 9, "fail_after": 3}
    with account.http as http:
        for body in (asks(short), asks(short, store=False), asks(failing, stream=True), asks(short, stream=True)):
            assert http.post("/v1/responses", json=body).status_code == 200
        assert http.post("/v1/responses", json=asks(short, background=True)).status_code == 200
        for body in (chats(short), chats(short, store=False), chats(short, stream=True)):
            assert http.post("/v1/chat/completions", json=body).status_code == 200
        until(lambda: output_tokens(http) == TOKENS * (engine.chunks - began) == TOKENS * 38, "all of it is told")
        (bucket,) = used(http, group_by=["key", "model"])
        assert (bucket["records"], bucket["model"], bucket["tenant_id"]) == (8, "nimbus-001", None)
        caller = counting.call(counting.backend.keys.authenticate(account.key))
        assert bucket["key_id"] == caller.key_id and bucket["input_tokens"] > 0


@pytest.mark.parametrize("kept", [True, False])
def test_an_answer_that_its_client_leaves_counts_with_what_was_written(counting: Front, kept: bool) -> None:
    account, engine = counting.account(), counting.engine.engine  # type: ignore[union-attr]
    began, read = engine.chunks, 0
    body = asks({"messages": 10_000, "interval_seconds": 0.01}, stream=True, store=kept)
    with account.http as http:
        with http.stream("POST", "/v1/responses", json=body) as reply:
            for line in reply.iter_lines():
                read += "output_text.delta" in line and line.startswith("data: ")
                if read == 5:
                    break
        until(lambda: engine.running == 0, "the engine stops")
        until(lambda: output_tokens(http) > 0, "it is told")
        assert TOKENS * read <= output_tokens(http) <= TOKENS * (engine.chunks - began)


def test_admins_are_told_of_all_tenants_and_tenants_of_themselves(counting: Front) -> None:
    accounts = [counting.account() for _ in range(2)]
    for account in accounts:
        with account.http as http:
            http.post("/v1/responses", json=asks({"messages": 2})).raise_for_status()
            (mine,) = used(http, group_by="tenant")
            assert (mine["tenant_id"], mine["output_tokens"]) == (account.tenant_id, 2 * TOKENS)
            assert used(http, tenant_id=accounts[0].tenant_id) == used(http), "is no parameter of it"
    admin_key, _ = counting.call(counting.backend.admin_keys.create("of the test"))
    with httpx.Client(base_url=counting.url, headers={"Authorization": f"Bearer {admin_key}"}, timeout=60) as admin:
        reply = admin.get("/admin/v1/usage", params={"group_by": "tenant"}).raise_for_status().json()
        assert {account.tenant_id for account in accounts} <= {bucket["tenant_id"] for bucket in reply["data"]}
        one = admin.get("/admin/v1/usage", params={"tenant_id": accounts[0].tenant_id}).json()["data"]
        assert [bucket["output_tokens"] for bucket in one] == [2 * TOKENS]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"bucket_width": "2d"}, "bucket_width must be one of: 1m, 1h, 1d"),
        ({"group_by": "file"}, "group_by must be of: tenant, key, model, kind"),
        ({"start_time": -1}, "start_time"),
        ({"end_time": "yesterday"}, "end_time"),
        ({"limit": 101}, "limit"),
    ],
)
def test_bad_input_says_what_to_change(account: Account, query: dict[str, Any], words: str) -> None:
    with account.http as http:
        reply = http.get("/v1/usage", params=query)
        assert reply.status_code == 400 and words in reply.json()["error"], reply.text
