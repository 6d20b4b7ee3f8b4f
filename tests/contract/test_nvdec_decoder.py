"""Around NVDEC, with FFmpeg in its place: each group is decoded once, decoders are kept, and none spoils another's clip."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ray_jobs.stages.decode import FrameRequest, Frames, NvdecDecoder, PyavDecoder, TableDecoder
from ray_jobs.stages.nvdec import Sessions, SoftwareSession, StreamKind
from ray_jobs.stages.probe import probe
from services.core.errors import MediaError
from tests.contract.decoders import decibels, decoder_or_skip, every_frame, probed, shown_at
from tests.media import clip
from tests.media.made import Made, streams
from tests.media.numbered import UNEVEN, number_in

KIND = StreamKind("h264", 512, 288, 8)


class Counted(SoftwareSession):
    """made, packets: of all decoders of a kind, by name of the codec."""

    made: ClassVar[Counter[str]] = Counter()
    packets: ClassVar[Counter[str]] = Counter()

    def __init__(self, kind: StreamKind) -> None:
        super().__init__(kind)
        self._name = kind.codec
        self.made[kind.codec] += 1

    def decode(self, packet):
        self.packets[self._name] += packet is not None
        return super().decode(packet)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(streams, st.lists(st.integers(0, 40), min_size=1, max_size=12))
@example(Made("mp4", 2, 3, False, (20,) * 12, 700, (("use_editlist", "0"),)), [0])  # its start is not in its header
def test_of_any_stream_the_frames_are_right_or_refused(stream, asked):
    assume(len(stream.steps) > 2)  # of less, some containers know no length
    with tempfile.TemporaryDirectory() as folder:
        path = stream.write(Path(folder) / f"made.{stream.suffix}")
        with av.open(str(path)) as container:
            start = (container.start_time or 0) / 1e6
            shown = [float(frame.time) - start for frame in container.decode(video=0)]
        asked = [number % len(shown) for number in asked]
        decoder = NvdecDecoder(SoftwareSession, 1)
        info = probe(path)
        requests = [FrameRequest(path, info, [shown[number] + 0.004 for number in asked], None)]
        (result,) = decoder.batch(requests)
        table = TableDecoder({"nvdec": decoder, "pyav": PyavDecoder()}, gpu=True)
        (whole,) = table.batch(requests)
        decoder.close()
    assert (stream.is_open and isinstance(result, MediaError)) or numbers(result) == asked
    assert numbers(whole) == asked, "what NVDEC refuses is read by FFmpeg, whatever it is"
    assert not table.refused or stream.is_open


def test_a_picture_an_hour_behind_the_only_keyframe(tmp_path):
    path = Made("mkv", 1000, 2, False, (20_000,) * 180, -1).write(tmp_path / "hour.mkv")
    decoder = NvdecDecoder(SoftwareSession, 1)
    times = [20.0 * number + 0.004 for number in (0, 1, 90, 179, 180)]
    assert numbers(decoder.frames(path, probe(path), times, None)) == [0, 1, 90, 179, 180]
    decoder.close()


def test_a_transport_stream_whose_clock_turns_over(tmp_path):
    # 33 bits at 90 kHz: 95,443.7 s
    path = Made("ts", 12, 2, False, (40,) * 60, -1, (), 95_442_000).write(tmp_path / "turns.ts")
    decoder = NvdecDecoder(SoftwareSession, 1)
    times = [0.04 * number + 0.004 for number in (0, 5, 30, 45, 60)]
    assert numbers(decoder.frames(path, probe(path), times, None)) == [0, 5, 30, 45, 60]
    decoder.close()


@pytest.fixture
def counted() -> type[Counted]:
    Counted.made.clear()
    Counted.packets.clear()
    return Counted


def requested(name: str, numbers: list[int]) -> FrameRequest:
    path = clip(name)
    return FrameRequest(path, probed(path), [UNEVEN[number] / 1000 + 0.004 for number in numbers], None)


def numbers(result: Frames | MediaError) -> list[int]:
    assert isinstance(result, Frames), result
    return [number_in(image) for image in result.host().images]


def test_of_a_clip_that_is_wanted_whole_each_picture_is_decoded_once(counted):
    (result,) = NvdecDecoder(counted, 2).batch([requested("uneven_h264.mp4", list(range(48)))])
    assert numbers(result) == list(range(48))
    assert counted.packets == {"h264": 48}


def test_pictures_that_nobody_asked_for_and_no_other_needs_are_not_decoded(counted):
    (result,) = NvdecDecoder(counted, 2).batch([requested("uneven_h264.mp4", [8])])
    assert numbers(result) == [8]
    assert counted.packets["h264"] < 9  # frames 0 to 8


def test_decoders_are_kept_from_clip_to_clip(counted):
    decoder = NvdecDecoder(counted, 2)
    for _ in range(4):
        assert numbers(decoder.batch([requested("uneven_h264.mp4", [3, 15, 30, 45])])[0]) == [3, 15, 30, 45]
    assert counted.made["h264"] <= 2


def test_a_clip_that_fails_spoils_no_other(counted):
    class Picky(Counted):
        def decode(self, packet):
            if self._name == "vp8":
                raise RuntimeError("no")
            return super().decode(packet)

    names = ["uneven_h264.mp4", "uneven_vp8.mkv", "uneven.webm"]
    decoder = NvdecDecoder(Picky, 2)
    first, refused, last = decoder.batch([requested(name, [3, 15, 16, 40]) for name in names])
    assert isinstance(refused, MediaError) and refused.message == "NVDEC refuses the video: RuntimeError: no"
    assert numbers(first) == numbers(last) == [3, 15, 16, 40]
    assert numbers(decoder.batch([requested(names[0], [7])])[0]) == [7]


@pytest.mark.parametrize(
    ("change", "why"),
    [({"video_codec": "av1"}, "does not decode av1"), ({"video_codec": "mpeg4"}, "does not decode mpeg4")],
)
def test_what_nvdec_does_not_decode_is_refused_before_a_decoder_is_made(counted, change, why):
    request = requested("uneven_h264.mp4", [3])
    (result,) = NvdecDecoder(counted, 2).batch([replace(request, info=replace(request.info, **change))])
    assert isinstance(result, MediaError) and why in result.message
    assert not counted.made


def test_threads_share_its_decoders(counted):
    decoder = NvdecDecoder(counted, 3)
    with ThreadPoolExecutor(4) as pool:
        asked = [requested("uneven_h264.mp4", [number, number + 13]) for number in range(12)]
        results = list(pool.map(lambda request: decoder.batch([request])[0], asked))
    assert [numbers(result) for result in results] == [[number, number + 13] for number in range(12)]
    assert counted.made["h264"] <= 3


def test_there_are_never_more_decoders_than_the_limit(counted):
    sessions, at_once, most = Sessions(counted, 2), 0, 0
    lock = threading.Lock()

    def work(number: int) -> None:
        nonlocal at_once, most
        with sessions.lent(replace(KIND, width=512 + number % 3)):
            with lock:
                at_once += 1
                most = max(most, at_once)
            with lock:
                at_once -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert most <= 2 and len(sessions) <= 2


def test_the_decoder_that_was_idle_longest_makes_room(counted):
    sessions = Sessions(counted, 2)
    kinds = [replace(KIND, codec=codec) for codec in ("h264", "hevc", "vp9")]
    for kind in (*kinds[:2], kinds[0], kinds[2], kinds[0]):
        with sessions.lent(kind):
            pass
    assert counted.made == {"h264": 1, "hevc": 1, "vp9": 1}


def test_a_decoder_that_failed_is_not_used_again(counted):
    sessions = Sessions(counted, 2)
    with pytest.raises(RuntimeError), sessions.lent(KIND):
        raise RuntimeError
    with sessions.lent(KIND):
        pass
    assert counted.made["h264"] == 2


@pytest.mark.gpu
def test_frames_stay_on_the_gpu_until_they_are_brought_out():
    decoder = decoder_or_skip("nvdec")
    path = clip("uneven_h264.mp4")
    times = np.linspace(0, probed(path).duration_seconds, 7)
    frames = decoder.frames(path, probed(path), times.tolist(), 256)
    assert frames.images.is_cuda
    stamps, pictures = every_frame(path, 256, 144)
    for image, number in zip(frames.host().images, shown_at(stamps, times), strict=True):
        assert decibels(image, pictures[number]) >= 35
