"""Work that is given up as soon as something else happens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class InterruptedWorkError(Exception):
    """The signal came before the work was done."""


async def cancel_on(signal: Coroutine[Any, Any, Any], work: Coroutine[Any, Any, Result]) -> Result:
    """The result of work, or what it raises; it is cancelled once `signal` returns. Raises InterruptedWorkError then."""
    task, watch = asyncio.create_task(work, name="work"), asyncio.create_task(signal, name="signal")
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise InterruptedWorkError
        return task.result()
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)
