"""Pydantic AI: outputs by a schema and by a function, over responses and over chats."""

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel


class Talk(BaseModel):
    topic: str
    numbers: list[int]


async def main() -> None:
    for model in (OpenAIResponsesModel("nimbus-001"), OpenAIChatModel("nimbus-001")):
        for output in (NativeOutput(Talk), Talk):
            assert isinstance((await Agent(model, output_type=output).run("What of streaming?")).output, Talk)


asyncio.run(main())
print("done")
