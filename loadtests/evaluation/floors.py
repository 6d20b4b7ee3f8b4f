"""Below which no figure may fall again: those that met their targets when they were last looked at, and what was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtests.evaluation.collections import PARTS
from loadtests.evaluation.table import Figure

# By part and figure; of a figure that should be small, the most that it may be.
FLOORS: Mapping[tuple[str, str], float] = {
    ("heard and seen", "made files that end as their truth says"): 1.0,
    ("heard and seen", "made, lines on the screen that are read"): 0.95,
    ("heard and seen", "made, word error rate"): 0.40,
    ("heard and seen", "made, shot boundaries, F1"): 0.8,
    **{(part, "errors"): 0.0 for part in PARTS},
}


def fallen(found: Mapping[str, Sequence[Figure]]) -> list[str]:
    """A line for each figure that is worse than its floor, or gone from a part that was measured."""
    values = {(part, item.name): item for part, items in found.items() for item in items}
    lines = []
    for (part, name), floor in FLOORS.items():
        item = values.get((part, name))
        if part in found and item is None:
            lines.append(f"{part}: nothing tells {name}, which has a floor")
        elif item and (item.value > floor if item.at_most else item.value < floor):
            lines.append(f"{part}: {name} is {item.value:.3f}, which is worse than its floor of {floor:.3f}")
    return lines
