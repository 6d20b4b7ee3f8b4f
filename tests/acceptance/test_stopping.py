"""What a front that stops has not ended goes on at another where it can be followed, and says that it does not elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.folding import fold
from tests.acceptance.live_front import Account, Front, front_settings
from tests.acceptance.scripted_server import HeldEngine, ScriptedServer
from tests.waiting import until

SCRIPT = json.dumps({"messages": 8, "interval_seconds": 0.2})
ASKED = {"model": "nimbus-001", "input": "What?", "instructions": SCRIPT}
MESSAGES = [{"role": "system", "content": SCRIPT}, {"role": "user", "content": "What?"}]
CHAT = {"model": "nimbus-001", "messages": MESSAGES, "stream": True}


@pytest.fixture
def fronts(tmp_path: Path) -> Iterator[tuple[Front, Front]]:
    common = front_settings(tmp_path)
    first = Front(common, ScriptedServer(HeldEngine())).start()
    second = Front(common.model_copy(update={"engine_address": first.engine_address})).start()
    yield first, second
    second.stop()
    first.stop()


def told(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.status_code == 200, reply.text
    return [json.loads(line[6:]) for line in reply.text.split("\n") if line.startswith("data: {")]


def test_what_a_stopping_front_has_not_ended_is_gone_on_with_or_refused(fronts: tuple[Front, Front]) -> None:
    account = fronts[0].account()
    elsewhere = Account(fronts[1], account.key, account.tenant_id).http
    server = fronts[0].engine
    assert server is not None and isinstance(server.engine, HeldEngine)
    engine = server.engine

    def ask(path: str, body: dict[str, Any]) -> httpx.Response:
        with account.http as http:
            return http.post(path, json=body)

    with ThreadPoolExecutor(4) as pool, elsewhere:
        kept, unkept, whole, chat = (
            pool.submit(ask, path, body)
            for path, body in (
                ("/v1/responses", ASKED | {"stream": True}),
                ("/v1/responses", ASKED | {"stream": True, "store": False}),
                ("/v1/responses", ASKED),
                ("/v1/chat/completions", CHAT),
            )
        )
        try:
            until(lambda: engine.running == 4 and engine.chunks >= 20, "all are being written")
            fronts[0].call(fronts[0].backend.answers.stop())
        finally:
            fronts[0].loop.call_soon_threadsafe(engine.let_go.set)
        *events, last = told(kept.result())
        assert (last["type"], last["code"]) == ("error", "server_stopping")
        assert last["sequence_number"] == events[-1]["sequence_number"]
        id = events[0]["response"]["id"]
        rest = elsewhere.get(f"/v1/responses/{id}?stream=true&starting_after={last['sequence_number']}")
        body = fold([*events, *told(rest)])
        assert body == elsewhere.get(f"/v1/responses/{id}").json()
        assert body["status"] == "completed" and body["output"][0]["content"][0]["text"].split() == ["word"] * 32
        *events, last = told(unkept.result())
        assert (last["code"], last["sequence_number"]) == ("server_stopping", len(events))
        assert told(chat.result())[-1]["error"]["code"] == "server_stopping"
        assert (whole.result().status_code, whole.result().headers["retry-after"]) == (503, "1")
        refused = ask("/v1/responses", ASKED)
        assert refused.status_code == 503, "nothing is begun any more"
