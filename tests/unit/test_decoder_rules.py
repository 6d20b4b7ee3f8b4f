"""The table of decoders: every row can be reached, every clip has a reader, and each column decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ray_jobs.stages.decode import table_decoder
from ray_jobs.stages.decoder_rules import RULES, Rule, decoders_for
from services.core.media import MediaInfo

H264 = MediaInfo(
    "video", 60.0, "mov", True, 1920, 1080, 30.0, 0, "h264", "yuv420p", video_profile="High", has_regular_rate=True
)


@pytest.mark.parametrize(
    ("change", "with_gpu"),
    [
        ({}, "nvdec"),
        ({"video_profile": "Constrained Baseline"}, "nvdec"),
        ({"has_regular_rate": False}, "nvdec"),
        ({"duration_seconds": 7200.0}, "nvdec"),
        ({"rotation": 90, "width": 1080, "height": 1920}, "nvdec"),
        ({"width": 4096, "height": 2304}, "nvdec"),
        ({"video_codec": "hevc", "video_profile": "Main 10", "pixel_format": "yuv420p10le"}, "nvdec"),
        ({"video_codec": "hevc", "video_profile": "Main", "width": 7680, "height": 4320}, "nvdec"),
        ({"video_codec": "vp9", "video_profile": "Profile 0"}, "nvdec"),
        ({"video_codec": "vp8", "video_profile": None}, "nvdec"),
        # What NVDEC does not decode, or not better.
        ({"video_profile": "High 4:4:4 Predictive", "pixel_format": "yuv444p"}, "pyav"),
        ({"video_profile": "High 10", "pixel_format": "yuv420p10le"}, "pyav"),
        ({"video_profile": None}, "pyav"),
        ({"width": 7680, "height": 4320}, "pyav"),
        ({"width": 320, "height": 40}, "pyav"),
        ({"has_open_groups": True}, "pyav"),
        ({"duration_seconds": 0.4}, "pyav"),
        ({"video_codec": "hevc", "video_profile": "Rext", "pixel_format": "yuv422p10le"}, "pyav"),
        ({"video_codec": "hevc", "video_profile": "Main", "width": 128, "height": 128}, "pyav"),
        ({"video_codec": "vp9", "video_profile": "Profile 2", "pixel_format": "yuv420p10le"}, "pyav"),
        ({"video_codec": "av1", "video_profile": "Main"}, "pyav"),
        ({"video_codec": "mpeg4", "video_profile": "Simple Profile"}, "pyav"),
        ({"media_type": "image", "duration_seconds": 0.0, "video_codec": "png"}, "pyav"),
    ],
)
def test_the_first_choice_with_and_without_a_gpu(change, with_gpu):
    info = replace(H264, **change)
    assert decoders_for(info, gpu=True)[0] == with_gpu
    assert decoders_for(info, gpu=False)[0] == "pyav"
    assert "pyav" in decoders_for(info, gpu=True)


def test_what_can_only_be_decoded_from_its_start_goes_to_no_gpu_and_the_table_says_why():
    opened = replace(H264, has_open_groups=True)
    assert decoders_for(opened, gpu=True) == ["pyav", "decord"]
    assert "IDR" in next(rule for rule in RULES if rule.fits(opened, gpu=True)).why


def test_sound_has_no_decoder():
    assert decoders_for(MediaInfo("audio", 5.0, "wav", True), gpu=True) == []


@pytest.mark.parametrize(
    ("change", "behind_pyav"),
    [
        ({}, ["decord"]),
        ({"has_regular_rate": False}, []),
        ({"duration_seconds": 5000.0}, []),
        ({"video_codec": "vp9", "video_profile": "Profile 0"}, ["decord", "dali-cpu"]),
        ({"video_codec": "vp8", "video_profile": None, "has_regular_rate": False}, ["dali-cpu"]),
    ],
)
def test_who_is_asked_when_the_first_refuses(change, behind_pyav):
    assert decoders_for(replace(H264, **change), gpu=False) == ["pyav", *behind_pyav]


@pytest.mark.parametrize("rule", RULES, ids=[f"{rule.decoder}: {rule.why}" for rule in RULES])
def test_every_row_takes_some_clip(rule: Rule):
    def one(names: frozenset[str]) -> str | None:
        return min(names) if names else None

    info = MediaInfo(
        one(rule.media_types), rule.min_seconds, "mov", False, rule.min_side, rule.min_side,
        video_codec=one(rule.codecs), pixel_format=one(rule.pixel_formats), video_profile=one(rule.profiles),
        has_open_groups=bool(rule.open_groups),
    )  # fmt: skip
    assert rule.fits(info, gpu=True)
    assert rule.fits(info, gpu=False) is not rule.needs_gpu


def test_the_rows_name_decoders_that_there_are():
    known = {"pyav", "decord", "dali-cpu", "dali-gpu", "nvdec"}
    assert {rule.decoder for rule in RULES} == known
    assert {"pyav", "decord", "dali-cpu"} <= table_decoder().names <= known
