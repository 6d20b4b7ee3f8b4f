"""Pydantic AI over responses and over chats: a run that calls a tool, a second turn, a stream."""

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel

called = []


def get_weather(location: str) -> str:
    """The weather at a place."""
    called.append(location)
    return f"18 degrees in {location}"


async def main() -> None:
    for model in (OpenAIResponsesModel("nimbus-001"), OpenAIChatModel("nimbus-001")):
        called.clear()
        plain = Agent(model)
        first = await plain.run("What of streaming?")
        assert first.output
        assert (await plain.run("And parsing?", message_history=first.all_messages())).output
        agent = Agent(model, instructions=os.environ["SCRIPT"], tools=[get_weather])
        assert (await agent.run("Warm?")).output and called == ["Rome"]
        async with plain.run_stream("What of streaming?") as stream:
            assert await stream.get_output() == first.output


asyncio.run(main())
print("done")
