"""OpenAI's Agents SDK: a run that calls a tool and goes on, streamed too, and a second turn."""

import asyncio
import os

from agents import Agent, Runner, function_tool, set_tracing_disabled

set_tracing_disabled(True)
called = []


@function_tool
def get_weather(location: str) -> str:
    """The weather at a place."""
    called.append(location)
    return f"18 degrees in {location}"


async def main() -> None:
    plain = Agent(name="asker", model="nimbus-001")
    first = await Runner.run(plain, "What of streaming?")
    assert first.final_output
    second = await Runner.run(plain, [*first.to_input_list(), {"role": "user", "content": "And parsing?"}])
    assert second.final_output
    agent = Agent(name="forecaster", model="nimbus-001", instructions=os.environ["SCRIPT"], tools=[get_weather])
    assert (await Runner.run(agent, "Warm?")).final_output and called == ["Rome"]
    streamed = Runner.run_streamed(agent, "Warm?")
    kinds = [event.type async for event in streamed.stream_events()]
    assert "raw_response_event" in kinds and streamed.final_output and called == ["Rome", "Rome"]


asyncio.run(main())
print("done")
