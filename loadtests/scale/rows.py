"""The rows of the bench: each is measured on a database of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loadtests.scale.claims import claim_rows
from loadtests.scale.deletions import delete_rows
from loadtests.scale.figures import Figure
from loadtests.scale.follows import follow_rows
from loadtests.scale.reads import read_rows
from loadtests.scale.searches import word_rows
from loadtests.scale.sizes import Sizes
from services.core.store.database import Database

ROWS: dict[str, Callable[[str, Database, Sizes], Awaitable[list[Figure]]]] = {
    "claim": claim_rows,
    "delete": delete_rows,
    "read": read_rows,
    "follow": follow_rows,
    "words": word_rows,
}
