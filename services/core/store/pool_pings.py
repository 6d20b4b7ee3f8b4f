"""Connections of PostgreSQL that lay unused are tried before they are used: its server may have gone away meanwhile."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

PAUSE_SECONDS = 1.0
IDLE_SINCE = "arcus_idle_since"


def ping_after_pause(engine: Engine) -> None:
    """As SQLAlchemy's pool_pre_ping, but that a connection that was in use PAUSE_SECONDS ago costs no round trip.

    One whose end was seen by its driver is left at once, and with it all that are older.
    """

    def came_back(_connection: Any, record: Any) -> None:
        record.info[IDLE_SINCE] = time.monotonic()

    def is_taken(connection: Any, record: Any, _proxy: Any) -> None:
        idle_since = record.info.get(IDLE_SINCE)
        if idle_since is None:  # just made
            return
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if time.monotonic() - idle_since < PAUSE_SECONDS:
            return
        try:
            connection.ping()
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", came_back)
    event.listen(engine, "checkout", is_taken)
