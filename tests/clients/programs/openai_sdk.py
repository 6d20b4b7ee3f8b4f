"""openai-python, of any major version: responses and chats, plain, streamed, cited, continued, with tools, and lists."""

import os

import openai

SCRIPT, MODEL = os.environ["SCRIPT"], "nimbus-001"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}
client = openai.OpenAI(max_retries=0)

first = client.responses.create(model=MODEL, input="What of streaming?")
citations = first.output[0].content[0].annotations
assert first.output_text and citations[0].type == "file_citation" and citations[0].filename == "clip.mp4"
assert citations[0].model_extra["end_time"] > citations[0].model_extra["start_time"]
assert first.model_dump_json()  # warns where a type is not one that it knows

kinds, final = [], None
with client.responses.stream(model=MODEL, input="What of streaming?") as events:
    kinds = [event.type for event in events]
    final = events.get_final_response()
assert "response.output_text.annotation.added" in kinds and kinds[-1] == "response.completed"
assert final.output_text == first.output_text and final.model_dump_json()
assert client.responses.retrieve(first.id).output_text == first.output_text

second = client.responses.create(model=MODEL, input="And parsing?", previous_response_id=first.id)
assert second.output_text
by_items = [
    {"role": "user", "content": "x"},
    *[item.model_dump() for item in first.output],
    {"role": "user", "content": "y"},
]
assert client.responses.create(model=MODEL, input=by_items).output_text
assert [item.type for item in client.responses.input_items.list(second.id)] == ["message"]

called = client.responses.create(model=MODEL, input="Warm?", tools=[WEATHER], instructions=SCRIPT)
(call,) = [item for item in called.output if item.type == "function_call"]
output = {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
done = client.responses.create(model=MODEL, input=[output], previous_response_id=called.id, tools=[WEATHER])
assert done.output_text and done.output[0].type == "message"

chat = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "What?"}])
assert chat.choices[0].message.content and chat.model_dump_json()
chunks = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "What?"}], stream=True)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == chat.choices[0].message.content
function = {"type": "function", "function": {name: value for name, value in WEATHER.items() if name != "type"}}
messages = [{"role": "system", "content": SCRIPT}, {"role": "user", "content": "Warm?"}]
asked = client.chat.completions.create(model=MODEL, messages=messages, tools=[function]).choices[0]
assert asked.finish_reason == "tool_calls" and asked.message.tool_calls[0].function.name == "get_weather"
answered = {"role": "tool", "tool_call_id": asked.message.tool_calls[0].id, "content": "18"}
messages += [asked.message.model_dump(exclude_none=True), answered]
assert (
    client.chat.completions.create(model=MODEL, messages=messages, tools=[function]).choices[0].finish_reason == "stop"
)

assert len(list(client.files.list(limit=1))) == 1
try:
    client.responses.create(model=MODEL, input="x", temperature=2.5)
    raise AssertionError("it was not refused")
except openai.BadRequestError as error:
    assert error.param == "temperature" and "temperature" in error.message
print("done")
