"""H.264 streams of every shape, for tests that try many: groups, order, times, containers, and where sound begins."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tests.media.muxing import Pictures, Sound, write
from tests.media.numbered import picture

FORMATS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "flv": "flv", "ts": "mpegts"}


@dataclass(frozen=True)
class Made:
    """A stream as an encoder and a container make it, of numbered pictures. `steps`: milliseconds between them."""

    suffix: str
    group: int
    reordered: int  # pictures between two that others need
    is_open: bool
    steps: tuple[int, ...]
    sound_milliseconds: int  # where the sound begins; -1: there is none
    options: tuple[tuple[str, str], ...] = ()
    first_milliseconds: int = 0  # when the first picture is shown

    def write(self, path: Path) -> Path:
        stamps = list(accumulate(self.steps, initial=self.first_milliseconds))
        frames = ((stamp, picture(number, 128, 80)) for number, stamp in enumerate(stamps))
        x264 = {
            "preset": "ultrafast", "crf": "20", "g": str(self.group), "keyint_min": "1",
            "bf": str(self.reordered), "sc_threshold": "0",
            "x264-params": f"open-gop={int(self.is_open)}:b-adapt=0:threads=1",
        }  # fmt: skip
        tracks = [Pictures("libx264", frames, x264)]
        if self.sound_milliseconds >= 0:
            tone = np.zeros((1, 16_000), np.int16)
            tracks.append(Sound("aac", tone, start_milliseconds=self.sound_milliseconds))
        return write(path, *tracks, format=FORMATS[self.suffix], options=dict(self.options))


streams = st.builds(
    Made,
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from([1, 2, 5, 12, 1000]),
    st.integers(0, 3),
    st.booleans(),
    st.lists(st.sampled_from([20, 40, 40, 130, 1500]), min_size=1, max_size=40).map(tuple),
    st.sampled_from([-1, 0, 700]),
    st.sampled_from([(), (("use_editlist", "0"),), (("movflags", "frag_keyframe+empty_moov"),)]),
    st.sampled_from([0, 0, 500, 20_000]),
)
