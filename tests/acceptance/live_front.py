"""A front on real sockets, HTTP and gRPC, and the accounts that talk to it."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import threading
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx
import openai
import uvloop
from cloudglue import Cloudglue

from services.core.settings import Settings
from services.nimbus.backend import Backend, open_backend
from services.rest.app import create_app
from services.rest.connections import Patience, http_server, listen
from services.rpc.server import create_server
from tests.acceptance.scripted_server import ScriptedServer
from tests.migrated import copy_migrated

START_SECONDS = 180  # a hang guard: other work may run


def front_settings(folder: Path, **more: Any) -> Settings:
    """Of a front whose data are in the folder, which has a migrated database from the start."""
    if not more.get("database_url"):
        copy_migrated(folder / "arcus.db")
    return Settings(
        data_dir=folder,
        engine_secret="a-secret-of-the-tests",  # type: ignore[arg-type]
        min_free_bytes=0,
        **{"engine_timeout_seconds": 30, "trusted_proxies": "127.0.0.1", **more},
    )


def from_elsewhere() -> dict[str, str]:
    """The header of a caller whose address is nobody else's: many wrong keys of one are answered ever later."""
    return {"X-Forwarded-For": str(ipaddress.IPv4Address(0x0A000000 + next(_addresses)))}


_addresses = itertools.count(1)


class Front:
    """Both servers in a thread. `call` runs a coroutine of the backend in their loop."""

    def __init__(
        self,
        settings: Settings,
        engine: ScriptedServer | None = None,
        *,
        max_connections: int = 1000,
        patience: Patience = Patience(),
        **rpc: Any,
    ) -> None:
        """`rpc`: bounds of the gRPC server, where they are not its own."""
        self.engine = engine
        self._max_connections, self._patience, self._rpc = max_connections, patience, rpc
        self._settings = settings
        self.data_dir = settings.data_dir
        self._ready: Future[tuple[int, int]] = Future()
        self._thread = threading.Thread(target=self._run, name="front")

    def start(self) -> Front:
        self._thread.start()
        self.port, self.grpc_port = self._ready.result(timeout=START_SECONDS)
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(setattr, self._server, "should_exit", True)
        self._thread.join(timeout=30)

    @property
    def engine_address(self) -> str:
        return self._settings.engine_address

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout=30)

    @property
    def connections(self) -> int:
        """Of HTTP, open now."""
        return len(self._server.server_state.connections)

    def account(self) -> Account:
        tenant = f"tenant-{uuid4().hex[:8]}"
        key = self.call(self.backend.keys.create(tenant))
        return Account(self, key, self.call(self.backend.keys.authenticate(key)).tenant_id)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the front has it
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                self.loop = asyncio.get_running_loop()
                if self.engine is not None:
                    address = await self.engine.start()
                    stack.push_async_callback(self.engine.stop)
                    self._settings = self._settings.model_copy(update={"engine_address": address})
                self.backend: Backend = await stack.enter_async_context(open_backend(self._settings))
                app = create_app(self.backend)
                self._server = http_server(
                    app,
                    max_connections=self._max_connections,
                    grace_seconds=2,
                    patience=self._patience,
                    trusted_proxies=self._settings.trusted_proxies,
                )
                listener = stack.enter_context(listen("127.0.0.1", 0))
                rpc, grpc_port = create_server(self.backend, "127.0.0.1:0", **self._rpc)
                await rpc.start()
                stack.push_async_callback(rpc.stop, 0)
                self._ready.set_result((listener.getsockname()[1], grpc_port))
                await self._server.serve(sockets=[listener])
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise


def openai_client(url: str, key: str) -> openai.OpenAI:
    """OpenAI's own client, which never tries again; without the certificates that it would read for 40 ms each time."""
    plain = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0, http_client=plain)


@dataclass(frozen=True)
class Account:
    """A tenant of its own, with the real SDK, a plain HTTP client and a channel."""

    front: Front
    key: str
    tenant_id: str

    @property
    def sdk(self) -> Cloudglue:
        return Cloudglue(api_key=self.key, host=f"{self.front.url}/v1")

    @property
    def http(self) -> httpx.Client:
        """Plain HTTP, as Cloudglue's clients speak it: they name themselves, and read errors that are text."""
        headers = {"Authorization": f"Bearer {self.key}", "X-SDK-Client": "cloudglue-tests"}
        return httpx.Client(base_url=self.front.url, headers=headers, verify=False, timeout=60)

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.front.grpc_port}")

    @property
    def metadata(self) -> tuple[tuple[str, str]]:
        """What every call over the channel carries."""
        return (("authorization", f"Bearer {self.key}"),)
