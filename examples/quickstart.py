"""Understands a video and asks about it, with the `cloudglue` SDK as it is: python quickstart.py talk.mp4

ARCUS_URL is where Arcus answers, with /v1 at its end; ARCUS_API_KEY is the key that `arcus up` printed.
"""

import os
import sys
from importlib.metadata import version

from cloudglue import Cloudglue

url = os.environ.get("ARCUS_URL", "http://127.0.0.1:8080/v1")
client = Cloudglue(api_key=os.environ["ARCUS_API_KEY"], host=url)
print(f"cloudglue {version('cloudglue')} with {url}")

collection = client.collections.create(name="quickstart", collection_type="media-descriptions")
video = client.files.upload(sys.argv[1], wait_until_finish=True)
client.collections.add_video(collection_id=collection.id, file_id=video.id, wait_until_finish=True)

response = client.responses.create(
    input="Where are the highest tides, and how high are they?",
    collections=[collection.id],
    model="nimbus-001",
    instructions="Give the times where it is said.",
)
message = response.output[0]
message = getattr(message, "actual_instance", message)  # versions of the SDK since 0.7.20 wrap what they return
print(message.content[0].text)

events = client.responses.create(
    input="What are the topics of this video?",
    collections=[collection.id],
    model="nimbus-002-preview",
    stream=True,
)
for event in events:
    if event.get("event") == "response.output_text.delta":
        print(event["data"]["delta"], end="", flush=True)
print()
