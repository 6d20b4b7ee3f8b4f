"""A job's turn in the trace of what asked for it, and its ids in what is logged meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars

from ray_jobs.turns import TurnOverError
from services.core.jobs import Job, LeaseLostError
from services.telemetry.tracing import carried_ids, job_span


@contextmanager
def logged(job: Job) -> Iterator[None]:
    """Lines that are logged in the block have the job's ids."""
    ids = carried_ids({"traceparent": job.traceparent or ""})
    with bound_contextvars(job_id=job.id, tenant_id=job.tenant_id, **ids):
        yield


async def traced(job: Job, work: Awaitable[None]) -> None:
    """Does the work. Raises what it raises; that a turn is over is no error of it."""
    ended: Exception | None = None
    with job_span(job):
        try:
            await work
        except (TurnOverError, LeaseLostError) as error:
            ended = error
    if ended is not None:
        raise ended
