"""What a collection is told to look for, and how it cuts, on clips with the embedded engines."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.media import clip, scenes
from tests.running_system import RunningSystem, create_collection, upload, wait_for

SPEAKING = clip("tracks.mp4")  # speech in a subtitle track, one shot, no text on the screen, 18.3 s
COUNTER = clip("counter.mp4")  # a frame number on every frame, 3 s
DARK = clip("moving.avi")  # a moving, dark picture of one colour
FADES = clip("fades.mp4")  # three shots in 10 s
RECORDING = clip("speech.wav")
PARTS = {
    "enable_speech": "speech",
    "enable_scene_text": "scene_text",
    "enable_visual_scene_description": "visual_scene_description",
    "enable_audio_description": "audio_description",
}
Json = dict[str, Any]


class Studio:
    """An account with every clip uploaded once."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._files: dict[Path, str] = {}
        self._number = 0

    def file(self, path: Path) -> str:
        if path not in self._files:
            file = upload(self.client, path)
            assert file["status"] == "completed", file
            self._files[path] = file["id"]
        return self._files[path]

    def collection(self, **settings: Any) -> str:
        self._number += 1
        return create_collection(self.client, f"collection {self._number}", **settings)

    def add(self, collection_id: str, path: Path, **settings: Any) -> Json:
        """The member once it is understood."""
        file_id = self.file(path)
        body = {"file_id": file_id, **settings}
        self.client.post(f"/collections/{collection_id}/media", json=body).raise_for_status()
        member = wait_for(self.client, f"/collections/{collection_id}/media/{file_id}", seconds=240)
        assert member["status"] == "completed", member
        return member

    def described(self, collection_id: str, path: Path, **query: Any) -> Json:
        url = f"/collections/{collection_id}/videos/{self.file(path)}/media-descriptions"
        return self.client.get(url, params=query).raise_for_status().json()

    def spans(self, path: Path, segmentation: Json) -> list[tuple[float, float]]:
        """The segments that a segmentation cuts a file into. Nothing else is made of them, which is quick."""
        off = {name: False for name in (*PARTS, "enable_summary")}
        collection_id = self.collection(describe_config=off)
        self.add(collection_id, path, segmentation_config=segmentation)
        summaries = self.described(collection_id, path)["segment_summary"]
        return [(item["start_time"], item["end_time"]) for item in summaries]


@pytest.fixture(scope="module")
def studio(system: RunningSystem) -> Iterator[Studio]:
    with system.client(system.create_key("studio")) as client:
        yield Studio(client)


@pytest.fixture(scope="module")
def everything(studio: Studio) -> Json:
    """A clip with speech, described in full with the defaults."""
    collection_id = studio.collection()
    studio.add(collection_id, SPEAKING)
    return studio.described(collection_id, SPEAKING, include_word_timestamps=True, include_thumbnails=True)


def test_everything_is_described_by_default(everything: Json) -> None:
    assert everything["title"] and everything["summary"]
    assert "mirror of the great observatory" in " ".join(item["text"] for item in everything["speech"])
    assert everything["visual_scene_description"]
    assert [(item["start_time"], item["end_time"]) for item in everything["segment_summary"]] == [
        (0.0, pytest.approx(everything["duration_seconds"], abs=0.1))
    ]
    assert everything["segment_summary"][0]["title"] and everything["segment_summary"][0]["summary"]


@pytest.mark.parametrize("flag", [*PARTS, "enable_summary"])
def test_a_flag_that_is_off_removes_its_part_and_no_other(studio: Studio, everything: Json, flag: str) -> None:
    collection_id = studio.collection(describe_config={flag: False})
    studio.add(collection_id, SPEAKING)
    found = studio.described(collection_id, SPEAKING)
    for name, part in PARTS.items():
        if name == flag:
            assert found[part] == []
        else:
            assert bool(found[part]) == bool(everything[part]), part
    if flag == "enable_summary":
        assert "title" not in found and "summary" not in found
        assert {(item["title"], item["summary"]) for item in found["segment_summary"]} == {("", "")}
    else:
        assert found["title"] and found["summary"]


def test_text_on_the_screen_is_read_unless_it_is_not_wanted(studio: Studio) -> None:
    for wanted in (True, False):
        collection_id = studio.collection(describe_config={"enable_scene_text": wanted})
        studio.add(collection_id, COUNTER)
        assert bool(studio.described(collection_id, COUNTER)["scene_text"]) == wanted


def test_sound_is_described_unless_it_is_not_wanted(studio: Studio) -> None:
    for wanted in (True, False):
        collection_id = studio.collection(describe_config={"enable_audio_description": wanted})
        studio.add(collection_id, RECORDING)
        found = studio.described(collection_id, RECORDING)
        assert bool(found["audio_description"]) == wanted
        assert found["visual_scene_description"] == [] and found["speech"]


