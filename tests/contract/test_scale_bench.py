"""The measurement of hot paths runs with little data, and what it counts comes out. What takes how long is not its matter."""

from __future__ import annotations

import pytest

from loadtests.scale import ROWS, SMALL


@pytest.mark.parametrize("name", ROWS)
async def test_a_row_of_the_bench_counts_what_it_did(database, name: str):
    kind = "sqlite" if database.is_sqlite else "postgres"
    figures = await ROWS[name](kind, database, SMALL)
    assert figures and all(figure.value > 0 and figure.database == kind for figure in figures)
    assert any(figure.goal is not None for figure in figures)
