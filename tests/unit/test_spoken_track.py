"""Which subtitle tracks stand for what is said: those that write it down, and no others."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from ray_jobs.stages.probe import probe
from ray_jobs.stages.spoken_track import SpokenTracks, is_telemetry
from services.core.media import Span, Speech
from tests.media import sounds
from tests.media.muxing import Pictures, Sound, Subtitles, Track, write

SAMPLES, SPANS = sounds.speech("bridge", "garden", pause=1.5)
SECONDS = len(SAMPLES) / sounds.RATE
FRAMES = [(500 * n, np.full((64, 64, 3), 90, np.uint8)) for n in range(int(SECONDS * 2))]
SAID = [
    (round(a * 1000), round(b * 1000), sounds.SAID[n]) for (a, b), n in zip(SPANS, ("bridge", "garden"), strict=True)
]
EACH = range(0, int(SECONDS * 1000), 100)
TITLES = ("Chapter one", "The old bridge", "By the river", "In the garden", "Water", "Going home")
DRONE = "FrameCnt: {n}, DiffTime: 33ms [iso: 100] [shutter: 1/{n}.0] [latitude: 10.000{n}] [longitude: 20.000{n}]"


def clip(path: Path, *more: Track, samples: np.ndarray | None = SAMPLES) -> Path:
    sound: list[Track] = [] if samples is None else [Sound("aac", samples[None])]
    return write(path, Pictures("libx264", FRAMES, {"preset": "ultrafast"}, rate=2), *sound, *more)


def track(path: Path) -> tuple[Speech, ...] | None:
    return SpokenTracks().cues(("tenant", "object"), path, probe(path))


@pytest.mark.parametrize(("name", "encoder"), [("a.mkv", "srt"), ("a.mp4", "mov_text")])
def test_a_track_that_writes_down_what_is_said_stands_for_it(tmp_path: Path, name: str, encoder: str):
    found = track(clip(tmp_path / name, Subtitles(encoder, SAID)))
    assert found is not None and [cue.text for cue in found] == [text for _, _, text in SAID]


@pytest.mark.parametrize(
    ("cues", "disposition"),
    [
        ([(1000, 3000, "A sign")], 0),
        ([(1000, 3000, "A sign")], Disposition.forced),
        (SAID, Disposition.forced),
        ([(0, round(SECONDS * 1000), "Music")], 0),
        (SAID[:1], 0),
        ([(3000 * n, 3000 * n + 3000, title) for n, title in enumerate(TITLES)], 0),
        ([(round(SECONDS * 1000) - 900, round(SECONDS * 1000) - 100, "Subtitles by nobody in particular, all rights kept")], 0),
        ([(t, t + 100, DRONE.format(n=t // 100)) for t in EACH], 0),
        ([(t, t + 100, f"2026-01-02 10:00:{t // 1000:02}.{t % 1000:03}") for t in EACH], 0),
        ([(t, t + 100, f"Speed {t // 37 % 90} kilometres an hour, heading north, engine warm") for t in EACH], 0),
        ([], 0),
    ],
    ids=["sign", "forced sign", "forced", "music", "half", "chapters", "credit", "drone", "clock", "speed", "none"],
)  # fmt: skip
def test_a_track_that_holds_something_else_does_not(tmp_path: Path, cues, disposition):
    # The muxer wants one cue at least: where there is none, an empty one.
    path = clip(tmp_path / "a.mkv", Subtitles("srt", cues or [(0, 100, " ")], Disposition(disposition)))
    assert probe(path).has_subtitles and track(path) is None


def test_a_bitmap_track_holds_no_text(tmp_path: Path):
    path = tmp_path / "bitmaps.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=sounds.RATE, layout="mono")
        bitmaps = container.add_stream("dvbsub")
        bitmaps.codec_context.subtitle_header = b""
        frame = av.AudioFrame.from_ndarray(SAMPLES[None], "s16", "mono")
        frame.sample_rate = sounds.RATE
        packets = [*sound.encode(frame), *sound.encode(None)]
        packet = av.Packet(bytes(40))
        packet.stream, packet.pts, packet.dts, packet.duration = bitmaps, 0, 0, 100
        for item in [packet, *packets]:
            container.mux(item)
    assert track(path) is None


def test_the_whole_track_is_taken_where_signs_are_the_default(tmp_path: Path):
    signs = Subtitles("srt", [(1000, 2500, "A sign")], Disposition.default)
    found = track(clip(tmp_path / "a.mkv", signs, Subtitles("srt", SAID)))
    assert found is not None and len(found) == 2


@pytest.mark.parametrize("samples", [None, np.zeros(sounds.RATE * 10, np.int16), sounds.tune(10, sounds.RATE)[0]])
def test_where_nobody_speaks_a_track_stands(tmp_path: Path, samples):
    found = track(clip(tmp_path / "a.mkv", Subtitles("srt", [(1000, 2000, "A letter: come home")]), samples=samples))
    assert found is not None and [cue.text for cue in found] == ["A letter: come home"]


def test_a_part_that_a_good_track_leaves_out_is_listened_to(tmp_path: Path):
    tracks, path = SpokenTracks(), clip(tmp_path / "a.mkv", Subtitles("srt", SAID))
    info, first = probe(path), Span(*SPANS[0])
    assert tracks.covers([Speech(SAID[0][2], *SPANS[0])], path, info, first)
    assert not tracks.covers([Speech(SAID[0][2], *SPANS[0])], path, info, Span(*SPANS[1]))


def test_what_is_remembered_of_one_tenant_is_not_told_another(tmp_path: Path):
    tracks, path = SpokenTracks(), tmp_path / "same_path.mkv"
    clip(path, Subtitles("srt", SAID))
    assert tracks.cues(("one", "object"), path, probe(path))
    clip(path, Subtitles("srt", [(1000, 1500, "Another")]))
    assert tracks.cues(("two", "object"), path, probe(path)) is None


@pytest.mark.parametrize(
    "texts",
    [
        ["In 1969, 650 million people saw it.", "Half of them were under 30.", "It cost 25 billion."],
        ["No.", "No.", "No!", "Yes."],
        ["3", "2", "1", "Lift-off! We have a lift-off, 32 minutes past the hour.", "And it has cleared the tower."],
    ],
)
def test_numbers_in_talk_are_no_telemetry(texts: list[str]):
    assert not is_telemetry([Speech(text, n, n + 1) for n, text in enumerate(texts)])
