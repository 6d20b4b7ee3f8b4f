"""Random models of a megabyte or so, made on the spot: what vLLM loads where the machinery matters and not what is said."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "LICENSE",
    ROOT / "ray_jobs" / "engines" / "scripted.py",
)
WIDTH = 64
LAYERS = 2
HEADS = 2
CONTEXT_TOKENS = 8192
IMAGE_SIDE = 56  # one tile to an image
IMAGE_TOKENS = 4
TIMESTAMPS = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]

CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def tiny_vlm(folder: Path) -> Path:
    """Sees images, follows a chat template, writes text."""
    specials = ["<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>"]
    specials += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    wrapped = _chat_tokenizer(specials)
    config = Idefics3Config(
        text_config={"model_type": "llama", "tie_word_embeddings": False, **_language(wrapped)},
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": 2 * WIDTH,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "image_size": IMAGE_SIDE,
            "patch_size": 14,
        },
        scale_factor=2,
        image_token_id=wrapped.convert_tokens_to_ids("<image>"),
        pad_token_id=wrapped.pad_token_id,
        bos_token_id=wrapped.bos_token_id,
        eos_token_id=wrapped.eos_token_id,
        tie_word_embeddings=False,
    )
    model = _random(Idefics3ForConditionalGeneration, config)
    _never_ending(model.model.text_model, model.lm_head, wrapped)
    model.save_pretrained(folder)
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": IMAGE_SIDE}, max_image_size={"longest_edge": IMAGE_SIDE}, do_image_splitting=False
    )
    Idefics3Processor(images, wrapped, image_seq_len=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE).save_pretrained(folder)
    return folder


def tiny_text(folder: Path) -> Path:
    """Follows a chat template and writes text; sees nothing."""
    wrapped = _chat_tokenizer(["<end_of_utterance>"])
    model = _random(LlamaForCausalLM, LlamaConfig(tie_word_embeddings=False, **_language(wrapped)))
    _never_ending(model.model, model.lm_head, wrapped)
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def _language(wrapped: PreTrainedTokenizerFast) -> dict[str, object]:
    return {
        "vocab_size": len(wrapped),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": CONTEXT_TOKENS,
        "bos_token_id": wrapped.bos_token_id,
        "eos_token_id": wrapped.eos_token_id,
        "pad_token_id": wrapped.pad_token_id,
    }


def _never_ending(decoder: torch.nn.Module, head: torch.nn.Linear, wrapped: PreTrainedTokenizerFast) -> None:
    """Writes ordinary words up to its limit, unless guided decoding leaves it nothing but to end.

    One dimension carries the same positive value through the layers, and votes against every control token.
    """
    controls = sorted(set(wrapped.added_tokens_decoder))
    with torch.no_grad():
        decoder.embed_tokens.weight[:, 0] = 0.2
        for layer in decoder.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
        head.weight.mul_(50)
        head.weight[:, 0] = 0
        head.weight[controls, 0] = -20


def tiny_whisper(folder: Path) -> Path:
    """Hears 30 s at a time and writes five times six words between timestamps, within a second."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer([])
    tokenizer.model.save(str(folder))
    languages = [f"<|{language}|>" for language in LANGUAGES]
    tasks = ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    specials = ["<|endoftext|>", "<|startoftranscript|>", *languages, *tasks]
    wrapped = WhisperTokenizer(vocab=tokenizer.get_vocab(), merges=_merges(folder))
    wrapped.add_special_tokens({"additional_special_tokens": specials})
    wrapped.add_tokens(TIMESTAMPS)
    ids = wrapped.convert_tokens_to_ids
    config = WhisperConfig(
        vocab_size=len(wrapped),
        d_model=WIDTH,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=2 * WIDTH,
        decoder_ffn_dim=2 * WIDTH,
        bos_token_id=ids("<|endoftext|>"),
        eos_token_id=ids("<|endoftext|>"),
        pad_token_id=ids("<|endoftext|>"),
        decoder_start_token_id=ids("<|startoftranscript|>"),
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    model = _random(WhisperForConditionalGeneration, config)
    _reciting(model.model.decoder, wrapped)
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), wrapped).save_pretrained(folder)
    return folder


def _reciting(decoder: torch.nn.Module, wrapped: WhisperTokenizer) -> None:
    """Writes the same whatever it hears, for each position votes for a token of its own.

    What random weights write hangs on the words that the tokenizer was trained on, and may be nothing at all.
    """
    ordinary = [id for id in range(300, len(wrapped)) if id not in wrapped.added_tokens_decoder]
    script: list[int] = []
    for step in range(1, 6):
        time = wrapped.convert_tokens_to_ids(f"<|{step * 0.2:.2f}|>")
        script += [*ordinary[step * 60 : step * 60 + 60 : 10], time, time]
    with torch.no_grad():
        for layer in decoder.layers:
            for last in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                last.weight.zero_()
                last.bias.zero_()
        tokens, positions = decoder.embed_tokens.weight, decoder.embed_positions.weight
        tokens.copy_(torch.nn.functional.normalize(tokens) * WIDTH**0.5)
        positions.copy_(100 * tokens[wrapped.eos_token_id])
        positions[: len(script)] = 100 * tokens[script]


def _chat_tokenizer(specials: list[str]) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(["<pad>", "<s>", "<|system|>", "<|user|>", "<|assistant|>", *specials]),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<end_of_utterance>",
        additional_special_tokens=specials,
        chat_template=CHAT_TEMPLATE,
    )


def _random(architecture: Any, config: object) -> Any:
    torch.manual_seed(7)
    return architecture(config).to(torch.float32)


def _tokenizer(specials: list[str], size: int = 1024) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_lines(), trainer)
    return tokenizer


@functools.cache
def _lines() -> tuple[str, ...]:
    return tuple(line for path in TEXT for line in path.read_text().splitlines())


def _merges(folder: Path) -> list[tuple[str, str]]:
    def pairs() -> Iterator[tuple[str, str]]:
        for line in (folder / "merges.txt").read_text().splitlines():
            if line and not line.startswith("#version"):
                left, right = line.split(" ")
                yield left, right

    return list(pairs())
