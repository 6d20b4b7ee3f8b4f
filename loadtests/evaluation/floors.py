"""Below which no figure may fall again: those that met their targets when they were last looked at, and what was reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtests.evaluation.table import Figure

# By part and figure; of a figure that should be small, the most that it may be.
FLOORS: Mapping[tuple[str, str], float] = {}


def fallen(found: Mapping[str, Sequence[Figure]]) -> list[str]:
    """A line for each figure that is worse than its floor."""
    lines = []
    for part, items in found.items():
        for item in items:
            floor = FLOORS.get((part, item.name))
            if floor is not None and (item.value > floor if item.at_most else item.value < floor):
                lines.append(f"{part}: {item.name} is {item.value:.3f}, which is worse than its floor of {floor:.3f}")
    return lines
