"""What workers at a backlog claimed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from loadtests.load.outcomes import jain


@dataclass(frozen=True)
class Claims:
    """`seconds` that each took; the jobs' and their tenants' ids, in order."""

    seconds: list[float]
    job_ids: list[str]
    tenant_ids: list[str]

    @property
    def twice(self) -> int:
        """Jobs that more than one claim got."""
        return len(self.job_ids) - len(set(self.job_ids))

    def fairness(self, tenants: int) -> float:
        """Jain's index over the claims of so many tenants, whose jobs are alike: 1 is fair."""
        return jain(Counter(self.tenant_ids).values(), tenants) or 0.0
