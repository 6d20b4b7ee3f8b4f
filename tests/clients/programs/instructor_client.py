"""Instructor: an object by a function call, which is the form of it that Arcus's engines offer."""

import os

import instructor
from pydantic import BaseModel


class get_weather(BaseModel):
    location: str


client = instructor.from_provider("openai/nimbus-001", mode=instructor.Mode.TOOLS)
messages = [{"role": "system", "content": os.environ["SCRIPT"]}, {"role": "user", "content": "Warm?"}]
found = client.create(response_model=get_weather, messages=messages, max_retries=0)
assert found.location == "Rome"
print("done")
