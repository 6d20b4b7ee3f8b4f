"""Decoded sound of any format as one channel of one rate, also where its format changes on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Beyond 7.1.4 with its extras there are no speakers to mix for: FFmpeg knows no layout with more and mixes none of them.
MIXED_CHANNELS = 24


class MonoResampler:
    """int16 [n] at `rate` Hz of whatever frames come: broadcasts and joined files change rate, channels and codec profile.

    With a `channel`, of that one alone where a frame has it.
    """

    def __init__(self, rate: int, channel: int | None = None) -> None:
        self._rate = rate
        self._channel = channel
        self._format: tuple[str, str, int] | None = None
        self._resampler: Any = None

    def push(self, frame: Any) -> Iterator[np.ndarray]:
        """What comes out for a frame of av.AudioFrame, whose time stamp is not looked at."""
        import av

        frame = _mixed(frame, self._channel)
        frame.pts = None
        coming = (frame.format.name, frame.layout.name, frame.sample_rate)
        if coming != self._format:
            yield from self.flush()
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate)
            self._format = coming
        for out in self._resampler.resample(frame):
            yield out.to_ndarray()[0]

    def flush(self) -> Iterator[np.ndarray]:
        """What is still inside; the next frame begins afresh."""
        resampler, self._resampler, self._format = self._resampler, None, None
        if resampler is not None:
            for out in resampler.resample(None):
                yield out.to_ndarray()[0]


def _mixed(frame: Any, channel: int | None) -> Any:
    """`frame`, or one channel of it, or the mean of all where they have no layout that FFmpeg can mix."""
    import av
    import numpy as np

    channels = frame.layout.nb_channels
    one = channel is not None and channel < channels
    if not one and channels <= MIXED_CHANNELS and "channels" not in frame.layout.name:
        return frame
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, channels).T
    if samples.dtype == np.uint8:
        samples = samples.astype(np.int16) - 128
        scale = 128.0
    else:
        scale = float(-int(np.iinfo(samples.dtype).min)) if samples.dtype.kind == "i" else 1.0
    chosen = samples[channel].astype(np.float64) if one else samples.mean(axis=0, dtype=np.float64)
    mono = av.AudioFrame.from_ndarray((chosen / scale).astype(np.float32)[None, :], format="flt", layout="mono")
    mono.sample_rate = frame.sample_rate
    return mono
