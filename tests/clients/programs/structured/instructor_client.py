"""Instructor: an object by a schema, by a function, and of responses."""

import instructor
from pydantic import BaseModel


class Talk(BaseModel):
    topic: str
    numbers: list[int]


for mode in (instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS, instructor.Mode.RESPONSES_TOOLS):
    client = instructor.from_provider("openai/nimbus-001", mode=mode)
    messages = [{"role": "user", "content": "What of streaming?"}]
    found = client.create(response_model=Talk, messages=messages, max_retries=0)
    assert isinstance(found, Talk) and found.topic, (mode, found)
print("done")
