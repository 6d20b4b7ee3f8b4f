"""LiteLLM as a client: responses and chats, plain, streamed, cited, a second turn, tools."""

import os

import litellm

HERE = {"api_base": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}
MODEL = {"model": "openai/nimbus-001", **HERE}
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}
first = litellm.responses(**MODEL, input="What of streaming?")
text = first.output[0].content[0]
assert text.text and text.annotations[0].type == "file_citation"
kinds = [event.type for event in litellm.responses(**MODEL, input="What of streaming?", stream=True)]
assert "response.output_text.annotation.added" in kinds and kinds[-1] == "response.completed"
assert litellm.responses(**MODEL, input="And parsing?", previous_response_id=first.id).output
called = litellm.responses(**MODEL, input="Warm?", tools=[TOOL], instructions=os.environ["SCRIPT"])
assert [item.type for item in called.output] == ["message", "function_call"]
chat = litellm.completion(**MODEL, messages=[{"role": "user", "content": "What?"}])
assert chat.choices[0].message.content
chunks = litellm.completion(**MODEL, messages=[{"role": "user", "content": "What?"}], stream=True)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == chat.choices[0].message.content
messages = [{"role": "system", "content": os.environ["SCRIPT"]}, {"role": "user", "content": "Warm?"}]
function = {"type": "function", "function": {name: value for name, value in TOOL.items() if name != "type"}}
asked = litellm.completion(**MODEL, messages=messages, tools=[function]).choices[0]
assert asked.finish_reason == "tool_calls" and asked.message.tool_calls[0].function.name == "get_weather"
print("done")
