"""Tiny image-text models with random weights: a word of a colour and a picture of it have the same vector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import WhitespaceSplit

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
ONLY_SEEN = "qwx"  # a word for yellow that no model of texts knows
WORDS = ["<|endoftext|>", "unknown", *COLOURS, ONLY_SEEN]
SIDE, TOKENS = 16, 6


def make_model(folder: Path, *, dimensions: int = 5, seed: int = 1, is_siglip: bool = False, **change: Any) -> Path:
    """`change`: names of files with what they hold instead, or None for none."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = np.linalg.qr(np.random.default_rng(seed).standard_normal((dimensions, dimensions)))[0][:3]
    weights = weights.astype(np.float32)
    shown = [*COLOURS.values(), COLOURS["yellow"]]
    vectors = np.array([[0.001] * 3, [0.01] * 3, *((np.array(rgb) / 255 - 0.5) * 2 for rgb in shown)])
    pooled = "pooler_output"
    names = (pooled, pooled) if is_siglip else ("image_embeds", "text_embeds")
    _save(folder / "vision.onnx", _vision(weights, names[0]))
    _save(folder / "text.onnx", _text(vectors.astype(np.float32), weights, names[1], has_mask=not is_siglip))
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="unknown"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    size: Any = {"height": SIDE, "width": SIDE} if is_siglip else {"shortest_edge": SIDE}
    processor = {"size": size, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_center_crop": not is_siglip}
    (folder / "preprocessor_config.json").write_text(json.dumps({**processor, "crop_size": SIDE}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": TOKENS}))
    for name, content in change.items():
        path = folder / name.replace("_onnx", ".onnx").replace("_json", ".json")
        path.unlink() if content is None else path.write_text(content)
    return folder


def picture(colour: str, height: int = 36, width: int = 64) -> np.ndarray:
    return np.full((height, width, 3), COLOURS[colour], np.uint8)


def _vision(weights: np.ndarray, output: str) -> Any:
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], [output]),
    ]
    inputs = [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])]
    return _graph(nodes, inputs, output, {"axes": np.array([2, 3]), "weights": weights})


def _text(vectors: np.ndarray, weights: np.ndarray, output: str, *, has_mask: bool) -> Any:
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["each"]),
        helper.make_node("ReduceSum", ["each", "axes"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "weights"], [output]),
    ]
    names = ["input_ids", "attention_mask"] if has_mask else ["input_ids"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "tokens"]) for name in names]
    return _graph(nodes, inputs, output, {"axes": np.array([1]), "vectors": vectors, "weights": weights})


def _graph(nodes: list[Any], inputs: list[Any], output: str, constants: dict[str, np.ndarray]) -> Any:
    width = constants["weights"].shape[1]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", width])]
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tower", inputs, outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _save(path: Path, model: Any) -> None:
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
