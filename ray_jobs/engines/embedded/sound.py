"""What the audio of a segment sounds like, told only as far as it can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.core.media import Span, Speech, TimedText

WINDOW_SECONDS = 5.0
SILENT_DBFS, QUIET_DBFS = -60.0, -42.0
SPOKEN_SHARE = 0.2

# Measured over 5 s windows of clips with known sound. Share of peak energy that stays at its pitch for 190 ms:
# music 0.73-1.00, speech 0.10-0.76. Share of peaks that do: music 0.53-0.77, speech 0.09-0.54.
MUSIC_ENERGY_HELD, MUSIC_PEAKS_HELD = 0.79, 0.55
STEADY_DB = 1.0  # deviation of the level from frame to frame: tone and hiss 0.0-0.5, music 1.5-3.5, speech 3.6-18
HISS_FLATNESS = 0.4  # geometric over arithmetic mean of the spectrum: white noise 0.56, everything else under 0.16

FRAME, HOP, HELD_FRAMES = 2048, 512, 6


def listen(
    samples: np.ndarray, span: Span, sample_rate: int = 16_000, speech: Sequence[Speech] = ()
) -> tuple[TimedText, ...]:
    """Sentences on mono int16 [n] that begins where the span does; empty where there is no audio at all.

    A voice is mentioned only where `speech` has an utterance; one without text is a voice that was not understood.
    """
    if not len(samples):
        return ()
    told: list[TimedText] = []
    step = int(WINDOW_SECONDS * sample_rate)
    # A last window under half a window long is heard together with the one before it.
    starts = [start for start in range(0, len(samples), step) if not start or len(samples) - start >= step / 2]
    for start, stop in zip(starts, [*starts[1:], len(samples)], strict=True):
        begin = span.start_time + start / sample_rate
        end = min(span.end_time, span.start_time + stop / sample_rate)
        if begin >= end:
            break
        if _spoken([item for item in speech if item.text], begin, end):
            text = "Someone is speaking."
        elif _spoken(speech, begin, end):
            text = "Someone is speaking; the words were not understood."
        else:
            text = sentence(samples[start:stop], sample_rate)
        if told and told[-1].text == text:
            told[-1] = TimedText(text, told[-1].start_time, end)
        else:
            told.append(TimedText(text, begin, end))
    return tuple(told)


def sentence(samples: np.ndarray, sample_rate: int = 16_000) -> str:
    """One true sentence on int16 [n] in which nobody is known to speak."""
    level = level_dbfs(samples)
    if level < SILENT_DBFS:
        return "Silence."
    if len(samples) >= FRAME + 2 * HELD_FRAMES * HOP:
        energy_held, peaks_held, flatness, deviation = _measured(samples, sample_rate)
        if deviation < STEADY_DB and flatness > HISS_FLATNESS:
            return "A steady hiss."
        if energy_held > MUSIC_ENERGY_HELD and peaks_held > MUSIC_PEAKS_HELD:
            return "A steady tone sounds." if deviation < STEADY_DB else "Music plays."
    return "Quiet background sound." if level < QUIET_DBFS else "Background sound."


def level_dbfs(samples: np.ndarray) -> float:
    """Root mean square of int16 [n], in dB below full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) / 32768**2 + 1e-12))


def _spoken(speech: Sequence[Speech], begin: float, end: float) -> bool:
    overlap = sum(max(0.0, min(end, item.end_time) - max(begin, item.start_time)) for item in speech)
    return overlap > SPOKEN_SHARE * (end - begin)


def _measured(samples: np.ndarray, sample_rate: int) -> tuple[float, float, float, float]:
    """(share of peak energy held, share of peaks held, spectral flatness, deviation of the level in dB)."""
    signal = samples.astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(signal, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)) ** 2
    pitch = np.fft.rfftfreq(FRAME, 1 / sample_rate)
    power = power[:, (pitch > 200) & (pitch < 5_000)] + 1e-3
    middle = power[:, 1:-1]
    peaks = (middle > power[:, :-2]) & (middle > power[:, 2:]) & (middle > 20 * np.median(power, axis=1)[:, None])
    later = peaks[HELD_FRAMES:]
    held = peaks[:-HELD_FRAMES] & (later | np.roll(later, 1, axis=1) | np.roll(later, -1, axis=1))
    heard = middle[:-HELD_FRAMES] * peaks[:-HELD_FRAMES]
    short = np.lib.stride_tricks.sliding_window_view(signal, FRAME // 4)[:: HOP // 2]
    level = 10 * np.log10(np.mean(short**2, axis=1) + 1)
    return (
        float((heard * held).sum() / max(float(heard.sum()), 1e-9)),
        float(held.sum() / max(1, int(peaks[:-HELD_FRAMES].sum()))),
        float(np.median(np.exp(np.log(power).mean(1)) / power.mean(1))),
        float(level.std()),
    )
