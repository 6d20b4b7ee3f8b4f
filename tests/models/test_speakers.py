"""Voices of one file are told apart, by the committed recordings of two speakers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.engines.embedded import voiceprint
from ray_jobs.engines.embedded.voiceprint import VoiceEncoder
from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.describe import hear
from ray_jobs.stages.probe import probe
from ray_jobs.stages.speakers import Side, Speakers
from services.core.errors import ArcusError
from services.core.media import Span, Speech, Word
from tests.media import clip, sounds

VOICE = {item["name"]: item["voice"] for item in json.loads((sounds.VOICES / "voices.json").read_text())}
TALK = ("harbor", "garden", "bridge", "letter", "winter", "committee", "library_2", "bees_1")


@pytest.fixture(scope="module")
def speakers() -> Speakers:
    found = Speakers()
    asyncio.run(found.setup())
    return found


def written(path: Path, *channels: np.ndarray) -> Path:
    length = max(map(len, channels))
    samples = np.stack([np.pad(channel, (0, length - len(channel))) for channel in channels], axis=1)
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(len(channels))
        audio.setsampwidth(2)
        audio.setframerate(sounds.RATE)
        audio.writeframes(samples.astype("<i2").tobytes())
    return path


class Repeater:
    """Hears one utterance, as long as the sound that it is given."""

    async def transcribe(
        self, tenant_id: str, samples: np.ndarray, sample_rate: int, offset_seconds: float
    ) -> tuple[Speech, ...]:
        return (Speech("said", offset_seconds, offset_seconds + len(samples) / sample_rate),)


async def labels(speakers: Speakers, path: Path, spans: list[tuple[float, float]], key: str) -> list[str]:
    info = probe(path)
    (side,) = await speakers.sides(("tenant", key), path, info)
    samples = audio_samples(path, info, 0, info.duration_seconds)
    said = [Speech("", start, end) for start, end in spans]
    return [item.speaker for item in await speakers.told(side, samples, 0.0, said)]


async def test_two_voices_are_told_apart_and_numbered_as_they_begin(speakers, tmp_path: Path) -> None:
    samples, spans = sounds.speech(*TALK, pause=0.4)
    found = await labels(speakers, written(tmp_path / "a.wav", samples), spans, "two")
    assert found == ["Speaker 1" if VOICE[name] == "rms" else "Speaker 2" for name in TALK]


async def test_an_utterance_in_which_the_speaker_changes_becomes_two(speakers, tmp_path: Path) -> None:
    samples, spans = sounds.speech("harbor", "garden", pause=0.4)
    path = written(tmp_path / "a.wav", samples)
    (side,) = await speakers.sides(("tenant", "change"), path, probe(path))
    words = tuple(
        Word(f"{name}{number}", start + number * (end - start) / 8, start + (number + 1) * (end - start) / 8)
        for name, (start, end) in zip(("he", "she"), spans, strict=True)
        for number in range(8)
    )
    said = Speech(" ".join(word.word for word in words), spans[0][0], spans[1][1], words=words)
    found = await speakers.told(side, samples, 0.0, [said])
    assert [(item.speaker, item.text) for item in found] == [
        ("Speaker 1", "he0 he1 he2 he3 he4 he5 he6 he7"),
        ("Speaker 2", "she0 she1 she2 she3 she4 she5 she6 she7"),
    ]
    assert found[1].start_time == spans[1][0] and found[1].words == words[8:]


@pytest.mark.parametrize(
    "names", [("garden", "letter", "winter", "library_1"), ("harbor", "bridge", "bees_1", "bees_2")]
)
async def test_one_voice_alone_is_no_speaker_among_others(speakers, tmp_path: Path, names: tuple[str, ...]) -> None:
    samples, spans = sounds.speech(*names)
    assert set(await labels(speakers, written(tmp_path / "a.wav", samples), spans, names[0])) == {""}


async def test_two_who_speak_at_once_are_heard_each_on_a_side(speakers) -> None:
    path = clip("two_speakers.wav")
    info = probe(path)
    said = await hear(path, info, Span(0.0, info.duration_seconds), "tenant", Repeater(), speakers=speakers)
    assert sorted(item.speaker for item in said) == ["Speaker 1", "Speaker 2"]


async def test_one_voice_on_both_sides_is_heard_as_one(speakers, tmp_path: Path) -> None:
    voice = sounds.voice("garden")
    late = np.concatenate([np.zeros(8, np.int16), voice[:-8] // 2])  # of a second microphone, 17 cm further away
    path = written(tmp_path / "a.wav", voice, late)
    assert [side.channel for side in await speakers.sides(("tenant", "one room"), path, probe(path))] == [None]


async def test_where_nobody_speaks_there_are_no_voices(speakers, tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", sounds.tune(8, sounds.RATE)[0])
    assert await labels(speakers, path, [(0.0, 1.0)], "music") == [""]


async def test_what_is_remembered_of_one_tenant_is_not_told_another(speakers, tmp_path: Path) -> None:
    path = tmp_path / "same_path.wav"
    written(path, sounds.speech("garden", "harbor")[0])
    assert sorted((await speakers.sides(("one", "object"), path, probe(path)))[0].numbers) == [1, 2]
    written(path, sounds.tune(8, sounds.RATE)[0])
    assert (await speakers.sides(("two", "object"), path, probe(path)))[0].numbers == ()


async def test_speech_beyond_the_samples_does_no_harm(speakers) -> None:
    side = Side(None, np.eye(2, 256, dtype=np.float32), (1, 2))
    for start, end in ((-9.0, -8.0), (-1.0, 0.5), (0.9, 3.0), (7.0, 7.0)):
        (item,) = await speakers.told(side, np.ones(16_000, np.int16), 0.0, [Speech("a", start, end)])
        assert item.speaker in ("Speaker 1", "Speaker 2")


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voiceprint, "SHA256", hashlib.sha256(b"others").hexdigest())
    with pytest.raises(ArcusError, match=r"pretrained\.pt is not the file"):
        VoiceEncoder().setup()
