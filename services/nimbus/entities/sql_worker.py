"""A process that runs one query at a time over tables it is handed, and is killed when it does not behave.

A request on stdin: a header in JSON {sql, tables: [{name, columns: [[name, type]], batches: [[rows, same]]}], max_rows,
max_bytes, processor_seconds, seconds}. The reply on stdout: {wanted}, for each table the places of the columns that the
statement may read. Then on stdin, for each batch of each table, those columns, a JSON array each: of the values, or, where
`same` has the column's place, of the one that all rows have. The other columns are NULL. At last {columns, rows, truncated}.
In place of either reply may come {error, kind} with kind refused, failed or memory. Every message is preceded by its length
in four bytes.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, BinaryIO

import duckdb

from services.nimbus.entities.sql_columns import names_read
from services.nimbus.entities.sql_grammar import Refused, check

MEMORY_MIB = 128  # what DuckDB counts of its own
HEADROOM_MIB = 512  # address space beyond that of the process when it starts: what DuckDB does not count ends here
BATCH = 128

_CONFIG: dict[str, Any] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
    "memory_limit": f"{MEMORY_MIB}MB",
    "temp_directory": "",
    "max_temp_directory_size": "0KB",
    "python_enable_replacements": "false",
}
# Last, once the tables are filled: from here on nothing outside the database can be reached and nothing be undone.
_LOCKS = (
    "SET enable_external_access = false",
    "SET allow_community_extensions = false",
    "SET TimeZone = 'UTC'",
    "SET lock_configuration = true",
)


def main() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    duckdb.connect(":memory:", config=_CONFIG).close()
    _confine()
    send(replies, b"ready")
    while True:
        # A database of its own for each query, made while nobody waits for it.
        connection = duckdb.connect(":memory:", config=_CONFIG)
        if (header := receive(requests)) is None:
            return
        request = json.loads(header)
        # The kernel ends the process, whatever DuckDB is at: after so much work, and when whoever should end it is gone.
        signal.setitimer(signal.ITIMER_PROF, request["processor_seconds"])
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        reply = _answered(connection, request, requests, replies)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(replies, json.dumps(reply).encode())
        connection.close()


def _answered(
    connection: duckdb.DuckDBPyConnection, request: dict[str, Any], requests: BinaryIO, replies: BinaryIO
) -> dict[str, Any]:
    try:
        places = wanted(connection, request)
        send(replies, json.dumps({"wanted": places}).encode())
        batches = [
            [[receive(requests) or b"[]" for _ in columns] for _ in table["batches"]]
            for table, columns in zip(request["tables"], places, strict=True)
        ]
        return run(connection, request, places, batches)
    except Refused as error:
        return {"error": str(error), "kind": "refused"}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"error": "The query needs more memory than a query may use", "kind": "memory"}
    except (duckdb.Error, RuntimeError, RecursionError) as error:
        return {"error": _told(error), "kind": "failed"}


def _statement(request: dict[str, Any]) -> str:
    return request["sql"].strip().rstrip("; \n\t")


def wanted(connection: duckdb.DuckDBPyConnection, request: dict[str, Any]) -> list[list[int]]:
    """Of each table the places of the columns that the statement may read. Raises Refused for one that may not run."""
    (parsed,) = connection.execute("SELECT json_serialize_sql(?)", [_statement(request)]).fetchall()[0]
    tree = json.loads(parsed)
    check(tree, frozenset(table["name"] for table in request["tables"]))
    names = names_read(tree)
    return [
        [place for place, (column, _) in enumerate(table["columns"]) if names is None or column.lower() in names]
        for table in request["tables"]
    ]


def run(
    connection: duckdb.DuckDBPyConnection,
    request: dict[str, Any],
    wanted: Sequence[list[int]],
    batches: Sequence[list[list[bytes]]],
) -> dict[str, Any]:
    """What the statement finds. Empties the batches, which hold the wanted columns."""
    for table, places, held in zip(request["tables"], wanted, batches, strict=True):
        _fill(connection, table, places, held)
    for lock in _LOCKS:
        connection.execute(lock)
    # The outer LIMIT makes a large result end early; its order is that of the query.
    found = connection.execute(f"SELECT * FROM (\n{_statement(request)}\n) LIMIT {request['max_rows'] + 1}")
    return _result(found, request["max_rows"], request["max_bytes"])


def _fill(
    connection: duckdb.DuckDBPyConnection, table: dict[str, Any], places: Sequence[int], batches: list[list[bytes]]
) -> None:
    name, columns = quoted(table["name"]), table["columns"]
    typed = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
    connection.execute(f"CREATE TABLE {name} ({typed})")
    shapes = [json.dumps([[kind[:-2]] if kind.endswith("[]") else kind]) for _, kind in columns]
    filled = ", ".join(quoted(columns[place][0]) for place in places or [0])
    for rows, same in table["batches"]:
        batch = batches.pop(0)
        values = [
            "from_json_strict(?, ?)[1]" if place in same else "unnest(from_json_strict(?, ?))" for place in places
        ]
        made = "" if set(places) - set(same) else f" FROM range({rows})"
        connection.execute(
            f"INSERT INTO {name} ({filled}) SELECT {', '.join(values) or 'NULL'}{made}",
            [value for place, column in zip(places, batch, strict=True) for value in (column.decode(), shapes[place])],
        )


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _result(found: duckdb.DuckDBPyConnection, max_rows: int, max_bytes: int) -> dict[str, Any]:
    columns = [column[0] for column in found.description or ()]
    rows: list[Any] = []
    size = 0
    while batch := found.fetchmany(BATCH):
        for row in batch:
            values = [_plain(value) for value in row]
            size += len(json.dumps(values)) + 2  # and what stands between rows
            if len(rows) == max_rows or size > max_bytes:
                return {"columns": columns, "rows": rows, "truncated": True}
            rows.append(values)
    return {"columns": columns, "rows": rows, "truncated": False}


def _plain(value: Any) -> Any:
    """As JSON holds it: times as ISO 8601, decimals as numbers, what is not a number as null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return float(value) if isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
    return str(value)


def _told(error: Exception) -> str:
    """DuckDB's message without the excerpt and the advice that follow it."""
    return str(error).split("\n")[0][:500]


def _confine() -> None:
    """No file can be written, few opened, no core left; address space is bounded; the front goes before it."""
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    limit = size + HEADROOM_MIB * 1024**2
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    os.nice(5)


def send(stream: BinaryIO, message: bytes) -> None:
    stream.write(struct.pack("<I", len(message)) + message)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """None where the stream ends."""
    length = stream.read(4)
    if len(length) < 4:
        return None
    size = struct.unpack("<I", length)[0]
    message = stream.read(size)
    return message if len(message) == size else None


if __name__ == "__main__":
    main()