def test_a_prompt_puts_the_topic_that_it_names_first(studio: Studio) -> None:
    seen = {}
    for prompt, words in (
        ("", "moving picture"),
        ("Describe the light.", "is dark"),
        ("Which colours?", "main colour"),
    ):
        collection_id = studio.collection(describe_config={"prompt": prompt})
        studio.add(collection_id, DARK)
        seen[prompt] = studio.described(collection_id, DARK)["visual_scene_description"][0]["text"]
        assert words in seen[prompt].split(".")[0], seen
    sentences = [sorted(text.rstrip(".").split(". ")) for text in seen.values()]
    assert sentences[0] == sentences[1] == sentences[2], "it orders what is told, and invents nothing"


def test_a_file_is_cut_every_20_seconds_unless_told_otherwise(studio: Studio) -> None:
    collection_id = studio.collection(describe_config={name: False for name in PARTS})
    member = studio.add(collection_id, clip("screencast.webm"))
    uniform = {"strategy": "uniform", "uniform_config": {"window_seconds": 20, "hop_seconds": 20}}
    assert member["segmentation"]["segmentation_config"] == uniform
    assert member["progress"] == {"stage": "done", "segments_done": 2, "segments_total": 2}
    found = studio.described(collection_id, clip("screencast.webm"))["segment_summary"]
    assert [(item["start_time"], round(item["end_time"])) for item in found] == [(0, 20), (20, 34)]


def uniform(window: float, hop: float | None = None, **limits: float) -> Json:
    config: Json = {"window_seconds": window} if hop is None else {"window_seconds": window, "hop_seconds": hop}
    return {"strategy": "uniform", "uniform_config": config, **limits}


def manual(*spans: tuple[float, float], **limits: float) -> Json:
    segments = [{"start_time": start, "end_time": end} for start, end in spans]
    return {"strategy": "manual", "manual_config": {"segments": segments}, **limits}


@pytest.mark.parametrize(
    ("config", "spans"),
    [
        (uniform(4), [(0, 4), (4, 8), (8, 10)]),
        (uniform(4, 3), [(0, 4), (3, 7), (6, 10)]),
        (uniform(2, 5), [(0, 2), (5, 7)]),
        (uniform(4, start_time_seconds=2, end_time_seconds=9), [(2, 6), (6, 9)]),
        (uniform(20, end_time_seconds=5), [(0, 5)]),
        (manual((1, 2.5), (6, 9)), [(1, 2.5), (6, 9)]),
        (manual((0, 4), (5, 99), end_time_seconds=8), [(0, 4), (5, 8)]),
    ],
)
def test_a_file_is_cut_as_it_was_told(studio: Studio, config: Json, spans: list[tuple[float, float]]) -> None:
    found = studio.spans(FADES, config)
    assert [(round(start, 1), round(end, 1)) for start, end in found] == spans


def test_shots_are_found_and_told(studio: Studio) -> None:
    config = {"strategy": "shot-detector", "shot_detector_config": {"detector": "content"}}
    collection_id = studio.collection(default_segmentation_config=config, describe_config={"enable_summary": True})
    path = clip("shots.webm")
    member = studio.add(collection_id, path)
    assert member["segmentation"]["segmentation_config"]["shot_detector_config"]["detector"] == "content"
    found = studio.described(collection_id, path, include_shots=True)
    starts = [shot["start_time"] for shot in found["shots"]]
    assert starts == pytest.approx(list(scenes.SHOTS), abs=0.1)
    assert found["total_shots"] == len(found["shots"]) == len(found["segment_summary"])
    assert found["shots"][0]["start_time"] == 0 and found["shots"][-1]["end_time"] == pytest.approx(
        scenes.SHOTS_SECONDS, abs=0.1
    )
    pairs = zip(found["shots"], found["shots"][1:], strict=False)
    assert all(one["end_time"] == pytest.approx(other["start_time"]) for one, other in pairs), "no gaps"
    part = studio.described(collection_id, path, include_shots=True, start_time_seconds=8, end_time_seconds=10)
    assert [(shot["index"], shot["start_time"]) for shot in part["shots"]] == [(2, starts[2])]


def test_a_cut_that_leaves_nothing_fails_with_its_reason(studio: Studio) -> None:
    collection_id, file_id = studio.collection(), studio.file(FADES)
    body = {"file_id": file_id, "segmentation_config": manual((50, 60))}
    studio.client.post(f"/collections/{collection_id}/media", json=body).raise_for_status()
    member = wait_for(studio.client, f"/collections/{collection_id}/media/{file_id}")
    assert member["status"] == member["searchable_status"] == "failed"
    assert "segments[0]" in member["error"] and "after the end of the file" in member["error"]


