"""Cloudglue's SDK, the oldest that is promised and the newest: its own form of citations and of refusals."""

import os

from cloudglue import Cloudglue

client = Cloudglue(api_key=os.environ["OPENAI_API_KEY"], host=os.environ["OPENAI_BASE_URL"])
first = client.responses.create(input="What of streaming?", model="nimbus-001", use_default_index=True)
message = getattr(first.output[0], "actual_instance", first.output[0])
(citation, *_) = message.content[0].annotations
assert citation.type == "cloudglue_citation" and citation.end_time > citation.start_time
events = list(client.responses.create(input="What?", model="nimbus-001", use_default_index=True, stream=True))
assert events[-1]["data"] == "[DONE]" and events[-2]["event"] == "response.completed"
again = client.responses.get(first.id)
assert getattr(again.output[0], "actual_instance", again.output[0]).content[0].text == message.content[0].text
second = client.responses.create(
    input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "And parsing?"}]}],
    model="nimbus-001",
    use_default_index=True,
)
assert second.status == "completed"
assert client.files.list(limit=1).data[0].filename == "clip.mp4"
try:
    client.files.get("unknown")
    raise AssertionError("it was found")
except Exception as error:
    assert error.data.error == "File not found: unknown", error
print("done")
