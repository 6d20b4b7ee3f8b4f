"""Whose voice it is, as a vector: the LSTM encoder of Wan et al. 2018 ("Generalized End-to-End Loss for Speaker
Verification"), whose weights the package Resemblyzer carries. Of it nothing but the weights is used."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ray_jobs.engines.embedded.mel import HOP, WINDOW, band_powers
from services.core.errors import ArcusError, Reason

SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
DIMENSIONS = 256
BANDS, LAYERS = 40, 3
FRAMES = 160  # of 10 ms: what the encoder was trained to hear at once
WINDOW_SAMPLES = FRAMES * HOP
LEVEL_DBFS = -30.0  # that softer speech is raised to, as in training
BATCH = 32


class VoiceEncoder:
    """Not to be used by two threads at once. `setup` takes about a second; nothing is kept from call to call."""

    def __init__(self) -> None:
        self._lstm: Any = None
        self._linear: Any = None

    def setup(self) -> None:
        """Raises ENGINE_UNAVAILABLE where the weights are not there, or are others."""
        import torch

        torch.set_num_threads(1)
        state = torch.load(io.BytesIO(_weights()), map_location="cpu", weights_only=True)["model_state"]
        self._lstm = torch.nn.LSTM(BANDS, DIMENSIONS, LAYERS, batch_first=True)
        self._linear = torch.nn.Linear(DIMENSIONS, DIMENSIONS)
        for layer, name in ((self._lstm, "lstm."), (self._linear, "linear.")):
            layer.load_state_dict({key.removeprefix(name): state[key] for key in state if key.startswith(name)})

    def encode(self, samples: np.ndarray, starts: Sequence[int]) -> np.ndarray:
        """float32 [n, 256], each row of unit length: of the 1.6 s of mono int16 [m] at 16 kHz from each start on.

        What lies beyond the end is silence.
        """
        import torch

        found = np.zeros((len(starts), DIMENSIONS), np.float32)
        for first in range(0, len(starts), BATCH):
            pictures = np.stack([_picture(samples, start) for start in starts[first : first + BATCH]])
            with torch.inference_mode():
                _, (hidden, _) = self._lstm(torch.from_numpy(pictures))
                raw = torch.relu(self._linear(hidden[-1]))
                found[first : first + BATCH] = torch.nn.functional.normalize(raw, dim=1).numpy()
        return found


def _picture(samples: np.ndarray, start: int) -> np.ndarray:
    """float32 [160, 40]: power, not its logarithm, of windows centred on each 10 ms."""
    signal = np.zeros(WINDOW_SAMPLES + WINDOW, np.float32)
    begin = start - WINDOW // 2
    part = samples[max(0, begin) : max(0, begin + len(signal))].astype(np.float32) / 32768
    offset = max(0, -begin)
    signal[offset : offset + len(part)] = part
    level = 10 * np.log10(float(np.mean(part**2)) + 1e-12) if len(part) else LEVEL_DBFS
    signal *= 10 ** (max(0.0, LEVEL_DBFS - level) / 20)
    return np.ascontiguousarray(band_powers(signal, BANDS)[:, :FRAMES].T)


def has_weights() -> bool:
    return find_spec("resemblyzer") is not None  # found, not imported: its own imports are not installed


def _weights() -> bytes:
    spec = find_spec("resemblyzer")
    if spec is None or not spec.origin:
        raise ArcusError(
            Reason.ENGINE_UNAVAILABLE, "No weights to tell voices apart: Resemblyzer is missing; run 'make setup'."
        )
    weights = Path(spec.origin).with_name("pretrained.pt").read_bytes()
    if hashlib.sha256(weights).hexdigest() != SHA256:
        raise ArcusError(
            Reason.ENGINE_UNAVAILABLE,
            f"Resemblyzer's pretrained.pt is not the file it should be (sha256 {SHA256[:12]}…); run 'make setup'.",
        )
    return weights
