"""What a key may do on each route and call: every one with keys of one scope each."""

from __future__ import annotations

import re
from itertools import product

import grpc
import httpx
import pytest
from google.protobuf import descriptor_pool

from services.core.tenants.scopes import Scope
from services.rpc.gate import ADMIN
from services.rpc.scopes import SCOPES
from services.rpc.server import SERVICES
from tests.acceptance.live_front import Account, Front
from tests.acceptance.test_isolation import OPEN

ANSWERS = ("/v1/responses", "/v1/chat/", "/v1/search")


@pytest.fixture
def keys(front: Front, account: Account) -> dict[Scope, str]:
    """One of each scope, of one tenant."""
    issue = front.backend.keys.issue
    return {scope: front.call(issue(account.tenant_id, scopes=frozenset({scope})))[0] for scope in Scope}


def scope_needed(method: str, path: str) -> Scope:
    if method == "GET":
        return Scope.READ
    return Scope.ASK if path.startswith(ANSWERS) else Scope.INGEST


def test_every_route_takes_the_scope_that_it_needs_and_no_other(front: Front, keys: dict[Scope, str]) -> None:
    document = httpx.get(f"{front.url}/openapi.json", timeout=60).json()
    routes = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods} - OPEN
    routes = {route for route in routes if " /v1/" in route}
    assert len(routes) > 40
    with httpx.Client(base_url=front.url, timeout=60) as http:
        for route, (scope, key) in product(sorted(routes), keys.items()):
            method, path = route.split(" ")
            reply = http.request(method, re.sub(r"{\w+}", "x", path), headers={"Authorization": f"Bearer {key}"})
            refused = reply.status_code == 403
            assert refused == (scope is not scope_needed(method, path)), (route, scope, reply.text)
            if refused:
                message = reply.json()["error"]["message"]
                assert f"needs a key with the scope {scope_needed(method, path)}" in message and scope in message


def test_what_no_table_names_needs_every_scope(front: Front, account: Account, keys: dict[Scope, str]) -> None:
    for key, status in ((keys[Scope.READ], 403), (account.key, 404)):
        reply = httpx.get(f"{front.url}/v1/nothing", headers={"Authorization": f"Bearer {key}"})
        assert reply.status_code == status


def test_every_call_of_grpc_takes_the_scope_that_it_needs_and_no_other(front: Front, keys: dict[Scope, str]) -> None:
    pool = descriptor_pool.Default()
    services = [pool.FindServiceByName(name) for name in SERVICES if f"/{name}/" != ADMIN]
    methods = [method for service in services for method in service.methods]
    assert {f"/{method.containing_service.full_name}/{method.name}" for method in methods} == set(SCOPES)
    with grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
        for method in methods:
            path = f"/{method.containing_service.full_name}/{method.name}"
            form = ("unary", "stream")[method.client_streaming], ("unary", "stream")[method.server_streaming]
            call = getattr(channel, "_".join(form))(path)
            for scope, key in keys.items():
                metadata = [("authorization", f"Bearer {key}")]
                try:
                    reply = call(iter([b""]) if method.client_streaming else b"", metadata=metadata, timeout=30)
                    if method.server_streaming:
                        list(reply)
                    code = grpc.StatusCode.OK
                except grpc.RpcError as error:
                    code = error.code()  # type: ignore[attr-defined]
                refused = code is grpc.StatusCode.PERMISSION_DENIED
                assert refused == (scope is not SCOPES[path]), (path, scope, code)
