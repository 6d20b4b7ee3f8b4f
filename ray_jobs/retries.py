"""How a job that failed is tried again, and what is told of one whose worker, or a stage that worked for it, ended."""

from __future__ import annotations

from dataclasses import dataclass

from services.core.errors import ArcusError, Reason

MOST_LOST = 2  # times that a worker or stage is lost with a job: beside others, then with the job alone
TRANSIENT = (Reason.ENGINE_UNAVAILABLE, Reason.STORAGE_UNAVAILABLE, Reason.LIMIT_EXCEEDED)
PERMANENT = (
    *(Reason.UNSUPPORTED_MEDIA, Reason.INVALID_ARGUMENT, Reason.TOO_LARGE, Reason.NOT_FOUND),
    *(Reason.QUOTA_EXHAUSTED, Reason.BUDGET_EXHAUSTED),
)


@dataclass(frozen=True)
class Retries:
    """How long a job waits before it is tried again.

    What is TRANSIENT, a stage or the storage that is away, puts a job off; its attempts begin to count once that was so
    `most_postponed` times without anything done between, which is ten minutes at least.
    """

    pauses_seconds: tuple[float, ...] = (1.0, 5.0, 20.0)
    postponed_seconds: float = 5.0
    most_postponed: int = 120


class StageLostError(ArcusError):
    """The process of a stage ended while it had the call: what it worked on may be what ended it."""

    def __init__(self) -> None:
        super().__init__(Reason.ENGINE_UNAVAILABLE, "A stage of the ingest ended while it worked on this file.")


class WorkerLostError(ArcusError):
    """The worker of a job ended too often in a row without finishing any part of it. Nobody saw why."""

    def __init__(self, times: int) -> None:
        super().__init__(
            Reason.INTERNAL,
            f"The worker that processed it was ended {times} times before it finished another part. If the server was "
            "not being restarted, the file may be what ends it: send it again, re-encoded if this happens again.",
        )


class first_error:
    """Raises the first error of a task group by itself, which is what decides whether a job is tried again."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0]
