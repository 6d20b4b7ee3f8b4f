"""Sound that is not one format from its start to its end: rates, channels and joined files."""

from __future__ import annotations

import itertools
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.joined import streams_joined
from ray_jobs.stages.probe import probe
from services.core.errors import MediaError
from tests.media import clip, sounds
from tests.media.muxing import Pictures, Sound, write

RATE = 16_000
FORMATS = [(44_100, 2), (48_000, 1), (22_050, 1), (32_000, 2), (48_000, 6)]


def written(path: Path, encoder: str, hertz: int, rate: int, channels: int, format: str, start: int = 0) -> bytes:
    """Two seconds from `start` milliseconds on."""
    tone = np.tile(sounds.tone(hertz, 2, rate), (channels, 1))
    return write(path, Sound(encoder, tone, rate, start_milliseconds=start), format=format).read_bytes()


def pitches(path: Path) -> list[int]:
    """The strongest pitch of each second of the whole sound, rounded to 50 Hz; 0 where it is silent."""
    info = probe(path)
    samples = audio_samples(path, info, 0, info.duration_seconds)
    found = []
    for second in range(len(samples) // RATE):
        part = samples[second * RATE : (second + 1) * RATE].astype(float)
        found.append(round(int(np.argmax(np.abs(np.fft.rfft(part)))) / 50) * 50 if np.std(part) > 50 else 0)
    return found


@pytest.mark.parametrize(
    ("encoder", "format", "formats"),
    [
        *(("libmp3lame", "mp3", pair) for pair in itertools.permutations(FORMATS[:3], 2)),
        *(("aac", "adts", pair) for pair in itertools.permutations(FORMATS, 2)),
        ("ac3", "ac3", (FORMATS[4], FORMATS[0])),
        ("ac3", "mpegts", (FORMATS[0], FORMATS[4])),
        ("aac", "mpegts", (FORMATS[4], FORMATS[1])),
        ("mp2", "mpegts", (FORMATS[0], FORMATS[3])),
    ],
)
def test_sound_that_changes_its_format_is_heard_before_and_after(tmp_path: Path, encoder, format, formats):
    parts = [
        written(tmp_path / f"{n}", encoder, hertz, rate, channels, format, 2000 * n)
        for n, (hertz, (rate, channels)) in enumerate(zip((400, 1000), formats, strict=True))
    ]
    path = tmp_path / "joined"
    path.write_bytes(b"".join(parts))
    heard = pitches(path)
    assert 400 in heard and 1000 in heard and heard.index(400) < heard.index(1000)


@pytest.mark.parametrize("encoders", itertools.product(["libopus", "flac"], repeat=2))
def test_joined_ogg_files_are_heard_whole_and_each_part_at_its_time(tmp_path: Path, encoders):
    path = tmp_path / "joined.ogg"
    parts = [
        written(tmp_path / f"{n}.ogg", encoder, 400 + 300 * n, 48_000, 1, "ogg") for n, encoder in enumerate(encoders)
    ]
    path.write_bytes(b"".join(parts))
    info = probe(path)
    assert info.duration_seconds == pytest.approx(4.0, abs=0.1)
    assert pitches(path)[0] == 400 and pitches(path)[-1] == 700
    late = audio_samples(path, info, 2.5, 3.5).astype(float)
    assert abs(int(np.argmax(np.abs(np.fft.rfft(late)))) - 700) < 5


def test_joined_ogg_videos_are_refused_with_what_to_do(tmp_path: Path):
    path = tmp_path / "joined.ogv"
    path.write_bytes(clip("theora.ogv").read_bytes() * 2)
    with pytest.raises(MediaError, match="2 Ogg videos joined"):
        probe(path)


def recording(path: Path, format: str, seconds: float = 3) -> bytes:
    """Pictures with sound, whose times begin where the format has them begin."""
    frames = ((40 * n, np.full((64, 96, 3), 10 * n % 250, np.uint8)) for n in range(round(seconds * 25)))
    pictures = Pictures("mpeg2video", frames, {"bf": "2"}, clock=Fraction(1, 25))
    tone = np.tile(sounds.tone(400, seconds, 48_000), (2, 1))
    return write(path, pictures, Sound("mp2", tone, 48_000), format=format).read_bytes()


@pytest.mark.parametrize("format", ["mpegts", "mpeg", "vob"])
def test_joined_recordings_whose_times_begin_anew_are_refused_with_what_to_do(tmp_path: Path, format: str):
    path = tmp_path / "joined"
    path.write_bytes(recording(tmp_path / "1", format) + recording(tmp_path / "2", format, 5))
    with pytest.raises(MediaError, match=r"2 recordings joined to one.*ffmpeg -f concat"):
        probe(path)


@pytest.mark.parametrize("format", ["mpegts", "mpeg"])
def test_a_recording_without_its_beginning_or_a_part_is_one(tmp_path: Path, format: str):
    whole, path = recording(tmp_path / "1", format, 6), tmp_path / "cut"
    for kept in (whole[37 + 188 * 40 :], whole[: len(whole) // 3] + whole[len(whole) // 2 :]):
        path.write_bytes(kept)
        assert probe(path).duration_seconds > 2


def test_a_few_wrong_stamps_make_no_new_recording(tmp_path: Path):
    path = tmp_path / "stamps.ts"

    def heard(seconds: float, start: int) -> bytes:
        tone = sounds.tone(400, seconds, 48_000)[None]
        return write(path, Sound("mp2", tone, 48_000, start_milliseconds=start), format="mpegts").read_bytes()

    path.write_bytes(heard(2, 4000) + heard(0.07, 0) + heard(2, 6070))
    assert streams_joined(path, "mpegts") == 1 and probe(path).duration_seconds > 2


@pytest.mark.parametrize("channels", [3, 7, 12, 64, 255])
def test_sound_of_any_number_of_channels_is_mixed_to_one(tmp_path: Path, channels: int):
    path = tmp_path / "many.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat(sounds.tone(400, 2)[:, None], channels, axis=1).astype("<i2").tobytes())
    assert pitches(path) == [400, 400]


def test_a_commentary_is_not_taken_for_the_sound(tmp_path: Path):
    from av.stream import Disposition

    for name in ("comment", "visual_impaired", "hearing_impaired"):
        path = write(
            tmp_path / f"{name}.mkv",
            Sound("flac", sounds.tone(400, 2)[None], disposition=Disposition[name]),
            Sound("flac", sounds.tone(1000, 2)[None]),
        )
        assert pitches(path) == [1000, 1000], name


def test_a_commentary_alone_is_the_sound(tmp_path: Path):
    from av.stream import Disposition

    path = write(tmp_path / "a.mkv", Sound("flac", sounds.tone(400, 2)[None], disposition=Disposition.comment))
    assert pitches(path) == [400, 400]


def test_a_track_that_calls_itself_a_commentary_is_one(tmp_path: Path):
    path = tmp_path / "named.mkv"
    plain = write(
        tmp_path / "plain.mkv",
        Sound("flac", sounds.tone(400, 2)[None]),
        Sound("flac", sounds.tone(1000, 2)[None]),
    )
    with av.open(str(plain)) as source, av.open(str(path), "w") as container:
        copies = [container.add_stream_from_template(stream) for stream in source.streams]
        copies[0].metadata["title"] = "Director's Commentary"
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                container.mux(packet)
    assert pitches(path) == [1000, 1000]
