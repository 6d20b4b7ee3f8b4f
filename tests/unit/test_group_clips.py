"""A group of pictures cut out of a video plays by itself, frame for frame, whatever the order it is coded in."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from ray_jobs.stages.group_clips import group_clip
from ray_jobs.stages.picture_groups import PictureGroups, ticks_of
from services.core.errors import MediaError
from tests.media.muxing import Pictures, write
from tests.media.numbered import Numbered, frames, number_in

UNEVEN = [sum((20, 40, 40, 130)[index % 4] for index in range(count)) for count in range(40)]


def write_clip(path, encoder, milliseconds, **options):
    clip = Numbered(encoder, milliseconds, {"g": "12", "b": "3M", **options}, (512, 288))
    return write(path, Pictures(encoder, frames(clip), clip.options))


def clips_at(path, times):
    """For each group that is needed at `times`: the numbers its frames show, and their times in milliseconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for group in PictureGroups(path, stream, ticks_of(container, stream, times)):
            encoded, stamps = group_clip(stream, group.packets)
            with av.open(io.BytesIO(encoded)) as clip:
                numbers = [number_in(frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
            yield numbers, [round(float(stamp * stream.time_base * 1000)) for stamp in stamps]


@pytest.mark.parametrize(
    ("name", "encoder", "options"),
    [
        ("b_frames.mp4", "libx264", {"preset": "veryfast", "bf": "3", "sc_threshold": "0"}),
        ("b_frames.mkv", "libx264", {"preset": "veryfast", "bf": "3", "sc_threshold": "0"}),
        ("hevc.mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0"}),
        ("vp9.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    ],
)
def test_the_frames_of_a_group_are_counted_in_the_order_they_are_shown(tmp_path, name, encoder, options):
    path = write_clip(tmp_path / name, encoder, UNEVEN, **options)
    found = list(clips_at(path, [0.03, 1.9]))
    assert len(found) == 2
    for numbers, milliseconds in found:
        assert milliseconds == [UNEVEN[number] for number in numbers]
        assert numbers == sorted(numbers)
    assert found[0][0][:2] == [0, 1]
    # The group is cut behind the last frame that is needed, give or take pictures that are coded first.
    shown = np.searchsorted(UNEVEN, 1900, side="right") - 1
    assert shown in found[1][0] and found[1][0][-1] <= shown + 4


def test_an_open_group_is_refused_where_frames_could_be_miscounted(tmp_path):
    options = {"preset": "veryfast", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1"}
    path = write_clip(tmp_path / "open.mp4", "libx264", UNEVEN, **options)
    assert list(clips_at(path, [0.03]))
    with pytest.raises(MediaError, match="IDR"):
        list(clips_at(path, [1.9]))


def test_a_group_with_frames_that_are_never_shown_is_refused(tmp_path):
    path = write_clip(tmp_path / "shown.webm", "libvpx", UNEVEN[:4], **{"deadline": "realtime", "cpu-used": "8"})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert len(group_clip(stream, packets)[1]) == 4
        hidden = bytearray(bytes(packets[2]))
        hidden[0] &= ~0x10  # show_frame of the VP8 frame tag
        packets[2], stamp = av.Packet(bytes(hidden)), packets[2].pts
        packets[2].pts = stamp
        with pytest.raises(MediaError, match="never shown"):
            group_clip(stream, packets)
