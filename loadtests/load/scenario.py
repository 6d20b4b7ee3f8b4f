"""A scenario file: who asks for what, how often, and what must hold. The same seed gives the same schedule."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from services.core.engines.config import ScriptedOptions
from services.core.errors import ArcusError, invalid
from services.core.tenants.plans import Limits

JourneyName = Literal[
    "answer", "answer_grpc", "leave", "leave_grpc", "resume", "outlast", "outlast_grpc", "go_on", "slow", "cancel", "search",
    "follow_up", "list", "upload", "store", "cut_upload",
]  # fmt: skip
OF_ONE_REQUEST: set[JourneyName] = {"answer", "answer_grpc", "leave", "leave_grpc", "slow"}
LEAVES: set[JourneyName] = {"leave", "leave_grpc"}  # ask the engine what it still writes
OF_VIDEOS: set[JourneyName] = {"search", "list", "upload", "store", "cut_upload"}
Part = Literal["front", "engines", "index", "ingest", "postgres"]
OF_WHOLE: set[Part] = {"front", "engines", "index", "ingest"}
OF_FRONTS: set[Part] = {"front", "postgres"}
MAX_ORDERS = 1_000_000
Share = Annotated[float, Field(gt=0, le=1_000_000)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arrivals(_Closed):
    """When journeys start: at a steady beat, as independent users come (Poisson), or in bursts (gamma).

    `burstiness` is the square of the gaps' coefficient of variation: 1 is Poisson, more comes in bursts. `replay` takes the
    first column of a CSV file, seconds from the start, `rate_factor` times as fast. `steps` is at a steady beat whose rate
    changes: each of them lasts an equal part of the counted time, and the first one is that of the warm-up too.
    """

    law: Literal["constant", "poisson", "gamma", "replay", "steps"] = "poisson"
    per_second: float = Field(1.0, gt=0, le=100_000)
    burstiness: float = Field(1.0, gt=0, le=100)
    trace: str = ""
    rate_factor: float = Field(1.0, gt=0)
    steps: tuple[Annotated[float, Field(gt=0, le=100_000)], ...] = ()  # journeys a second, one after the other

    @model_validator(mode="after")
    def _has_its_trace(self) -> Arrivals:
        if (self.law == "replay") != bool(self.trace):
            raise ValueError("law: replay takes a trace, a CSV file of seconds, and no other law does")
        if (self.law == "steps") != bool(self.steps):
            raise ValueError("law: steps takes steps, and no other law does")
        return self


class Script(_Closed):
    """What the scripted engine writes for each answer of `model`, which must be its."""

    model: Literal["nimbus-001", "nimbus-002-preview"] = "nimbus-001"
    messages: int = Field(40, ge=1, le=100_000)
    interval_seconds: float = Field(0.05, ge=0, le=60)


class Objective(_Closed):
    """At most (or at least) so much of a measure: a percentile of seconds, or a share of journeys."""

    measure: str
    journey: JourneyName | None = None  # none: of all
    tenant: str | None = None  # none: of all
    percentile: float | None = Field(None, gt=0, lt=100)
    at_most: float | None = Field(None, allow_inf_nan=False)  # nothing is more than NaN, or less: it would always hold
    at_least: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _has_one_bound(self) -> Objective:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("an objective has one of at_most and at_least")
        return self


class Backlog(_Closed):
    """Jobs that wait when the run begins, alike and of other tenants, and the workers that claim them meanwhile."""

    jobs: int = Field(ge=1, le=1_000_000)
    tenants: int = Field(50, ge=1, le=1000)
    workers: int = Field(2, ge=1, le=16)
    claims_per_second: float = Field(20.0, gt=0, le=1000)  # of each worker


class OwnSystem(_Closed):
    """What is started where no address is given: one front is a whole system (`arcus up`), more are fronts on one
    PostgreSQL with the scripted engine alone, without videos. `engine` (how much it takes at once), `limits` of tenants and
    a `backlog` are of such fronts.
    """

    fronts: int = Field(1, ge=1, le=8)
    engine: ScriptedOptions = Field(default_factory=lambda: ScriptedOptions.model_validate({}))
    limits: dict[str, Limits] = Field(default_factory=dict)
    backlog: Backlog | None = None

    @model_validator(mode="after")
    def _changes_nobody_elses(self) -> OwnSystem:
        if self.model_fields_set & {"limits", "engine", "backlog"} and self.fronts == 1:
            raise ValueError("limits, engine and backlog are set on several fronts, which no other scenario shares")
        return self


class Fault(_Closed):
    """So long after the start, in a system of the run's own, a part is killed (SIGKILL), or all fronts of several are restarted
    one after the other: each is told to stop (SIGTERM), and started again at its address once it has ended.
    """

    at_seconds: float = Field(ge=0)
    kill: Part | None = None
    restart: Literal["fronts"] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Fault:
        if (self.kill is None) == (self.restart is None):
            raise ValueError("a fault is one of kill and restart")
        return self


class Scenario(_Closed):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    seed: int = 1
    system: OwnSystem = Field(default_factory=lambda: OwnSystem.model_validate({}))
    arrivals: Arrivals = Field(default_factory=lambda: Arrivals.model_validate({}))
    duration_seconds: float = Field(gt=0, le=86_400)
    warmup_seconds: float = Field(0, ge=0, le=86_400)
    journeys: dict[JourneyName, Share] = Field(min_length=1)
    tenants: dict[str, Share] = Field({"first": 1.0}, min_length=1)
    script: Script = Field(default_factory=lambda: Script.model_validate({}))
    timeout_seconds: float = Field(60, gt=0)
    faults: tuple[Fault, ...] = ()
    objectives: tuple[Objective, ...] = ()
    folder: Path = Path()  # of the file, from which its trace is named

    def step_of(self, at_seconds: float) -> int:
        """Of the steps, that which is asked so long after the start."""
        part = (at_seconds - self.warmup_seconds) / self.duration_seconds
        return min(max(int(part * len(self.arrivals.steps)), 0), len(self.arrivals.steps) - 1)

    @model_validator(mode="after")
    def _judges_what_it_asks(self) -> Scenario:
        for objective in self.objectives:
            if objective.tenant is not None and objective.tenant not in self.tenants:
                there = ", ".join(self.tenants)
                raise ValueError(
                    f"an objective is of the tenant {objective.tenant!r}, who is not there; there are {there}"
                )
            if objective.journey is not None and objective.journey not in self.journeys:
                there = ", ".join(self.journeys)
                raise ValueError(f"an objective is of {objective.journey}, which nobody makes; journeys are {there}")
        end = self.warmup_seconds + self.duration_seconds
        if late := [fault.at_seconds for fault in self.faults if fault.at_seconds >= end]:
            raise ValueError(f"a fault at {late[0]:g} s would come after the end, at {end:g} s")
        return self

    @model_validator(mode="after")
    def _asks_what_its_system_has(self) -> Scenario:
        asked = set(self.journeys)
        if self.system.fronts > 1 and (bad := asked & OF_VIDEOS):
            raise ValueError(f"several fronts alone have no videos, which {', '.join(sorted(bad))} need")
        if self.system.fronts == 1 and (bad := asked & LEAVES):
            raise ValueError(f"{', '.join(sorted(bad))} ask the engine of a system of several fronts")
        parts, has = (
            {fault.kill for fault in self.faults if fault.kill},
            OF_FRONTS if self.system.fronts > 1 else OF_WHOLE,
        )
        if parts - has or (self.system.fronts == 1 and any(fault.restart for fault in self.faults)):
            raise ValueError(f"faults of its system kill {', '.join(sorted(has))}; only several fronts are restarted")
        measures = {objective.measure for objective in self.objectives}
        if measures & {"admitted_of_most", "admitted_of_least"} and (bad := asked - OF_ONE_REQUEST):
            raise ValueError(
                f"what is admitted is counted by journeys of one request, which {', '.join(sorted(bad))} are not"
            )
        if self.system.fronts > 1 and "unsound" in measures:
            raise ValueError("several fronts alone keep no videos, of which unsound tells")
        if bad := set(self.system.limits) - set(self.tenants):
            raise ValueError(f"limits are of {', '.join(sorted(bad))}, who is not there")
        return self

    @field_validator("objectives")
    @classmethod
    def _are_of_known_measures(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        for objective in objectives:
            seconds = objective.measure in SECONDS
            if objective.measure not in SECONDS + SHARES + OF_RUN:
                raise ValueError(f"no measure {objective.measure!r}; there are {', '.join(SECONDS + SHARES + OF_RUN)}")
            if seconds == (objective.percentile is None):
                raise ValueError(f"{objective.measure} {'needs a' if seconds else 'has no'} percentile")
            if objective.measure in OF_RUN and (objective.journey or objective.tenant):
                raise ValueError(f"{objective.measure} is of the whole run")
        return objectives


SECONDS = (
    "first_event_seconds",
    "first_token_seconds",
    "token_gap_seconds",
    "last_seconds",
    "freed_seconds",
    "refused_seconds",
)
SHARES = ("completed", "goodput", "refused", "failed")
OF_RUN = (
    "memory_growth",  # of the fronts: mean in the last quarter of the counted time ÷ in the first
    "admitted_of_most",  # requests that were let in ÷ the most that one front would have let in
    "admitted_of_least",  # and ÷ the least
    "goodput_kept",  # journeys a second done well in the last step ÷ in the best one before it
    "claim_p99_seconds",  # of the workers at a backlog
    "claim_fairness",  # Jain's index over its tenants
    "claimed_twice",  # jobs of it
    "unsound",  # what `arcus verify` finds when it is over, also of objects that are new
    "usage_of_written",  # output tokens of usage records ÷ those that the engine wrote
)


@dataclass(frozen=True)
class Order:
    """One journey to make."""

    number: int
    at_seconds: float  # from the start
    tenant: str
    journey: JourneyName
    counts: bool  # not of the warm-up


def load_scenario(path: Path, *, long: bool = False) -> Scenario:
    """`long`: with what the file says under `long` in place of its short form. Raises INVALID_ARGUMENT that names the field."""
    try:
        given = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise invalid(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise invalid(f"{path}: it is no text.") from error
    except yaml.YAMLError as error:
        raise invalid(f"{path}: {error}") from error
    if not isinstance(given, dict):
        raise invalid(f"{path}: a scenario is a mapping of names to values.")
    longer = given.pop("long", None)
    if long and not isinstance(longer, dict):
        raise invalid(f"{path}: it has no long form.")
    try:
        return Scenario.model_validate({**given, **(longer if long else {}), "folder": path.parent})
    except ValidationError as error:
        raise invalid(f"{path}: {_told(error.errors()[0])}") from error


def _told(problem: ErrorDetails) -> str:
    """Where a mistake is, what it is, what stands there, and of a name that there is not, which there are."""
    place = ".".join(str(part) for part in problem["loc"] if part != "[key]") or "the scenario"
    match problem["type"]:
        case "extra_forbidden":
            return f"{place}: there is no such field here; there are {', '.join(_fields(problem['loc'][:-1]))}"
        case "missing":
            return f"{place}: it is missing"
        case "value_error":
            return f"{place}: {problem['ctx']['error']}"
        case _:
            return f"{place}: {problem['msg']}, not {str(problem['input'])[:60]!r}"


def _fields(place: Sequence[int | str]) -> list[str]:
    """Of the part of a scenario that stands there."""
    part: type[BaseModel] = Scenario
    for step in place:
        if step in part.model_fields:  # else a number in a list, or a name that the scenario gives
            part = _part_of(part.model_fields[str(step)].annotation)
    return [name for name in part.model_fields if name != "folder"]


def _part_of(annotation: Any) -> type[BaseModel]:
    """The model within a field's type: `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_part_of(inner) for inner in get_args(annotation) if inner not in (..., type(None), str))


