"""Connections of HTTP: how much may come before a key is known, how long a client may be silent, and how many there are.

uvicorn's own protocol has no bound on a request's head, nor a deadline for it, nor for a client that never reads.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024  # method, URL and headers together; servers before others commonly take 8 to 64 KiB
MAX_URL_BYTES = 16 * 1024
MAX_HEADERS = 100
MIN_READ_BYTES = 16 * 1024  # what a client reads in the time of `read_seconds`, where so much waits for it
REFUSED_HEAD_SECONDS = 2.0
LISTEN_BACKLOG = 2048
UNSENT_BYTES = 128 * 1024  # that the kernel takes ahead of what the network does
DEAD_PEER_SECONDS = 60
LATE_SECONDS = (
    0.05  # after a deadline: what came while the process stood still is read first, for uvloop sees to timers first
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long a client may take, in seconds: between two requests, for the head of a request, for the rest of a body that
    was refused, and to read some of what it asked for."""

    idle_seconds: int = (
        75  # longer than load balancers keep theirs (60 commonly), so that none sends into one just closed
    )
    head_seconds: float = 15.0
    refused_seconds: float = 30.0
    read_seconds: float = 60.0


class Silent:
    """The connections that no request is on, the longest such first; of too many, that one is closed."""

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self._waiting: dict[BoundedProtocol, None] = {}

    def add(self, connection: BoundedProtocol) -> None:
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def discard(self, connection: BoundedProtocol) -> None:
        self._waiting.pop(connection, None)

    def close_oldest(self) -> None:
        oldest = next(iter(self._waiting))
        self.discard(oldest)
        oldest.transport.abort()


class BoundedProtocol(HttpToolsProtocol):
    def __init__(self, *, silent: Silent, patience: Patience, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._silent = silent
        self._patience = patience
        self._unparsed_bytes = 0  # that came since the parser last made something of them
        self._header_bytes = 0
        self._is_refused = self._is_message_open = False
        self._open_cycles: list[Any] = []  # the request that is answered, and those that came behind it
        self._deadline: asyncio.TimerHandle | None = None
        self._reading_check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._silent.add(self)
        self._close_after(self._patience.head_seconds)
        if len(self.connections) > self._silent.max_connections:
            self._silent.close_oldest()  # this one, where a request is on every other

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.discard(self)
        self._unset_deadline()
        self._unset_reading_check()
        self._give_up()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self._is_refused or self.transport.is_closing():
            return
        if not self._is_message_open and self._deadline is None:  # the next request on a connection that was idle
            self._close_after(self._patience.head_seconds)
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES and not self._is_refused and not self.transport.is_closing():
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self.flow is not None and not self.flow.write_paused:
            self._unset_reading_check()  # more is written from here on
        self._is_message_open = False
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._header_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._is_message_open:  # a trailer
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed_bytes = 0
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(414)
        elif self._header_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self._refuse(431)
        if self._is_refused:
            return
        self._is_message_open = True
        self._silent.discard(self)
        self._unset_deadline()
        super().on_headers_complete()
        self._open_cycles = [*(cycle for cycle in self._open_cycles if not cycle.response_complete), self.cycle]

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        if self._is_refused:
            return
        self._is_message_open = False
        super().on_message_complete()
        if self.cycle.response_complete:
            self._close_after(self._patience.head_seconds)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._reading_check is None and self.transport.get_write_buffer_size():  # an end that may never be read
            self._expect_reading()
        if self.transport.is_closing() or self.pipeline:
            return
        self._silent.add(self)
        if self._is_message_open:  # the rest of a body that nobody wants
            self._close_after(self._patience.refused_seconds)

    def timeout_keep_alive_handler(self) -> None:
        close = super().timeout_keep_alive_handler
        self.timeout_keep_alive_task = self.loop.call_later(LATE_SECONDS, close)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._reading_check is None:
            self._expect_reading()

    def resume_writing(self) -> None:
        if self.transport.is_closing():  # what is waked here would write before it is told that nobody is there
            self._give_up()
        super().resume_writing()
        if self.cycle is None or not self.cycle.response_complete:
            self._unset_reading_check()

    def _expect_reading(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._reading_check = self.loop.call_later(self._patience.read_seconds, self._check_reading, waiting)

    def _check_reading(self, before: int) -> None:
        self._reading_check = None
        waiting = self.transport.get_write_buffer_size()
        if not waiting:
            return
        if waiting > before - MIN_READ_BYTES:
            log.info("client does not read; its connection is closed")
            self._give_up()
            self.transport.abort()
        else:
            self._expect_reading()

    def _unset_reading_check(self) -> None:
        if self._reading_check is not None:
            self._reading_check.cancel()
            self._reading_check = None

    def _give_up(self) -> None:
        """Lets what still answers, or waits to, write into the void: on a connection that is closed it would fail.

        Uvicorn tells the latest of several requests alone that its client went away.
        """
        for cycle in self._open_cycles:
            cycle.disconnected = True
            cycle.message_event.set()

    def _close_after(self, seconds: float) -> None:
        self._unset_deadline()
        self._deadline = self.loop.call_later(seconds, self._abort_soon)

    def _abort_soon(self) -> None:
        self._deadline = self.loop.call_later(LATE_SECONDS, self.transport.abort)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        self._is_refused = True
        if self.cycle is not None and not self.cycle.response_complete:  # it has the connection
            self._give_up()
            self.transport.abort()
            return
        self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        # Closed while more comes, the connection would be reset, and the client would not read why.
        self._close_after(REFUSED_HEAD_SECONDS)


def http_server(
    app: Any,
    *,
    max_connections: int,
    grace_seconds: float,
    trusted_proxies: str = "",
    patience: Patience = Patience(),
) -> uvicorn.Server:
    """A server for sockets of `listen`; who starts it handles signals."""
    silent = Silent(max_connections)

    def protocol(**uvicorns: Any) -> BoundedProtocol:
        return BoundedProtocol(silent=silent, patience=patience, **uvicorns)

    config = uvicorn.Config(
        app,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(grace_seconds),
        timeout_keep_alive=patience.idle_seconds,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies or None,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Its connections close themselves when their peer is gone without a word."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Those that it accepts inherit the rest.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_PEER_SECONDS)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * DEAD_PEER_SECONDS * 1000)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    listener.bind((host, port))
    listener.listen(LISTEN_BACKLOG)
    listener.setblocking(False)
    return listener
