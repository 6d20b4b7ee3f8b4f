"""What one process wrote is told to the others at once: by LISTEN and NOTIFY on PostgreSQL, on SQLite in this process alone.

A notice may be lost, doubled or late: it says where to look, and whoever waits for one looks now and then without.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import structlog
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

RESPONSES = "arcus_responses"  # responses with new entries in their log
ENDED = "arcus_ended"  # responses that were cancelled or deleted, which whoever writes them has to learn
JOBS = "arcus_jobs"  # kinds of jobs that were queued
EVERYTHING = ""  # instead of ids: look at all that is waited for
SEPARATOR = ","
PAYLOAD_IDS = 200  # of 36 characters: PostgreSQL takes less than 8000 bytes
MAX_PENDING = 5_000  # ids that wait to be sent; of more, EVERYTHING is told
PACE_SECONDS = 0.02  # between sends: what comes meanwhile goes together
BEAT_SECONDS = 3.0
SEND_SECONDS = 10.0
PAUSES_SECONDS = (0.1, 0.3, 1.0, 3.0, 5.0)  # between tries to connect
AWAY = (
    OSError,
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
UNHEARD = "its own notice did not come: is there a pooler that pools by transactions?"
Listener = Callable[[Collection[str]], None]
SEND = "SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS each (channel, payload)"
_notify = text("SELECT pg_notify(:channel, :payload)")
log = structlog.get_logger(__name__)


class Notices:
    def __init__(self, url: str, pool: AsyncEngine) -> None:
        """`pool`: connections for single statements, other than the one that listens."""
        self._pool = pool
        self._engine: AsyncEngine | None = None
        if not url.startswith("sqlite"):
            settings = {"application_name": "arcus notices", "statement_timeout": str(int(SEND_SECONDS * 1000))}
            connect = {"timeout": SEND_SECONDS, "server_settings": settings}
            self._engine = create_async_engine(url, poolclass=NullPool, connect_args=connect)
        self._listeners: dict[str, list[Listener]] = {}
        self._pending: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._wake = asyncio.Event()
        self._beat_channel = f"arcus_beat_{uuid4().hex}"
        self._beat_heard = asyncio.Event()
        self._hears_others: bool | None = None  # None: not known yet

    @property
    def hears_others(self) -> bool:
        """Whether other processes' notices come: where not, they are to be asked for often."""
        return bool(self._hears_others)

    def listen(self, channel: str, listener: Listener) -> None:
        """Before `run`. The listener is called in the event loop, with ids, or with none: then anything may be new."""
        self._listeners.setdefault(channel, []).append(listener)

    def tell(self, channel: str, ids: Iterable[str]) -> None:
        """After the commit. Listeners of this process hear it before this returns, others while `run` goes on."""
        found = list(ids)
        if not found:
            return
        for listener in self._listeners.get(channel, ()):
            listener(found)
        if self._engine is None:
            return
        pending = self._pending[channel]
        pending.update(dict.fromkeys(found))
        if len(pending) > MAX_PENDING:
            self._pending[channel] = {EVERYTHING: None}
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: keeps a connection to PostgreSQL to hear and tell by, and tries whether it hears."""
        if self._engine is None:
            await asyncio.Event().wait()
            return
        failures = 0
        while True:
            reason = "the connection was closed"
            try:
                async with self._engine.connect() as connection:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    await self._begin(driver)
                    failures = 0
                    async with asyncio.TaskGroup() as group:
                        beats = group.create_task(self._beats(driver), name="notices-beats")
                        await self._send_until_lost(driver)
                        beats.cancel()
            except* AWAY as errors:
                reason = repr(errors.exceptions[0])
            self._set_hears_others(False, reason)
            await asyncio.sleep(PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)] * random.uniform(0.5, 1.5))
            failures += 1

    async def _begin(self, driver: Any) -> None:
        driver.add_termination_listener(lambda _: self._wake.set())
        await driver.add_listener(self._beat_channel, lambda *_: self._beat_heard.set())
        for channel in self._listeners:
            await driver.add_listener(channel, self._receive)

    async def _send_until_lost(self, driver: Any) -> None:
        while not driver.is_closed():
            await self._wake.wait()
            self._wake.clear()
            if not self._pending:
                continue
            pending, self._pending = self._pending, defaultdict(dict)
            try:
                await driver.execute(SEND, *_payloads(pending), timeout=SEND_SECONDS)
            except BaseException:
                for channel in pending:  # others have to look, once this is connected again
                    self._pending[channel] = {EVERYTHING: None}
                self._wake.set()
                raise
            await asyncio.sleep(PACE_SECONDS)

    def _receive(self, driver: Any, sender: int, channel: str, payload: str) -> None:
        if sender != driver.get_server_pid():  # what this process told by it was heard
            for listener in self._listeners[channel]:
                listener(payload.split(SEPARATOR) if payload else [])

    async def _beats(self, driver: Any) -> None:
        """A notice to itself by another connection: through a pooler that gives connections to each transaction, none comes."""
        while True:
            self._beat_heard.clear()
            try:
                async with asyncio.timeout(SEND_SECONDS), self._pool.connect() as connection:
                    await connection.execute(_notify, {"channel": self._beat_channel, "payload": ""})
            except AWAY as error:
                self._set_hears_others(False, repr(error))
            else:
                try:
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._beat_heard.wait()
                except TimeoutError:
                    self._set_hears_others(False, UNHEARD)
                    driver.terminate()  # its other end may be gone without a word
                    return
                self._set_hears_others(True)
            await asyncio.sleep(BEAT_SECONDS)

    def _set_hears_others(self, hears: bool, reason: str = "") -> None:
        if hears == self._hears_others:
            return
        self._hears_others = hears
        if hears:
            log.info("notices_heard")
            for listeners in self._listeners.values():  # what was told before was not heard
                for listener in listeners:
                    listener([])
        else:
            log.warning("notices_not_heard", reason=reason)


def _payloads(pending: Mapping[str, Collection[str]]) -> tuple[list[str], list[str]]:
    """A channel for each payload, and the payloads."""
    channels, payloads = [], []
    for channel, ids in pending.items():
        found = [EVERYTHING] if EVERYTHING in ids else list(ids)
        for first in range(0, len(found), PAYLOAD_IDS):
            channels.append(channel)
            payloads.append(SEPARATOR.join(found[first : first + PAYLOAD_IDS]))
    return channels, payloads
