"""Places in lists: opaque keys from which a list goes on, whatever was added to it or taken from it since."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.core.errors import ArcusError, invalid

PREFIX = "at_"  # no id begins so
MAX_CHARACTERS = 8192  # the longest name, four bytes a character, is well below
MAX_TOTAL = 2**32 - 1
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Place:
    """Behind an item: what the list is ordered by (`order`, `sort`), and the item's values of that, of which no two have all
    the same. `total` is what was counted where the walk began, so that its other pages count nothing.
    """

    order: str
    sort: str
    values: tuple[Any, ...]
    total: int

    def key(self) -> str:
        text = json.dumps([self.order, self.sort, self.total, *self.values], ensure_ascii=False, separators=(",", ":"))
        return PREFIX + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, key: str, *, order: str, sort: str, types: Sequence[type]) -> Place:
        """The place that a key names in a list of this order. Raises INVALID_ARGUMENT for what is no key of such a list."""
        place = cls._decoded(key)
        if (place.order, place.sort) != (order, sort):
            raise invalid("after goes on with a list in another order; ask as for the page before", field="after")
        if len(place.values) != len(types) or not all(map(_is_a, place.values, types)):
            raise no_place()
        return place

    @classmethod
    def _decoded(cls, key: str) -> Place:
        if not is_key(key) or len(key) > MAX_CHARACTERS:
            raise no_place()
        text = key.removeprefix(PREFIX)
        try:
            order, sort, total, *values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", True))
        except (ValueError, TypeError, RecursionError):
            raise no_place() from None
        if not _is_a(total, int) or not 0 <= total <= MAX_TOTAL:
            raise no_place()
        return cls(order, sort, tuple(values), total)


def is_key(after: str) -> bool:
    return after.startswith(PREFIX)


def no_place() -> ArcusError:
    return invalid("after must be next_after of the page before, as it came", field="after")


def _is_a(value: Any, wanted: type) -> bool:
    """That a column of this type can be compared with the value, on every database."""
    if wanted is str:
        return isinstance(value, str) and "\0" not in value and not _SURROGATE.search(value)
    if isinstance(value, bool) or not isinstance(value, int if wanted is int else int | float):
        return False
    return -(2**63) <= value < 2**63 if wanted is int else math.isfinite(value)
