"""openai-python: parsed answers of responses and chats, with their citations."""

import openai
from pydantic import BaseModel


class Talk(BaseModel):
    topic: str
    numbers: list[int]


client = openai.OpenAI(max_retries=0)
response = client.responses.parse(model="nimbus-001", input="What of streaming?", text_format=Talk)
assert isinstance(response.output_parsed, Talk) and response.output_parsed.topic
assert response.output[0].content[0].annotations[0].filename == "clip.mp4"
messages = [{"role": "user", "content": "What of streaming?"}]
chat = client.chat.completions.parse(model="nimbus-001", messages=messages, response_format=Talk)
assert isinstance(chat.choices[0].message.parsed, Talk)
print("done")
