"""What a model on this machine says of itself: which tasks it can do, and what memory it needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.core.engines.config import Task

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
SPEECH = ("Whisper", "Voxtral", "CohereAsr", "Parakeet")
WRITES = ("ForCausalLM", "ForConditionalGeneration", "ChatModel")


@dataclass(frozen=True)
class ModelFolder:
    """`config` is the model's config.json."""

    path: Path
    config: dict[str, Any]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Empty where its architecture is not known."""
        names = [str(name) for name in self.config.get("architectures") or ()]
        if any(name.startswith(SPEECH) for name in names):
            return ("speech",)
        if any(name.endswith(WRITES) for name in names):
            return ("language", "vectors")
        return ("vectors",) if names else ()

    @property
    def sees(self) -> bool:
        return "vision_config" in self.config

    @property
    def context_tokens(self) -> int:
        return _integer(self._text, "max_position_embeddings", "max_target_positions", "n_positions")

    @property
    def vector_dimensions(self) -> int:
        return _integer(self._text, "hidden_size", "d_model", "n_embd")

    def weights_bytes(self, dtype: str, *, is_dummy: bool) -> int:
        """Of the files, or, of a model without any, by its configuration."""
        files = sum(file.stat().st_size for file in self.path.glob("*.safetensors"))
        if files and not is_dummy:
            return files
        return self._parameters() * self._value_bytes(dtype)

    def cache_bytes(self, tokens: int, dtype: str) -> int:
        """Keys and values of one request of this many tokens."""
        text = self._text
        heads = _integer(text, "num_attention_heads", "decoder_attention_heads", "n_head")
        width = _integer(text, "head_dim") or (self.vector_dimensions // heads if heads else 0)
        key_heads = _integer(text, "num_key_value_heads") or heads
        layers = _integer(text, "num_hidden_layers", "decoder_layers", "n_layer")
        return 2 * layers * key_heads * width * self._value_bytes(dtype) * tokens

    @property
    def _text(self) -> dict[str, Any]:
        return self.config.get("text_config") or self.config

    def _value_bytes(self, dtype: str) -> int:
        own = str(self._text.get("dtype") or self._text.get("torch_dtype") or self.config.get("torch_dtype") or "")
        # Where vLLM chooses, it takes float32 weights as 16-bit ones.
        return BYTES[dtype] if dtype in BYTES else 2 if own not in ("float16", "bfloat16") else BYTES[own]

    def _parameters(self) -> int:
        """Of a transformer: embeddings twice unless they are tied, attention, and a gated feed-forward for each expert."""
        vision = self.config.get("vision_config") or {}
        return _transformer(self._text) + _transformer(vision)


def find_model(name: str) -> ModelFolder | None:
    """None where the name is not a folder of this machine with a config.json that can be read."""
    try:
        config = json.loads((Path(name) / "config.json").read_text())
    except (OSError, ValueError):
        return None
    return ModelFolder(Path(name), config) if isinstance(config, dict) else None


def _transformer(part: dict[str, Any]) -> int:
    hidden = _integer(part, "hidden_size", "d_model", "n_embd", "embed_dim")
    layers = _integer(part, "num_hidden_layers", "encoder_layers", "n_layer", "depth")
    layers += _integer(part, "decoder_layers") if "encoder_layers" in part else 0
    heads = _integer(part, "num_attention_heads", "encoder_attention_heads", "n_head", "num_heads") or 1
    width = _integer(part, "head_dim") or hidden // heads
    key_heads = _integer(part, "num_key_value_heads") or heads
    inner = _integer(part, "moe_intermediate_size", "intermediate_size", "encoder_ffn_dim") or 4 * hidden
    experts = _integer(part, "num_experts", "num_local_experts", "n_routed_experts") or 1
    attention = 2 * hidden * width * (heads + key_heads)
    embeddings = _integer(part, "vocab_size") * hidden * (1 if part.get("tie_word_embeddings") else 2)
    return embeddings + layers * (attention + 3 * hidden * inner * experts)


def _integer(part: dict[str, Any], *names: str) -> int:
    return next((part[name] for name in names if isinstance(part.get(name), int)), 0)
