"""Groups of pictures: of every tick the frame shown then, no frame lost, no group cut twice, however a stream is made."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ray_jobs.stages.picture_groups import PictureGroups, ticks_of
from tests.media import clip
from tests.media.made import Made, streams


def packets_of(path: Path) -> list[av.Packet]:
    """Every picture of a file, in decoding order."""
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def check_groups(path: Path, times: list[float], *, is_open: bool = False) -> None:
    every = packets_of(path)
    stamps = sorted(packet.pts for packet in every if not packet.is_discard)
    order = {packet.pts: index for index, packet in enumerate(every)}
    keyframes = [index for index, packet in enumerate(every) if packet.is_keyframe]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = ticks_of(container, stream, times)
        groups = list(PictureGroups(path, stream, ticks))
    shown = {tick: stamps[max(0, bisect_right(stamps, tick) - 1)] for tick in ticks}
    assert {tick: stamp for group in groups for stamp, found in group.wanted.items() for tick in found} == shown
    for group in groups:
        cut = [order[packet.pts] for packet in group.packets]
        assert group.packets[0].is_keyframe and cut == list(range(cut[0], cut[-1] + 1))
        assert group.packets[-1].pts in group.wanted
    firsts = [group.packets[0].pts for group in groups]
    assert len(firsts) == len(set(firsts))
    if not is_open:
        needed: dict[int, int] = {}  # of each group that is wanted: its last picture
        for stamp in shown.values():
            first = keyframes[bisect_right(keyframes, order[stamp]) - 1]
            needed[first] = max(needed.get(first, 0), order[stamp] + 1)
        assert sum(len(group.packets) for group in groups) == sum(last - first for first, last in needed.items())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(streams, st.lists(st.floats(-0.1, 1.1), min_size=1, max_size=12), st.booleans())
@example(Made("flv", 1, 0, False, (20,), 0), [0.0], False)  # which can't be sought in
def test_of_any_stream_each_tick_gets_its_frame_and_nothing_is_decoded_twice(stream, shares, every_frame):
    seconds = sum(stream.steps) / 1000
    times = [index * seconds / 200 for index in range(200)] if every_frame else [share * seconds for share in shares]
    with tempfile.TemporaryDirectory() as folder:
        path = stream.write(Path(folder) / f"made.{stream.suffix}")
        check_groups(path, [max(0.0, time) for time in times], is_open=stream.is_open)


@pytest.mark.parametrize("count", [9, 70])
@pytest.mark.parametrize(
    "name", ["h264.flv", "reordered.mp4", "reordered.mkv", "reordered.ts", "uneven_h264.mp4", "hevc.mp4", "even.webm"]
)
def test_of_each_kind_of_file_every_tick_gets_its_frame_and_no_group_is_cut_twice(name, count):
    with av.open(str(clip(name))) as container:
        seconds = container.duration / 1e6
    check_groups(clip(name), np.linspace(0, seconds, count).tolist())


def test_a_keyframe_far_ahead_is_sought_and_not_read_up_to(tmp_path):
    path = Made("mp4", 10, 2, False, (1000,) * 200, -1).write(tmp_path / "long.mp4")
    check_groups(path, [1.0, 150.0, 151.0, 199.0])


def test_a_transport_stream_whose_clock_turns_over(tmp_path):
    path = Made("ts", 12, 2, False, (40,) * 60, -1, (), 95_442_000).write(tmp_path / "turns.ts")
    check_groups(path, [0.04 * number for number in range(61)])


def test_an_hour_between_the_only_keyframe_and_the_frame_that_is_wanted(tmp_path):
    path = Made("mkv", 1000, 0, False, (20_000,) * 180, -1).write(tmp_path / "hour.mkv")
    check_groups(path, [0.0, 3599.0])
