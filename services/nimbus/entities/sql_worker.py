"""A process that runs one query at a time over tables it is handed, and is killed when it does not behave.

A request on stdin: a header in JSON {sql, tables: [{name, columns: [[name, type]], batches}], max_rows, max_bytes,
processor_seconds, seconds}, then for each batch of each table its columns, each a JSON array. Only columns that the
statement may read are filled; the others are NULL. Its reply on stdout: JSON, either {columns, rows, truncated} or
{error, kind} with kind refused, failed or memory. Every message is preceded by its length in four bytes.
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
        batches = [
            [[receive(requests) or b"[]" for _ in table["columns"]] for _ in range(table["batches"])]
            for table in request["tables"]
        ]
        # The kernel ends the process, whatever DuckDB is at: after so much work, and when whoever should end it is gone.
        signal.setitimer(signal.ITIMER_PROF, request["processor_seconds"])
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        reply = run(connection, request, batches)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(replies, json.dumps(reply).encode())


def run(
    connection: duckdb.DuckDBPyConnection, request: dict[str, Any], batches: Sequence[list[list[bytes]]]
) -> dict[str, Any]:
    """The reply to one request. Closes the connection and empties the batches."""
    try:
        sql = request["sql"].strip().rstrip("; \n\t")
        (parsed,) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0]
        tree = json.loads(parsed)
        check(tree, frozenset(table["name"] for table in request["tables"]))
        names = names_read(tree)
        for table, rows in zip(request["tables"], batches, strict=True):
            _fill(connection, table["name"], table["columns"], rows, names)
        for lock in _LOCKS:
            connection.execute(lock)
        # The outer LIMIT makes a large result end early; its order is that of the query.
        found = connection.execute(f"SELECT * FROM (\n{sql}\n) LIMIT {request['max_rows'] + 1}")
        return _result(found, request["max_rows"], request["max_bytes"])
    except Refused as error:
        return {"error": str(error), "kind": "refused"}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"error": "The query needs more memory than a query may use", "kind": "memory"}
    except (duckdb.Error, RuntimeError, RecursionError) as error:
        return {"error": _told(error), "kind": "failed"}
    finally:
        connection.close()


def _fill(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Sequence[Sequence[str]],
    batches: list[list[bytes]],
    names: frozenset[str] | None,
) -> None:
    """Every column where `names` is None, else those that it holds; the first in any case, which makes the rows."""
    typed = ", ".join(f"{quoted(column)} {kind}" for column, kind in columns)
    connection.execute(f"CREATE TABLE {quoted(name)} ({typed})")
    filled = [
        place for place, (column, _) in enumerate(columns) if place == 0 or names is None or column.lower() in names
    ]
    shapes = [json.dumps([[kind[:-2]] if kind.endswith("[]") else kind]) for _, kind in columns]
    insert = (
        f"INSERT INTO {quoted(name)} ({', '.join(quoted(columns[place][0]) for place in filled)}) "
        f"SELECT {', '.join('unnest(from_json_strict(?, ?))' for _ in filled)}"
    )
    batches.reverse()
    while batches:
        batch = batches.pop()
        connection.execute(insert, [value for place in filled for value in (batch[place].decode(), shapes[place])])


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
