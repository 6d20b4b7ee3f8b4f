"""The example lecture is what its text says."""

import json
import runpy
from pathlib import Path

import av

FOLDER = Path(__file__).parents[2] / "examples" / "lecture"


def test_the_committed_lecture_was_made_from_the_committed_text() -> None:
    script = runpy.run_path(str(FOLDER / "make_lecture.py"))
    written = script["chapters"]((FOLDER / "lecture.md").read_text())
    made = json.loads((FOLDER / "lecture.json").read_text())
    assert [(item["title"], tuple(item["lines"]), item["speech"]) for item in made] == [
        (chapter.title, chapter.lines, chapter.speech) for chapter in written
    ]


def test_the_video_is_small_and_as_long_as_its_chapters() -> None:
    path = FOLDER / "lecture.mp4"
    made = json.loads((FOLDER / "lecture.json").read_text())
    assert path.stat().st_size < 2_000_000
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.width, video.height, video.average_rate) == ("h264", 1280, 720, 10)
        assert audio.codec_context.name == "aac"
        assert container.duration is not None
        assert abs(container.duration / 1e6 - made[-1]["end_time"]) < 0.2
    assert 60 <= made[-1]["end_time"] <= 120
    assert [item["start_time"] for item in made[1:]] == [item["end_time"] for item in made[:-1]]
