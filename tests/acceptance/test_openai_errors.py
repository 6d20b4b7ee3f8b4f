"""Every kind of failure, told to both families of SDK: text for Cloudglue's, OpenAI's error object for all others."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest
import uvicorn
from cloudglue.sdk.exceptions import ApiException

from services.rest.app import create_app
from tests.acceptance.live_front import Account, Front, from_elsewhere, front_settings

ASK = {"model": "nimbus-001", "input": "why?"}
NEW = {"name": "twice", "collection_type": "media-descriptions"}
LIMIT = 4  # requests in progress
BAD, SERVER = "invalid_request_error", "server_error"

CLIENTS = [  # what a client says of itself, and whether it then reads objects
    ({}, True),
    ({"User-Agent": "curl/8.5.0"}, True),
    ({"User-Agent": "ai/6.0.326 ai-sdk/provider-utils/4.0.66 runtime/node.js/v20"}, True),
    ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}, True),
    ({"User-Agent": "OpenAPI-Generator/1.0.0/python"}, False),
    ({"User-Agent": "OpenAI/Python 3.54.0"}, True),
    ({"User-Agent": "AsyncOpenAI/Python 3.54.0"}, True),
    ({"User-Agent": "OpenAI/JS 6.1.0", "X-Stainless-Lang": "js"}, True),
    ({"User-Agent": "a name of its own", "X-Stainless-Lang": "python"}, True),
    ({"User-Agent": "ai-sdk/openai/3.0.1"}, True),
    ({"User-Agent": "OpenAI/Python 3.54.0", "X-SDK-Client": "cloudglue-python"}, False),
    ({"X-SDK-Client": "cloudglue-js", "X-Stainless-Lang": "js"}, False),
]
# What is asked, OpenAI's exception, and the status, type, code and param of the failure.
FAILURES = [
    ("POST", "/responses", {**ASK, "model": "gpt-5"}, openai.BadRequestError, 400, BAD, "model_not_found", "model"),
    ("POST", "/responses", {**ASK, "input": 5}, openai.BadRequestError, 400, BAD, "invalid_value", "input"),
    (
        *("POST", "/responses", {**ASK, "input": [{"role": "robot", "content": "x"}]}),
        *(openai.BadRequestError, 400, BAD, "invalid_value", "input[0].role"),
    ),
    (
        *("POST", "/responses", {**ASK, "stream": True, "knowledge_base": {"collections": []}}),
        *(openai.BadRequestError, 400, BAD, "invalid_value", "knowledge_base.collections"),
    ),
    ("GET", "/files?limit=0", None, openai.BadRequestError, 400, BAD, "invalid_value", "limit"),
    ("POST", "/collections", {"name": "c"}, openai.BadRequestError, 400, BAD, "invalid_value", "collection_type"),
    ("POST", "/responses", ["x"], openai.BadRequestError, 400, BAD, "invalid_value", None),
    ("GET", "/files/unknown", None, openai.NotFoundError, 404, BAD, "not_found", None),
    ("GET", "/models/gpt-5", None, openai.NotFoundError, 404, BAD, "not_found", None),
    (
        *("POST", "/responses", {**ASK, "previous_response_id": "resp_unknown"}),
        *(openai.NotFoundError, 404, BAD, "previous_response_not_found", "previous_response_id"),
    ),
    ("POST", "/embeddings", {"input": "x"}, openai.NotFoundError, 404, BAD, "not_found", None),
    ("PATCH", "/files", {}, openai.APIStatusError, 405, BAD, "method_not_allowed", None),
    ("POST", "/collections", NEW, openai.ConflictError, 409, BAD, "already_exists", "name"),
    (
        "POST",
        "/responses",
        {**ASK, "input": "x" * 9 * 1024**2},
        openai.APIStatusError,
        413,
        BAD,
        "request_too_large",
        None,
    ),
    ("POST", "/broken", {}, openai.InternalServerError, 500, SERVER, "internal", None),
    ("POST", "/responses", ASK, openai.InternalServerError, 503, SERVER, "engine_unavailable", None),
]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account of a front without an engine, with one route that breaks. Its collection `twice` is there already."""
    folder = tmp_path_factory.mktemp("arcus")
    running = Front(front_settings(folder, engine_address="127.0.0.1:1", max_requests_per_tenant=LIMIT)).start()
    server, task, running.url = running.call(_serve_with_broken_route(running))
    account = running.account()
    account.sdk.collections.create(**NEW)
    yield account
    server.should_exit = True
    running.call(asyncio.wait_for(asyncio.shield(task), 20))
    running.stop()