def schedule(scenario: Scenario) -> list[Order]:
    """Warm-up first, at the same rate; times rise. Raises INVALID_ARGUMENT where it would be too much, or a bad trace."""
    lot = random.Random(scenario.seed)
    end = scenario.warmup_seconds + scenario.duration_seconds
    if scenario.arrivals.law not in ("replay", "steps") and scenario.arrivals.per_second * end > MAX_ORDERS:
        raise _too_many(scenario)
    journeys, tenants = list(scenario.journeys), list(scenario.tenants)
    journey_shares, tenant_shares = list(scenario.journeys.values()), list(scenario.tenants.values())
    orders: list[Order] = []
    for at in _times(scenario, lot):
        if at >= end:
            break
        if len(orders) == MAX_ORDERS:
            raise _too_many(scenario)
        (tenant,) = lot.choices(tenants, tenant_shares)
        (journey,) = lot.choices(journeys, journey_shares)
        orders.append(Order(len(orders), at, tenant, journey, at >= scenario.warmup_seconds))
    return orders


def _too_many(scenario: Scenario) -> ArcusError:
    return invalid(
        f"{scenario.name}: more than {MAX_ORDERS:,} journeys; lower the rate of its arrivals, or its seconds."
    )


def _times(scenario: Scenario, lot: random.Random) -> Iterator[float]:
    arrivals = scenario.arrivals
    if arrivals.law == "replay":
        yield from (at / arrivals.rate_factor for at in _trace(scenario.folder / arrivals.trace))
        return
    mean, at = 1 / arrivals.per_second, 0.0
    while True:
        if arrivals.law == "constant":
            at += mean
        elif arrivals.law == "steps":
            at += 1 / arrivals.steps[scenario.step_of(at)]
        elif arrivals.law == "poisson":
            at += lot.expovariate(arrivals.per_second)
        else:  # a gamma of shape k has the squared coefficient of variation 1 / k
            at += lot.gammavariate(1 / arrivals.burstiness, mean * arrivals.burstiness)
        yield at


def _trace(path: Path) -> Iterator[float]:
    before, number = 0.0, 0
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), 1):
                try:
                    at = float(row[0])
                except (IndexError, ValueError):
                    if number == 1:  # its head
                        continue
                    raise invalid(f"{path}, line {number}: the first column must be seconds.") from None
                if not math.isfinite(at):
                    raise invalid(f"{path}, line {number}: {at} is no time.")
                if at < 0:
                    raise invalid(f"{path}, line {number}: {at} is before the start; times are seconds from it.")
                if at < before:
                    raise invalid(f"{path}, line {number}: {at} comes after {before}; sort the trace.")
                before = at
                yield at
        if not number:
            raise invalid(f"{path}: the trace is empty.")
    except OSError as error:
        raise invalid(f"{path}: {error.strerror}; arrivals.trace is named from the scenario's folder.") from error
    except UnicodeDecodeError as error:
        raise invalid(f"{path}: it is no text; a trace is a CSV file.") from error