def test_a_cut_is_named_by_its_id_in_another_collection(studio: Studio) -> None:
    segmentation = studio.add(studio.collection(), FADES, segmentation_config=uniform(6))["segmentation"]
    again = studio.add(studio.collection(), FADES, segmentation_id=segmentation["id"])["segmentation"]
    assert again == segmentation and again["status"] == "completed"


def test_words_have_times_inside_their_utterance(studio: Studio, everything: Json) -> None:
    collection_id = studio.collection()
    studio.add(collection_id, RECORDING)
    timed = studio.described(collection_id, RECORDING, include_word_timestamps=True)
    words = [word for item in timed["speech"] for word in item["words"]]
    assert len(words) > 4
    for item in timed["speech"]:
        times = [time for word in item["words"] for time in (word["start_time"], word["end_time"])]
        assert times == sorted(times)
        assert item["start_time"] - 0.01 <= times[0] and times[-1] <= item["end_time"] + 0.01
        assert " ".join(word["word"] for word in item["words"]) == item["text"]
    assert all("words" not in item for item in studio.described(collection_id, RECORDING)["speech"])
    assert all(item["words"] == [] for item in everything["speech"]), "a subtitle track has no times of words"


@pytest.fixture(scope="module")
def cut(studio: Studio) -> str:
    """A collection with a clip in four segments and a shorter clip in one."""
    collection_id = studio.collection(default_segmentation_config=uniform(5))
    for path in (SPEAKING, COUNTER):
        studio.add(collection_id, path)
    return collection_id


def test_a_description_is_narrowed_to_a_range_and_to_modalities(studio: Studio, cut: str) -> None:
    whole = studio.described(cut, SPEAKING)
    assert len(whole["segment_summary"]) == 4
    part = studio.described(cut, SPEAKING, start_time_seconds=6, end_time_seconds=9)
    assert [item["start_time"] for item in part["segment_summary"]] == [5]
    for name in PARTS.values():
        assert part[name] == [item for item in whole[name] if item["start_time"] < 9 and item["end_time"] > 6]
    some = studio.described(cut, SPEAKING, modalities=["speech", "title"])
    assert some["speech"] == whole["speech"] and some["title"] == whole["title"]
    assert not {"summary", "scene_text", "segment_summary", "visual_scene_description"} & set(some)


def test_a_description_reads_as_one_text(studio: Studio, cut: str) -> None:
    whole = studio.described(cut, SPEAKING)
    text = studio.described(cut, SPEAKING, response_format="markdown")["content"]
    assert text.startswith(f"# {whole['title']}\n\n{whole['summary']}\n\n## 00:00–00:05")
    for heading in ("## 00:05–00:10", "## 00:15–00:18", "### Said", "### Seen"):
        assert heading in text
    said = studio.described(cut, SPEAKING, response_format="markdown", modalities=["speech"])["content"]
    assert "### Said" in said and "### Seen" not in said and not said.startswith("# ")


def test_the_descriptions_of_a_collection_are_those_of_its_files(studio: Studio, cut: str) -> None:
    url = f"/collections/{cut}/media-descriptions"
    page = studio.client.get(url, params={"order": "filename", "sort": "asc"}).json()
    assert [item["file"]["filename"] for item in page["data"]] == [COUNTER.name, SPEAKING.name]
    for item, path in zip(page["data"], (COUNTER, SPEAKING), strict=True):
        alone = studio.described(cut, path)
        assert item["data"] == {name: alone[name] for name in item["data"]}
        assert set(PARTS.values()) | {"title", "summary", "segment_summary"} <= set(item["data"])
    texts = studio.client.get(url, params={"response_format": "markdown", "limit": 1}).json()
    assert (texts["total"], len(texts["data"])) == (2, 1)
    assert texts["data"][0]["data"]["content"].startswith("# ")


def test_thumbnails_are_pictures_that_their_links_lead_to(studio: Studio, cut: str, everything: Json) -> None:
    from PIL import Image

    found = studio.described(cut, SPEAKING, include_thumbnails=True)
    links = [found["thumbnail_url"], *(item["thumbnail_url"] for item in found["segment_summary"])]
    assert len(set(links)) == 5
    for link in links:
        reply = httpx.get(link)
        assert (reply.status_code, reply.headers["content-type"]) == (200, "image/jpeg")
        assert reply.content.startswith(b"\xff\xd8\xff") and reply.content.endswith(b"\xff\xd9")
        picture = Image.open(io.BytesIO(reply.content))
        picture.load()
        assert picture.width / picture.height == pytest.approx(16 / 9, abs=0.05)
    listed = studio.client.get(f"/files/{studio.file(SPEAKING)}/thumbnails", params={"type": "segment"}).json()["data"]
    assert {item["url"] for item in listed} >= set(links[1:])
    (default,) = studio.client.get(f"/files/{studio.file(SPEAKING)}/thumbnails?is_default=true").json()["data"]
    assert default["url"] == links[0] == everything["thumbnail_url"] and default["type"] == "file"


