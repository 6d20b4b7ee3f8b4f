"""Shots, text on the screen and speech of real recordings, against their published and hand-made truth."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from loadtests.scores import lines_recalled, word_errors
from ray_jobs.engines.embedded.transcriber import EmbeddedTranscriber
from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.describe import hear
from ray_jobs.stages.probe import probe
from ray_jobs.stages.shots import detect_shots
from ray_jobs.stages.speakers import Speakers
from ray_jobs.stages.subtitles import text_tracks
from services.core.media import ShotDetectorConfig, Span, Speech
from tests.embedded_models import sampled, unread
from tests.media_suite.conftest import TRUTH, real

# Seconds; PySceneDetect's own expectations for its two clips, ground_truth.json for the others.
CUTS = {
    "bbb_30s_vp8.webm": ((11.8, 15.7, 23.0), 0.5),
    "slides_lorem_1fps.mp4": ((17.0, 19.0, 24.0), 1.0),
    "shots_testvideo.mp4": ((15 / 29.97, 198 / 29.97, 377 / 29.97), 0.5),
    "shots_fades.mp4": ((84 / 25, 167 / 25), 0.5),
}
TRANSCRIBED = ("jfk.flac", "librivox_0870.wav", "librivox_0880.wav", "librivox_0890.wav", "lj050_0131.wav")
MOST_WORDS_WRONG = 0.40


def boundary_scores(found: list[float], truth: tuple[float, ...], tolerance: float) -> float:
    """F1 of boundaries in seconds; every true one is hit at most once."""
    left, hits = list(found), 0
    for cut in truth:
        nearest = min(left, key=lambda time: abs(time - cut), default=None)
        if nearest is not None and abs(nearest - cut) <= tolerance:
            left.remove(nearest)
            hits += 1
    return 2 * hits / (len(found) + len(truth))


@pytest.mark.parametrize("name", CUTS)
def test_shots_are_found_with_an_f1_of_at_least_0_8(name):
    truth, tolerance = CUTS[name]
    shots = detect_shots(real(name), probe(real(name)), ShotDetectorConfig())
    assert boundary_scores([shot.start_time for shot in shots[1:]], truth, tolerance) >= 0.8


def whole_sound(path: Path) -> np.ndarray:
    info = probe(path)
    return audio_samples(path, info, 0, info.duration_seconds)


def test_every_line_of_the_slides_is_read_while_its_slide_is_shown(reader):
    slides = TRUTH["derived_lecture.mp4"]["slides"]
    blocks = reader.read(*sampled(real("derived_lecture.mp4"), 2.0), 54.1)
    shown = [([slide["title"], *slide["lines"]], slide["start"], slide["end"]) for slide in slides]
    assert unread(blocks, shown) == []
    assert [block.headline for block in blocks] == [slide["title"] for slide in slides]


def test_the_slides_of_a_filmed_lecture_are_read(reader):
    blocks = reader.read(*sampled(real("lecture_slides_10fps.mov"), 2.0), 10.5)
    named = {line: block for block in blocks for line in block.text.splitlines()}
    assert (named["ETH"].start_time, named["ETH"].end_time) == (0.0, 10.5)
    assert named["Conditional expressions"].end_time <= named["Path Expressions"].start_time + 0.001
    recall, missed = lines_recalled(TRUTH["lecture_slides_10fps.mov"]["ocr"], [block.text for block in blocks])
    assert recall >= 0.85, missed


def test_film_without_text_reads_as_none(reader):
    assert reader.read(*sampled(real("earth_mpeg4.avi"), 1.0), 5.0) == ()


def test_read_speech_is_heard(transcriber):
    errors = words = 0
    for name in TRANSCRIBED:
        heard = " ".join(part.text for part in transcriber.transcribe(whole_sound(real(name))))
        wrong, of = word_errors(TRUTH[name]["transcript"].replace("[exact]", ""), heard)
        errors, words = errors + wrong, words + of
    print(f"word error rate {errors / words:.3f} of {words} words")
    assert errors / words <= MOST_WORDS_WRONG


@pytest.mark.parametrize("name", ["bbb_30s_vp8.webm", "screencast_launching_apps.webm", "earth_mpeg4.avi"])
def test_music_and_noise_yield_no_words(transcriber, name):
    assert transcriber.transcribe(whole_sound(real(name))) == ()


def test_what_was_heard_before_changes_nothing(transcriber):
    recordings = [whole_sound(real(name)) for name in ("stereo_two_speakers.wav", "lj050_0131.wav")]
    forth = [transcriber.transcribe(samples) for samples in recordings]
    back = [transcriber.transcribe(samples) for samples in reversed(recordings)]
    assert back[::-1] == forth


def subtitles(name: str) -> list[Speech]:
    """The cues of the first text track."""
    tracks = text_tracks(real(name), probe(real(name)).duration_seconds)
    return list(tracks[0].cues) if tracks else []


def test_subtitle_tracks_are_read():
    cues = subtitles("nasa_13013.mp4")
    assert [round(cue.start_time, 2) for cue in cues] == [0.21, 4.26, 8.35, 12.47]
    assert "at NASA’s Goddard Space Flight Center" in cues[2].text
    (cue,) = subtitles("face_with_srt.mkv")
    assert (cue.text, cue.start_time) == ("This is the first subtitle.", 0.0)
    length = probe(real("face_with_srt.mkv")).duration_seconds
    assert length < 1.234 and cue.end_time == pytest.approx(length, abs=0.001), (
        "a cue that outlasts its file ends with it"
    )
    assert subtitles("derived_lecture.mp4") == []


@pytest.mark.parametrize("name", ["jfk.flac", "derived_lecture.mp4", "screencast_launching_apps.webm"])
def test_a_part_is_heard_where_it_lies_in_the_whole(name):
    whole, path = probe(real(name)), real(name)
    all_of_it, part = audio_samples(path, whole, 0, 11), audio_samples(path, whole, 5.25, 8.5)
    assert len(part) == pytest.approx(3.25 * 16000, abs=2)
    same = all_of_it[84000 : 84000 + len(part)].astype(float)
    assert np.corrcoef(same, part.astype(float))[0, 1] > 0.95


@pytest.fixture(scope="module")
def speakers() -> Speakers:
    found = Speakers()
    asyncio.run(found.setup())
    return found


class InTurn:
    """The engine as the stage calls it."""

    def __init__(self, engine: EmbeddedTranscriber) -> None:
        self._engine = engine

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        return self._engine.transcribe(samples, sample_rate, offset_seconds)


async def heard_of(path: Path, transcriber: EmbeddedTranscriber, speakers: Speakers) -> list[Speech]:
    info, engine = probe(path), InTurn(transcriber)
    span = Span(0.0, info.duration_seconds)
    return list(await hear(path, info, span, "tenant", engine, object_key=path.name, speakers=speakers))


async def test_utterances_of_two_readers_are_told_apart(tmp_path: Path, transcriber, speakers):
    reader, other = [whole_sound(real(f"librivox_08{number}.wav")) for number in (70, 80, 90)], "lj050_0131.wav"
    woman = np.split(whole_sound(real(other)), [int(4.4 * 16_000)])
    parts = [(0, reader[0]), (1, woman[0]), (0, reader[1]), (1, woman[1]), (0, reader[2])]
    pause = np.zeros(8_000, np.int16)
    ends = np.cumsum([len(samples) + len(pause) for _, samples in parts]) / 16_000
    path = tmp_path / "mixture.wav"
    with wave.open(str(path), "wb") as audio:
        audio.setparams((1, 2, 16_000, 0, "NONE", ""))
        audio.writeframes(np.concatenate([piece for _, samples in parts for piece in (samples, pause)]).tobytes())
    said = await heard_of(path, transcriber, speakers)
    truth = [parts[int(np.searchsorted(ends, (item.start_time + item.end_time) / 2))][0] for item in said]
    for item in said:
        print(item.speaker, item.start_time, item.text)
    right = sum(item.speaker == f"Speaker {number + 1}" for item, number in zip(said, truth, strict=True))
    assert len(said) >= 5 and right / len(said) >= 0.9


async def test_two_who_speak_at_once_are_heard_each_on_a_side(transcriber, speakers):
    said = await heard_of(real("stereo_two_speakers.wav"), transcriber, speakers)
    assert [item.speaker for item in said] == ["Speaker 1", "Speaker 2"]
    assert said[1].text == "The horizon seems extremely distant."
