"""The example of the README as a script, and the real SDKs, against the whole running system."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from cloudglue import Cloudglue
from openai import NotFoundError, OpenAI

from tests.running_system import LECTURE, ROOT, Lecture, RunningSystem

QUICKSTART = ROOT / "examples" / "quickstart.py"
OLD_SDK = ROOT / "build" / "cloudglue-0.7.19"


def run_quickstart(system: RunningSystem, tenant: str, path: str = "") -> str:
    environment = {
        **os.environ,
        "ARCUS_URL": system.http,
        "ARCUS_API_KEY": system.create_key(tenant),
        "PYTHONPATH": path,
    }
    run = subprocess.run(
        [sys.executable, str(QUICKSTART), str(LECTURE)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def test_the_quick_start_runs_on_the_newest_sdk(system: RunningSystem) -> None:
    printed = run_quickstart(system, "quickstart-new")
    assert printed.startswith(f"cloudglue {version('cloudglue')} ")
    assert "Fundy" in printed  # what the screen of the fourth chapter says
    assert printed.count("[1]") >= 2, "both answers cite"


def test_the_quick_start_runs_on_an_older_sdk(system: RunningSystem) -> None:
    if not OLD_SDK.exists():
        if os.environ.get("CI"):
            pytest.fail("cloudglue 0.7.19 is not in build/; `make build/cloudglue-0.7.19` puts it there")
        pytest.skip("cloudglue 0.7.19 is not in build/; `make build/cloudglue-0.7.19` puts it there")
    printed = run_quickstart(system, "quickstart-old", str(OLD_SDK))
    assert printed.startswith("cloudglue 0.7.19 ")
    assert "Fundy" in printed


def knowledge(lecture: Lecture) -> dict:
    return {"knowledge_base": {"source": "collections", "collections": [lecture.collection_id]}}


def openai_client(lecture: Lecture) -> OpenAI:
    return OpenAI(api_key=lecture.system.key, base_url=lecture.system.http, max_retries=0)


def test_openai_gets_an_answer_at_once(lecture: Lecture) -> None:
    client = openai_client(lecture)
    response = client.responses.create(
        model="nimbus-001", input="How many turbines are in the dam in France?", extra_body=knowledge(lecture)
    )
    assert response.status == "completed"
    assert "24 turbines" in response.output_text
    assert response.usage is not None and response.usage.output_tokens > 0
    assert client.responses.retrieve(response.id).output_text == response.output_text
    client.responses.delete(response.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(response.id)


def test_openai_streams_an_answer_as_it_is_made(lecture: Lecture) -> None:
    stream = openai_client(lecture).responses.create(
        model="nimbus-002-preview",
        input="Summarize the key topics of this video.",
        stream=True,
        extra_body=knowledge(lecture),
    )
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 20
    assert "".join(deltas) == events[-1].response.output_text


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_openai_accumulates_a_stream(lecture: Lecture) -> None:
    with openai_client(lecture).responses.stream(
        model="nimbus-001", input="What is a spring tide?", extra_body=knowledge(lecture)
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == text
    assert "[1]" in text


def test_cloudglue_cites_what_is_in_the_video(lecture: Lecture) -> None:
    client = Cloudglue(api_key=lecture.system.key, host=lecture.system.http)
    response = client.responses.create(
        input="How far away is the moon?",
        collections=[lecture.collection_id],
        model="nimbus-001",
        include=["cloudglue_citations.media_descriptions"],
    )
    content = response.output[0].actual_instance.content[0]
    assert "384,000 km" in content.text
    first = content.annotations[0]
    assert first.file_id == lecture.file_id
    assert 0 <= first.start_time < first.end_time <= 120
    assert any("384,000" in line for line in first.scene_text)
    assert first.speech


def test_a_chat_gives_the_same_answer(lecture: Lecture) -> None:
    question = "How many turbines are in the dam in France?"
    messages = [{"role": "user", "content": question}]
    client = openai_client(lecture)
    answer = client.responses.create(model="nimbus-001", input=question, extra_body=knowledge(lecture))
    chunks = client.chat.completions.create(model="nimbus-001", messages=messages, stream=True)
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    sdk = Cloudglue(api_key=lecture.system.key, host=lecture.system.http)
    made = sdk.chat.completions.create(messages=messages, collections=[lecture.collection_id])
    assert told == made.choices[0].message.content == answer.output_text and "24 turbines" in told
    citation = made.choices[0].citations[0]
    assert citation.file_id == lecture.file_id
    assert any("24" in part.text and part.end_time > part.start_time for part in citation.scene_text)


def test_what_is_not_in_the_video_is_not_answered(lecture: Lecture) -> None:
    client = Cloudglue(api_key=lecture.system.key, host=lecture.system.http)
    response = client.responses.create(
        input="Who painted the ceiling of the Sistine Chapel?", collections=[lecture.collection_id], model="nimbus-001"
    )
    content = response.output[0].actual_instance.content[0]
    assert content.annotations == []
    assert "could not find" in content.text
