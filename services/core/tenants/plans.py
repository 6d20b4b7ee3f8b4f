"""Plans: what a tenant may use, where its own limits differ, and what each of its keys may use of that."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import bindparam, select

from services.core.errors import invalid
from services.core.store.database import Database
from services.core.store.schema import api_keys, tenants

DEFAULT = "default"
MAX_FILE_BYTES = 1024**2
CACHE_SECONDS = 2.0
CACHE_KEYS = 10_000
MAX_PROBLEMS = 20  # told of at once
Kind = TypeVar("Kind", bound="Rates")
log = structlog.get_logger(__name__)

_limits_of = (
    select(tenants.c.plan, tenants.c.limits, api_keys.c.limits.label("key_limits"))
    .outerjoin(api_keys, (api_keys.c.tenant_id == tenants.c.id) & (api_keys.c.id == bindparam("key_id")))
    .where(tenants.c.id == bindparam("tenant_id"))
)


class Rates(BaseModel):
    """How fast; what a key may have limits of as well. None: without one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    requests_in_progress: int | None = Field(
        default=None, ge=1, le=10**6, description="Requests at a time, over all fronts."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, le=10**9, description="Requests a minute, spread evenly."
    )
    requests_burst: int | None = Field(
        default=None, ge=1, le=10**9, description="Requests at once after a rest; none means those of a minute."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, le=10**9, description="Tokens a minute, of input and output, spread evenly."
    )
    tokens_burst: int | None = Field(
        default=None, ge=1, le=10**9, description="Tokens at once after a rest; none means those of a minute."
    )

    @property
    def has_rates(self) -> bool:
        return any((self.requests_in_progress, self.requests_per_minute, self.tokens_per_minute))


class Limits(Rates):
    """Of a tenant."""

    video_seconds_per_day: float | None = Field(
        default=None, ge=0, le=10**9, description="Seconds of video taken in on one day, in UTC."
    )
    stored_bytes: int | None = Field(default=None, ge=0, le=2**60, description="Bytes of all files that are there.")
    queued_jobs: int | None = Field(default=None, ge=1, le=10**6, description="Jobs that wait or run.")
    file_seconds: float | None = Field(default=None, gt=0, le=10**7, description="Length of one video, in seconds.")
    kept_days: float | None = Field(
        default=None,
        ge=0,
        le=36500,
        description="Days that responses, searches and chat completions are kept; 0 keeps them, none means ARCUS_KEPT_DAYS.",
    )
    shadow: bool = Field(default=False, description="Count what would be refused, and refuse nothing.")


@dataclass(frozen=True)
class Allowed:
    """What a caller may use: its tenant's limits, and within them its key's."""

    tenant: Limits
    key: Rates


def parse_plans(text: str) -> dict[str, Limits]:
    """YAML of plans by name, each a mapping of limits. Raises INVALID_ARGUMENT that lists every problem."""
    try:
        given = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise invalid(f"The plans are no YAML: {error}") from None
    if not isinstance(given, dict):
        raise invalid("The plans must be a mapping of names to limits.")
    plans, problems = {}, []
    for name, limits in given.items():
        if not isinstance(name, str) or not 1 <= len(name) <= 64:
            problems.append(f"{name!r}: a plan's name is a text of 1 to 64 characters")
            continue
        try:
            plans[name] = Limits.model_validate(limits or {})
        except ValidationError as error:
            problems += [f"{name}.{told}" for told in _told(Limits, error)]
    if problems:
        raise invalid(f"Bad plans: {'; '.join(problems)}.")
    return plans


def load_plans(path: str) -> dict[str, Limits]:
    """Those of a file; an empty path names none."""
    if not path:
        return {}
    try:
        if Path(path).stat().st_size > MAX_FILE_BYTES:
            raise invalid(f"ARCUS_PLANS: {path} is larger than {MAX_FILE_BYTES} bytes.")
        return parse_plans(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"ARCUS_PLANS: {path} can't be read: {error}.") from error


def check_limits(kind: type[Rates], given: Mapping[str, Any]) -> None:
    """Of limits that are to be stored. Raises INVALID_ARGUMENT that lists the problems, and what there is."""
    try:
        kind.model_validate(given)
    except ValidationError as error:
        raise invalid(f"Bad limits: {'; '.join(_told(kind, error)[:MAX_PROBLEMS])}.", field="limits") from None


def check_plan(name: str, plans: Mapping[str, Limits]) -> None:
    """Raises INVALID_ARGUMENT with the names that there are."""
    if name not in plans:
        there = f"there are {', '.join(plans)}" if plans else "there are none; ARCUS_PLANS names a file of them"
        raise invalid(f"No plan has the name {name[:64]!r}: {there}. Without a name '{DEFAULT}' holds.", field="plan")


class Plans:
    """What was set counts within CACHE_SECONDS, on every front."""

    def __init__(self, database: Database, plans: Mapping[str, Limits]) -> None:
        self._database = database
        self._plans = plans
        self._known: OrderedDict[tuple[str, str], tuple[Allowed, float]] = OrderedDict()

    async def of(self, tenant_id: str, key_id: str = "") -> Allowed:
        """What is not there any more, has the default plan."""
        known, now = self._known.get((tenant_id, key_id)), time.monotonic()
        if known is not None and known[1] > now:
            return known[0]
        rows = await self._database.fetch(_limits_of, {"tenant_id": tenant_id, "key_id": key_id})
        plan, limits, key_limits = rows[0] if rows else (None, None, None)
        allowed = Allowed(self._over(self._plan(plan), limits), self._over(Rates(), key_limits))
        self._known[tenant_id, key_id] = allowed, now + CACHE_SECONDS
        self._known.move_to_end((tenant_id, key_id))
        if len(self._known) > CACHE_KEYS:
            self._known.popitem(last=False)
        return allowed

    def _plan(self, name: str | None) -> Limits:
        if name is not None and name not in self._plans:
            log.warning("a tenant has a plan that is not among the plans; the default holds", plan=name)
        return self._plans.get(name or DEFAULT) or self._plans.get(DEFAULT) or Limits()

    def _over(self, limits: Kind, changes: Mapping[str, Any] | None) -> Kind:
        return type(limits).model_validate({**limits.model_dump(), **changes}) if changes else limits


def _told(kind: type[Rates], error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, item['loc']))}: no such limit; there are {', '.join(kind.model_fields)}"
        if item["type"] == "extra_forbidden"
        else f"{'.'.join(map(str, item['loc']))}: {item['msg'][:1].lower()}{item['msg'][1:]}"
        for item in error.errors()
    ]
