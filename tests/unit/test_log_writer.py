import asyncio

import pytest

from services.core.response_log import Batch, Hold
from services.nimbus.log_writer import LogWriter, LostError


class LosingLog:
    """A log in which every response belongs to somebody else by now."""

    async def append(self, batches: list[Batch]) -> set[Hold]:
        return {batch.hold for batch in batches}


@pytest.mark.parametrize("is_over", [False, True])
async def test_a_lost_response_is_remembered_only_while_it_is_written(is_over: bool):
    writer, hold = LogWriter(LosingLog()), Hold("r", "front", 1)  # type: ignore[arg-type]
    written = writer.listen(hold.response_id)
    running = asyncio.create_task(writer.run())
    writer.add(hold, 0, ["a word"], urgent=True)
    if is_over:
        writer.forget(hold)
    await written.wait()
    if is_over:
        writer.add(hold, 1, ["nobody is told that it was lost"])
    else:
        with pytest.raises(LostError):
            writer.add(hold, 1, ["another"])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