async def _serve_with_broken_route(running: Front) -> tuple[uvicorn.Server, asyncio.Task[None], str]:
    app = create_app(running.backend)

    @app.post("/v1/broken")
    async def broken() -> None:
        raise RuntimeError("a secret of the server")

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=2))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    return server, task, f"http://127.0.0.1:{listener.getsockname()[1]}"


def openai_of(account: Account, **settings: Any) -> openai.OpenAI:
    settings = {"api_key": account.key, "base_url": f"{account.front.url}/v1", "max_retries": 0} | settings
    return openai.OpenAI(**settings)


def told_to_cloudglue(account: Account, method: str, path: str, body: Any) -> ApiException:
    """What the Cloudglue SDK raises for a request that may have no method of its own there."""
    sdk = account.sdk.api_client
    sent = sdk.param_serialize(method, path, body=body, auth_settings=["bearerAuth"])
    reply = sdk.call_api(*sent)
    reply.read()
    with pytest.raises(ApiException) as failure:
        sdk.response_deserialize(reply, {"4XX": "Error", "5XX": "Error"})
    return failure.value


def check_object(error: openai.APIStatusError, status: int, type: str, code: str, param: str | None) -> None:
    body = error.body
    assert isinstance(body, dict) and set(body) == {"message", "type", "param", "code"}, body
    assert (error.status_code, error.type, error.code, error.param) == (status, type, code, param)
    assert len(body["message"].split()) >= 2 and body["message"] in str(error)
    assert re.fullmatch(r"req_[0-9a-f]{32}", error.request_id or "")
    assert "secret" not in body["message"]


@pytest.mark.parametrize(("headers", "reads_objects"), CLIENTS)
def test_the_form_of_an_error_follows_from_what_the_client_says_of_itself(at: Account, headers, reads_objects):
    with at.http as http:
        del http.headers["X-SDK-Client"]
        error = http.get("/v1/files/unknown", headers=headers).json()["error"]
    assert (error["message"] if reads_objects else error) == "File not found: unknown"


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "type", "code", "param"),
    FAILURES,
    ids=[f"{row[4]}-{row[7] or row[1].split('/')[1]}" for row in FAILURES],
)
def test_a_failure_is_told_to_both_kinds_of_sdk(at: Account, method, path, body, kind, status, type, code, param):
    with openai_of(at) as client, pytest.raises(kind) as raised:
        getattr(client, method.lower())(path, cast_to=object, **({} if body is None else {"body": body}))
    check_object(raised.value, status, type, code, param)
    told = told_to_cloudglue(at, method, path, body)
    assert told.status == status and told.data.error == raised.value.body["message"]
    assert told.headers["x-request-id"] != raised.value.request_id


def test_a_wrong_key_is_an_authentication_error(at: Account):
    with openai_of(at, api_key="cg-wrong") as client, pytest.raises(openai.AuthenticationError) as raised:
        client.models.list()
    check_object(raised.value, 401, BAD, "invalid_api_key", None)
    assert raised.value.response.headers["www-authenticate"] == "Bearer"
    told = told_to_cloudglue(Account(at.front, "cg-wrong", ""), "GET", "/models", None)
    assert (told.status, told.data.error) == (401, raised.value.body["message"])


