"""LanceDB's side, run by the Python of its own environment: nothing of Arcus is imported here.

    build/peers/lancedb/bin/python loadtests/peers/lance_store.py FOLDER LIMIT

FOLDER holds vectors.npy, queries.npy and collections.json, of each row. Prints "made" when the table is; then, for each line with
a JSON [way, probes, collection, callers], one with {"seconds", "each", "found"}.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import Bitmap, IvfFlat


def made(folder: Path, vectors: np.ndarray) -> Any:
    collections = json.loads((folder / "collections.json").read_text())
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
    columns = {
        "id": pa.array(range(len(vectors)), pa.int32()),
        "collection": pa.array(collections),
        "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    }
    table = lancedb.connect(folder / "lance").create_table("items", pa.table(columns))
    table.create_index("collection", config=Bitmap())
    table.create_index("vector", config=IvfFlat(distance_type="dot", num_partitions=max(4, len(vectors) // 500)))
    return table


def found(table: Any, query: np.ndarray, limit: int, way: str, probes: int, collection: str) -> tuple[float, list[int]]:
    """(seconds, rows)"""
    started = time.perf_counter()
    search = table.search(query).distance_type("dot").select(["id", "_distance"]).limit(limit)
    search = search.where(f"collection = '{collection}'", prefilter=True)
    search = search.nprobes(probes) if way == "lists" else search.bypass_vector_index()
    rows = search.to_arrow()["id"].to_pylist()
    return time.perf_counter() - started, rows


def main() -> None:
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy")
    table = made(folder, vectors)
    print("made", flush=True)
    for line in sys.stdin:
        way, probes, collection, callers = json.loads(line)
        ask = partial(found, table, limit=limit, way=way, probes=probes, collection=collection)
        with ThreadPoolExecutor(callers) as pool:
            list(pool.map(ask, queries[: 2 * callers]))
            started = time.perf_counter()
            answers = list(pool.map(ask, queries))
            whole = time.perf_counter() - started
        told = {"seconds": whole, "each": [seconds for seconds, _ in answers], "found": [rows for _, rows in answers]}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
