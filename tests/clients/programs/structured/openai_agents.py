"""OpenAI's Agents SDK: an agent with an output type."""

import asyncio

from agents import Agent, Runner, set_tracing_disabled
from pydantic import BaseModel

set_tracing_disabled(True)


class Talk(BaseModel):
    topic: str
    numbers: list[int]


async def main() -> None:
    agent = Agent(name="asker", model="nimbus-001", output_type=Talk)
    assert isinstance((await Runner.run(agent, "What of streaming?")).final_output, Talk)
    streamed = Runner.run_streamed(agent, "What of streaming?")
    async for _ in streamed.stream_events():
        pass
    assert isinstance(streamed.final_output, Talk)


asyncio.run(main())
print("done")
