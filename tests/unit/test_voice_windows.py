"""Which parts of a recording a speech model is shown."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.embedded.transcriber import joined
from ray_jobs.engines.voice_windows import WINDOW_SECONDS, VoiceWindows
from services.core.errors import ArcusError, Reason
from tests.contract.test_role_transcriber import RATE, spoken


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 29)), max_size=20))
def test_windows_hold_every_utterance_whole_and_none_is_longer_than_the_limit(steps) -> None:
    utterances, place = [], 0
    for silence, length in steps:
        utterances.append((place + silence, place + silence + length))
        place += silence + length
    windows = joined(utterances, 1, WINDOW_SECONDS)
    assert all(end - start <= WINDOW_SECONDS for start, end in windows)
    assert all(before[1] <= after[0] for before, after in pairwise(windows))
    for start, end in utterances:
        assert any(first <= start and end <= last for first, last in windows)


@pytest.mark.parametrize("rate", [16_000, 48_000])
async def test_speech_is_cut_out_of_silence_at_its_place(rate: int) -> None:
    windows = VoiceWindows()
    await windows.setup()
    speech = np.repeat(spoken(6.0), rate // RATE)
    silence = np.zeros(40 * rate, np.int16)
    cut = await windows.cut(np.concatenate([silence, speech, silence, speech]), rate)
    assert len(cut) == 2
    for (start, samples), begins in zip(cut, (40.0, 86.0), strict=True):
        assert begins - 0.5 <= start < begins + 2.0
        assert begins + 3.0 < start + len(samples) / RATE <= begins + 6.5
    assert await windows.cut(silence, rate) == []


async def test_samples_of_two_channels_are_refused() -> None:
    with pytest.raises(ArcusError) as caught:
        await VoiceWindows().cut(np.zeros((2, 16_000), np.int16), RATE)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
