"""The generic cell rate algorithm (ITU-T I.371) as one statement over a row of `limiters`.

A row holds the time at which all that was charged would have arrived at the even rate (theoretical arrival time). What
costs `n` units moves it by n × 60 s ÷ limit, and is refused where that would be further ahead of now than the burst takes
at that rate. Requests, tokens and places are looked at and charged together: all of them or none.

On PostgreSQL the clock is the database's, read under the row's lock: fronts whose clocks differ share one. These commits
are not waited for: a crash of the server forgives the last ones.
"""

from __future__ import annotations

import math
from functools import cache

from sqlalchemy import TextClause, text

MINUTE_US = 60_000_000
UNLIMITED_US = 10**15


def cost_us(units: int, per_minute: int | None) -> int:
    return 0 if per_minute is None else math.ceil(units * MINUTE_US / per_minute)


def burst_us(burst: int | None, per_minute: int | None) -> int:
    return UNLIMITED_US if per_minute is None else cost_us(per_minute if burst is None else burst, per_minute)


def _now(is_sqlite: bool) -> str:
    if is_sqlite:
        return "CAST(:now AS BIGINT)"
    return "COALESCE(CAST(:now AS BIGINT), CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))"


def _alive(is_sqlite: bool, take: str) -> str:
    """An aggregate over the places of living fronts; the one that asks lives, whatever the clock says of its last beat."""
    each = "json_each(limiters.in_progress)" if is_sqlite else "jsonb_each_text(limiters.in_progress)"
    lives = f"e.key IN (SELECT fronts.id FROM fronts WHERE fronts.alive_until >= {_now(is_sqlite)})"
    return f"(SELECT {take} FROM {each} AS e WHERE e.key = CAST(:front AS VARCHAR) OR {lives})"


def _places(is_sqlite: bool) -> str:
    return _alive(is_sqlite, "COALESCE(SUM(CAST(e.value AS INTEGER)), 0)")


def _own(is_sqlite: bool) -> str:
    """The places of this front."""
    path = "'$.\"' || :front || '\"'"
    held = (
        f"json_extract(limiters.in_progress, {path})"
        if is_sqlite
        else "(limiters.in_progress ->> CAST(:front AS VARCHAR))"
    )
    return f"COALESCE(CAST({held} AS INTEGER), 0)"


def _object(is_sqlite: bool, places: str) -> str:
    if is_sqlite:
        return f"json_object(:front, {places})"
    return f"jsonb_build_object(CAST(:front AS VARCHAR), {places})"


def _with_one_more(is_sqlite: bool) -> str:
    """The places of living fronts, and one more of this one."""
    own = _object(is_sqlite, f"{_own(is_sqlite)} + 1")
    if is_sqlite:
        return f"json_patch({_alive(True, 'json_group_object(e.key, e.value)')}, {own})"
    living = _alive(False, "COALESCE(jsonb_object_agg(e.key, CAST(e.value AS INTEGER)), '{}')")
    return f"{living} || {own}"


def _quick(is_sqlite: bool) -> tuple[str, str]:
    """What goes before a statement and into its FROM, so that its commit is not waited for."""
    if is_sqlite:
        return "", ""
    return (
        "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS is_set) ",
        "FROM quick",
    )


@cache
def admit(is_sqlite: bool, takes_place: bool) -> TextClause:
    """Charges a row, made where there is none. Returns its times and now; nothing where it refuses.

    Parameters: id, tenant_id, now, request_us, request_burst_us, token_us, token_burst_us; with a place: front, most.
    """
    now, (quick, source) = _now(is_sqlite), _quick(is_sqlite)
    greatest = "MAX" if is_sqlite else "GREATEST"
    first, more, has_place = "'{}'", "limiters.in_progress", "TRUE"
    if takes_place:
        first, more = _object(is_sqlite, "1"), _with_one_more(is_sqlite)
        has_place = f"{_places(is_sqlite)} < CAST(:most AS INTEGER)"
    first = first if is_sqlite else f"CAST({first} AS JSONB)"
    return text(f"""
        {quick}INSERT INTO limiters (id, tenant_id, requests_tat, tokens_tat, in_progress, would_refuse)
        SELECT CAST(:id AS VARCHAR), CAST(:tenant_id AS VARCHAR), {now} + CAST(:request_us AS BIGINT),
               {now} + CAST(:token_us AS BIGINT), {first}, 0 {source} WHERE TRUE
        ON CONFLICT (id) DO UPDATE SET
            requests_tat = {greatest}(limiters.requests_tat, {now}) + CAST(:request_us AS BIGINT),
            tokens_tat = {greatest}(limiters.tokens_tat, {now}) + CAST(:token_us AS BIGINT),
            in_progress = {more}
        WHERE limiters.requests_tat + CAST(:request_us AS BIGINT) <= {now} + CAST(:request_burst_us AS BIGINT)
            AND limiters.tokens_tat + CAST(:token_us AS BIGINT) <= {now} + CAST(:token_burst_us AS BIGINT)
            AND {has_place}
        RETURNING requests_tat, tokens_tat, {now} AS now
    """)


@cache
def look(is_sqlite: bool) -> TextClause:
    """A row's times, its places in progress, and now. Parameters: id, front, now."""
    return text(f"""
        SELECT requests_tat, tokens_tat, {_places(is_sqlite)} AS places, would_refuse, {_now(is_sqlite)} AS now
        FROM limiters WHERE id = CAST(:id AS VARCHAR)
    """)


@cache
def settle(is_sqlite: bool) -> TextClause:
    """Gives back places and tokens. Parameters: id, front, places, token_us (less than zero gives back), refused."""
    quick, source = _quick(is_sqlite)
    left = f"{_own(is_sqlite)} - CAST(:places AS INTEGER)"
    merged = f"limiters.in_progress || {_object(False, left)}"
    removed = "limiters.in_progress - CAST(:front AS VARCHAR)"
    if is_sqlite:
        merged = f"json_patch(limiters.in_progress, {_object(True, left)})"
        removed = "json_remove(limiters.in_progress, '$.\"' || :front || '\"')"
    return text(f"""
        {quick}UPDATE limiters SET
            tokens_tat = tokens_tat + CAST(:token_us AS BIGINT),
            would_refuse = would_refuse + CAST(:refused AS INTEGER),
            in_progress = CASE WHEN {left} > 0 THEN {merged} ELSE {removed} END
        {source} WHERE id = CAST(:id AS VARCHAR)
    """)


@cache
def beat(is_sqlite: bool) -> TextClause:
    """Tells that a front lives on. Returns nothing where it was silent for too long. Parameters: front, now, lease_us."""
    now, (quick, source) = _now(is_sqlite), _quick(is_sqlite)
    return text(f"""
        {quick}INSERT INTO fronts (id, alive_until)
        SELECT CAST(:front AS VARCHAR), {now} + CAST(:lease_us AS BIGINT) {source} WHERE TRUE
        ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until WHERE fronts.alive_until >= {now}
        RETURNING alive_until
    """)


@cache
def forget_fronts(is_sqlite: bool) -> TextClause:
    """Removes fronts that have been silent long enough for nobody to count their places. Parameters: now, lease_us."""
    return text(f"DELETE FROM fronts WHERE alive_until < {_now(is_sqlite)} - 100 * CAST(:lease_us AS BIGINT)")
