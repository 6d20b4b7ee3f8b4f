"""The measurement of hot paths runs with little data, and what it counts comes out. What takes how long is not its matter."""

from __future__ import annotations

import pytest

from loadtests.scale.rows import ROWS
from loadtests.scale.sizes import SMALL

COUNTED = {"queries", "times", "turns", "%", "reads"}  # units of figures that are the same on every machine
TIMES = {"ms", "x"}


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_of_the_bench_counts_what_it_did(database, name: str):
    kind = "sqlite" if database.is_sqlite else "postgres"
    figures = await ROWS[name](kind, database, SMALL)
    assert all(figure.database == kind for figure in figures)
    assert all(figure.value > 0 for figure in figures if figure.unit not in COUNTED | TIMES)
    judged = [figure for figure in figures if figure.goal is not None]
    assert judged and all(figure.is_met for figure in judged if figure.unit in COUNTED), list(map(str, judged))