def test_an_upload_may_want_no_thumbnails_of_segments(studio: Studio) -> None:
    with COUNTER.open("rb") as file:
        form = {"enable_segment_thumbnails": "false"}
        id = studio.client.post("/files", files={"file": ("plain.mp4", file)}, data=form).json()["id"]
    wait_for(studio.client, f"/files/{id}")
    collection_id = studio.collection()
    studio.client.post(f"/collections/{collection_id}/media", json={"file_id": id}).raise_for_status()
    wait_for(studio.client, f"/collections/{collection_id}/media/{id}")
    kinds = [item["type"] for item in studio.client.get(f"/files/{id}/thumbnails").json()["data"]]
    assert kinds == ["file"]


def test_pictures_of_segments_are_made_where_collection_or_member_want_them(studio: Studio) -> None:
    """Also when a collection wants them of segments that were described without."""
    off, on = {"enable_segment_thumbnails": False}, {"enable_segment_thumbnails": True}
    path = clip("hevc.mp4")
    url = f"/files/{studio.file(path)}/thumbnails"
    studio.add(studio.collection(default_thumbnails_config=off), path)
    studio.add(studio.collection(), path, thumbnails_config=off)
    assert [item["type"] for item in studio.client.get(url).json()["data"]] == ["file"]
    wanting = studio.collection(default_thumbnails_config=off)
    studio.add(wanting, path, thumbnails_config=on)
    deadline = time.monotonic() + 60
    while len(pictures := studio.client.get(url).json()["data"]) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sorted(item["type"] for item in pictures) == ["file", "segment"]
    (summary,) = studio.described(wanting, path, include_thumbnails=True)["segment_summary"]
    assert httpx.get(summary["thumbnail_url"]).content.startswith(b"\xff\xd8\xff")


def test_the_chapters_of_a_file_are_those_it_marks(studio: Studio) -> None:
    path = clip("chapters.mkv")
    collection_id = studio.collection(describe_config={name: False for name in PARTS})
    studio.add(collection_id, path)
    found = studio.described(collection_id, path, include_chapters=True)
    assert [(item["start_time"], item["description"]) for item in found["chapters"]] == [
        (0, "Chapter 1"),
        (2, "Chapter 2"),
    ]
    part = studio.described(collection_id, path, include_chapters=True, start_time_seconds=3)
    assert (part["total_chapters"], part["chapters"][0]["index"]) == (1, 1)


def test_a_rich_transcript_of_speech_is_read_as_subtitles(studio: Studio) -> None:
    import av

    body = {
        "name": "transcripts",
        "collection_type": "rich-transcripts",
        "transcribe_config": {"enable_summary": False},
    }
    collection_id = studio.client.post("/collections", json=body).raise_for_status().json()["id"]
    studio.add(collection_id, RECORDING)
    url = f"/collections/{collection_id}/videos/{studio.file(RECORDING)}/rich-transcripts"
    spoken = studio.client.get(url, params={"include_word_timestamps": True}).raise_for_status().json()["speech"]
    words = [word["word"] for item in spoken for word in item["words"]]
    for name, parser in (("srt", "srt"), ("vtt", "webvtt")):
        text = studio.client.get(url, params={"response_format": name}).json()["content"]
        with av.open(io.BytesIO(text.encode()), format=parser) as container:
            cues = [bytes(packet).decode() for packet in container.demux() if packet.size]
        assert " ".join(cues).split() == words


def test_work_that_was_done_is_not_done_again(studio: Studio, everything: Json) -> None:
    """The same file under equal settings, here spelt out, is complete in a second collection as it is added."""
    file_id = studio.file(SPEAKING)
    collection_id = studio.collection(
        describe_config={"enable_speech": True, "prompt": ""}, default_segmentation_config=uniform(20.0, 20)
    )
    member = studio.client.post(f"/collections/{collection_id}/media", json={"file_id": file_id}).json()
    assert (member["status"], member["searchable_status"]) == ("completed", "completed")
    found = studio.described(collection_id, SPEAKING, include_word_timestamps=True, include_thumbnails=True)
    assert found == {**everything, "collection_id": collection_id}
    asked = {
        "model": "nimbus-001",
        "input": "Which mirror is cleaned every year?",
        "knowledge_base": {"collections": [collection_id]},
    }
    content = studio.client.post("/responses", json=asked).raise_for_status().json()["output"][0]["content"][0]
    assert "great observatory" in content["text"] and content["annotations"][0]["collection_id"] == collection_id
    studio.client.delete(f"/collections/{collection_id}").raise_for_status()
    again = studio.collection()
    member = studio.client.post(f"/collections/{again}/media", json={"file_id": file_id}).json()
    assert member["status"] == "completed", "what was made is kept when a collection goes"
