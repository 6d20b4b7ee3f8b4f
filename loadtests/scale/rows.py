"""The rows of the bench: those of a database, which is a new one for each, and those that are measured once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loadtests.scale.claims import claim_rows
from loadtests.scale.deletions import delete_rows
from loadtests.scale.entities import entity_rows
from loadtests.scale.figures import Figure
from loadtests.scale.filters import filter_rows
from loadtests.scale.follows import follow_rows
from loadtests.scale.reads import read_rows
from loadtests.scale.searches import word_rows
from loadtests.scale.sizes import Sizes
from loadtests.scale.systems import index_rows, part_rows, retention_rows, token_rows
from loadtests.scale.turns import fairness_rows
from services.core.store.database import Database

ROWS: dict[str, Callable[[str, Database, Sizes], Awaitable[list[Figure]]]] = {
    "claim": claim_rows,
    "delete": delete_rows,
    "read": read_rows,
    "follow": follow_rows,
    "words": word_rows,
    "filter": filter_rows,
    "entities": entity_rows,
}
ONCE: dict[str, Callable[[Sizes], list[Figure]]] = {
    "index": index_rows,
    "tokens": token_rows,
    "parts": part_rows,
    "retention": retention_rows,
    "fairness": fairness_rows,
}
OF_SYSTEMS = {"index", "tokens", "parts", "retention"}  # which are left out where there is to be no system
