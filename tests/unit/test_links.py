"""Links lead to this service, whatever a client calls it."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from starlette.requests import Request

from services.rest.addresses import asked_address


def asked(host: str, allowed: str = "", server: tuple[str, int] = ("127.0.0.1", 8080)) -> str:
    scope: Any = {"type": "http", "scheme": "http", "path": "/", "server": server, "query_string": b""}
    return asked_address(Request(scope | {"headers": [(b"host", host.encode())]}), allowed)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1:9999", "127.0.0.1:8080@evil.example", "", "x/y", "[::1"]
)
def test_a_host_that_is_not_ours_is_in_no_link(host: str):
    assert asked(host) == "http://127.0.0.1:8080"


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", f"{socket.gethostname().lower()}:8080"])
def test_a_host_of_this_machine_is_kept(host: str):
    assert asked(host) == f"http://{host}"


@pytest.mark.parametrize("host", ["arcus.example", "arcus.example:443", "ARCUS.example"])
def test_a_host_that_is_allowed_is_kept(host: str):
    assert asked(host, "other.example, arcus.example") == f"http://{host.lower()}"


def test_a_loopback_name_is_ours_only_on_loopback():
    assert asked("localhost:8080", server=("10.0.0.1", 8080)) == "http://10.0.0.1:8080"