def test_every_route_tells_each_client_what_it_reads(at: Account):
    """What no key opens, and bodies that are no JSON, on every route of the document."""
    with at.http as http:
        del http.headers["X-SDK-Client"]
        paths = http.get("/openapi.json", timeout=60).json()["paths"]
        asked = [
            (method, re.sub(r"{[^}]+}", "unknown", path), "requestBody" in operation)
            for path, methods in paths.items()
            for method, operation in methods.items()
            if "security" in operation and path.startswith("/v1/")  # no SDK knows the administration
        ]
        assert len(asked) > 40
        for method, path, has_body in asked:
            for headers, form in (({"User-Agent": "OpenAI/Python 3.54.0"}, dict), ({"X-SDK-Client": "x"}, str)):
                wrong_key = {**headers, **from_elsewhere(), "Authorization": "Bearer cg-wrong"}
                refused = http.request(method, path, headers=wrong_key)
                assert (refused.status_code, type(refused.json()["error"])) == (401, form), path
                if has_body:
                    wrong = http.request(method, path, headers=headers, content=b"{")
                    assert (wrong.status_code, type(wrong.json()["error"])) == (400, form), (path, wrong.text)


def test_a_file_of_another_kind_is_refused_to_both(at: Account, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<html></html>")
    with openai_of(at) as client, pytest.raises(openai.APIStatusError) as raised:
        client.files.create(file=page, purpose="user_data")
    check_object(raised.value, 415, BAD, "unsupported_file", "file")
    with pytest.raises(Exception, match=r"\(415\)") as told:
        at.sdk.files.upload(str(page))
    assert told.value.data.error == raised.value.body["message"]


def test_a_full_account_is_told_when_to_come_back(at: Account):
    head = (
        f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {at.key}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    )
    port = int(at.front.url.rpartition(":")[2])
    with ExitStack() as stack:
        for _ in range(LIMIT):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # its route is waiting for the body
        with openai_of(at) as client, pytest.raises(openai.RateLimitError) as raised:
            client.files.create(file=("talk.mp4", b"x"), purpose="user_data")
        check_object(raised.value, 429, "requests", "rate_limit_exceeded", None)
        told = told_to_cloudglue(at, "POST", "/files", {})
        assert (told.status, told.data.error) == (429, raised.value.body["message"])
        assert raised.value.response.headers["retry-after"] == told.headers["retry-after"] == "1"


async def test_the_asynchronous_client_reads_the_object_too(at: Account):
    async with openai.AsyncOpenAI(api_key=at.key, base_url=f"{at.front.url}/v1", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as raised:
            await client.responses.create(model="gpt-5", input="x")
    check_object(raised.value, 400, BAD, "model_not_found", "model")


def test_every_reply_has_a_request_id_where_openai_looks_for_it(at: Account):
    with openai_of(at) as client:
        ids = {client.models.list()._request_id, client.models.retrieve("nimbus-001")._request_id}
    with at.http as http:
        ids |= {http.get(path).headers["x-request-id"] for path in ("/healthz", "/v1/files", "/nothing")}
    assert len(ids) == 5 and all(re.fullmatch(r"req_[0-9a-f]{32}", id or "") for id in ids)


def test_a_failure_after_the_first_event_is_raised_and_kept(answering: Front):
    account = answering.account()
    asked = {**ASK, "instructions": json.dumps({"fail_after": 2, "fail_reason": "ENGINE_UNAVAILABLE"})}
    with openai_of(account) as client:
        seen: list[Any] = []
        with pytest.raises(openai.APIError) as raised, client.responses.create(**asked, stream=True) as stream:
            request_id = stream.response.headers["x-request-id"]
            seen.extend(stream)
        error = raised.value
        assert error.message == "The script says to fail here."
        assert (error.type, error.code) == (SERVER, "engine_unavailable")
        assert not isinstance(error, openai.APIStatusError) and request_id.startswith("req_")
        assert seen[0].type == "response.created" and seen[-1].type == "response.output_text.delta"
        kept = client.responses.retrieve(seen[0].response.id)
        assert kept.status == "failed" and kept.error is not None and kept._request_id
        assert (kept.error.message, kept.error.code) == (error.message, error.code)
        assert kept.output_text == "".join(event.delta for event in seen if event.type.endswith("text.delta"))
        with pytest.raises(openai.InternalServerError) as at_once:  # not streamed: the status itself
            client.responses.create(**asked)
        check_object(at_once.value, 503, SERVER, "engine_unavailable", None)
    *_, last, done = account.sdk.responses.create(use_default_index=True, **asked, stream=True)
    assert (last["data"]["error"]["message"], done["data"]) == (error.message, "[DONE]")
