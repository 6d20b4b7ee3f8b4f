"""The two towers of an image-text model as ONNX files: frames and texts as unit vectors of one space."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ray_jobs.engines.image_text.preprocessing import Preprocessing
from services.core.engines.config import IMAGE_TEXT_FILES
from services.core.errors import ArcusError, Reason, invalid
from services.core.index.embedding_log import FRAME_SPACE

BATCH = 8  # frames or texts in one pass
MAX_CHARACTERS = 2_000
MAX_DIMENSIONS = 8_192
CLIP_TOKENS, MOST_TOKENS = 77, 1_024
CLIP_PAD = "<|endoftext|>"
TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class Tower:
    """`inputs`: names that it may have, of which it must have the first; `outputs`: names of the vector, best first."""

    def __init__(self, path: Path, threads: int, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has an error class for each of its codes, with none above them
            raise invalid(f"{path} is no ONNX model that can be loaded: {str(error).splitlines()[0]}") from error
        self._path = path
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        if inputs[0] not in self._inputs or not set(self._inputs) <= set(inputs):
            raise invalid(
                f"{path} takes {', '.join(self._inputs)}; a tower takes {' and '.join(inputs)}: export it by itself."
            )
        found = {item.name: len(item.shape) for item in self._session.get_outputs()}
        named = [name for name in outputs if found.get(name) == 2] or [name for name in found if found[name] == 2]
        if not named:
            raise invalid(
                f"{path} gives {', '.join(found)}, none of which is one vector for each input ({' or '.join(outputs)}): "
                "export it with its projection."
            )
        self._output = named[0]

    def shape(self, name: str) -> list[Any]:
        """Of an input: whole numbers where they are fixed."""
        return list(self._inputs[name].shape)

    def run(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """float32 [n, dimensions], each of unit length, of arrays [n, …]. Raises INTERNAL where a vector has no direction."""
        count = len(next(iter(arrays.values())))
        first = next(iter(self._inputs.values())).shape[0]
        step = first if isinstance(first, int) else BATCH
        made = [
            self._pass({name: each[start : start + step] for name, each in arrays.items()})
            for start in range(0, count, step)
        ]
        vectors = np.concatenate(made).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (lengths < 1e-12).any():
            raise ArcusError(Reason.INTERNAL, f"{self._path.name} made vectors without a direction.")
        return vectors / lengths

    def _pass(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        given = {name: arrays[name].astype(TYPES[item.type]) for name, item in self._inputs.items()}
        return self._session.run([self._output], given)[0]


class ImageTextModel:
    """A folder of the operator's. `setup` loads it; then `dimensions` and `space` are known.

    space: names the files' content, so that vectors of another model are never compared with these.
    """

    def __init__(self, folder: str, threads: int = 1) -> None:
        self._folder = Path(folder).expanduser()
        self._threads = threads
        self.dimensions = 0
        self.space = ""

    def setup(self) -> None:
        """Raises INVALID_ARGUMENT that says which file to change."""
        if missing := [name for name in IMAGE_TEXT_FILES if not (self._folder / name).is_file()]:
            raise invalid(f"{self._folder} has no {', '.join(missing)}.")
        self._preprocessing = Preprocessing.read(self._folder / "preprocessor_config.json")
        self._vision = Tower(
            self._folder / "vision.onnx", self._threads, ["pixel_values"], ["image_embeds", "pooler_output"]
        )
        self._text = Tower(
            self._folder / "text.onnx", self._threads, ["input_ids", "attention_mask"], ["text_embeds", "pooler_output"]
        )
        self._tokenizer = self._loaded_tokenizer()
        side = np.zeros((self._preprocessing.height, self._preprocessing.width, 3), np.uint8)
        seen = self._tried("vision.onnx", lambda: self.embed_frames([side, side + 255]))
        read = self._tried("text.onnx", lambda: self.embed_texts(["a photo", "of a dog"])[0])
        if seen.shape[1] != read.shape[1] or seen.shape[1] > MAX_DIMENSIONS:
            raise invalid(
                f"{self._folder}: vision.onnx makes {seen.shape[1]} dimensions and text.onnx {read.shape[1]}; both must be "
                f"of one model, and make the same, at most {MAX_DIMENSIONS}."
            )
        self.dimensions = seen.shape[1]
        self.space = FRAME_SPACE + self._digest()[:16]

    def embed_frames(self, frames: Sequence[np.ndarray]) -> np.ndarray:
        """float32 [n, dimensions], each of unit length, of frames uint8 [height, width, 3] RGB."""
        made = [
            self._vision.run({"pixel_values": self._preprocessing.pixels(frames[first : first + BATCH])})
            for first in range(0, len(frames), BATCH)
        ]
        return np.concatenate(made) if made else np.zeros((0, self.dimensions), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> tuple[np.ndarray, int]:
        """(float32 [n, dimensions], each of unit length; tokens read). A text that is too long counts by its beginning."""
        if not texts:
            return np.zeros((0, self.dimensions), np.float32), 0
        read = self._tokenizer.encode_batch([text[:MAX_CHARACTERS].encode(errors="replace").decode() for text in texts])
        mask = np.array([each.attention_mask for each in read])
        return self._text.run({"input_ids": np.array([each.ids for each in read]), "attention_mask": mask}), int(
            mask.sum()
        )

    def _loaded_tokenizer(self) -> Any:
        """Pads and cuts every text to the length that the model was trained with, which SigLIP needs."""
        from tokenizers import Tokenizer

        path = self._folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise invalid(f"{path} is no tokenizer that can be loaded: {error}") from error
        config = self._tokenizer_config()
        fixed = self._text.shape("input_ids")[1]
        wanted = fixed if isinstance(fixed, int) else config.get("model_max_length", CLIP_TOKENS)
        length = wanted if isinstance(wanted, int) and 1 <= wanted <= MOST_TOKENS else CLIP_TOKENS
        pad = config.get("pad_token") or (tokenizer.padding or {}).get("pad_token") or CLIP_PAD
        pad = pad["content"] if isinstance(pad, dict) else pad
        pad_id = tokenizer.token_to_id(pad)
        if pad_id is None:
            raise invalid(f"{path} has no token {pad!r} to pad with: name one as pad_token in tokenizer_config.json.")
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length, pad_id=pad_id, pad_token=pad)
        return tokenizer

    def _tokenizer_config(self) -> dict[str, Any]:
        path = self._folder / "tokenizer_config.json"
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise invalid(f"{path} can't be read: {error}.") from error

    def _tried(self, name: str, call: Any) -> np.ndarray:
        try:
            return call()
        except ArcusError as error:
            raise invalid(f"{self._folder / name}: {error.message}") from error
        except Exception as error:
            raise invalid(f"{self._folder / name} does not run: {str(error).splitlines()[0]}") from error

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(
            path
            for path in self._folder.iterdir()
            if path.name.startswith((*IMAGE_TEXT_FILES, "tokenizer_", "preprocessor_"))
        ):
            with path.open("rb") as file:
                digest.update(f"{path.name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()
