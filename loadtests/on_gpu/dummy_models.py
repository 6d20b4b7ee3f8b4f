"""Folders that vLLM loads with load_format="dummy": a real model's configuration, a tokenizer made here, no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# The shape of HuggingFaceM4/Idefics3-8B-Llama3, from its config.json: Llama 3 8B behind SigLIP SO400M of 364 pixels.
IDEFICS3_8B: dict[str, Any] = {
    "vocab_size": 128_259,
    "text": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "rope_theta": 500000.0,
    },
    "vision": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 364,
        "patch_size": 14,
    },
}
# Nothing real: what two processors can run in a second.
SMALL_VLM: dict[str, Any] = {
    "vocab_size": 1024,
    "text": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    },
    "vision": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
    },
}
# The shape of BAAI/bge-base-en-v1.5, from its config.json: BERT base.
BGE_BASE: dict[str, Any] = {
    "vocab_size": 30_522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
SMALL_BERT: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 128,
}
SCALE = 2  # pixels of the vision model's output that become one token, along each side
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def vision_model(folder: Path, shape: dict[str, Any], context_tokens: int, *, on_tensors: bool = False) -> Path:
    """An Idefics3 that sees each image as one tile. on_tensors: its processor works where an image lies, with torchvision."""
    import transformers
    from transformers import Idefics3Config, Idefics3Processor, PreTrainedTokenizerFast

    specials = ["<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>"]
    specials += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = _tokenizer(["<pad>", "<s>", "<|system|>", "<|user|>", "<|assistant|>", *specials], shape["vocab_size"])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<end_of_utterance>",
        additional_special_tokens=specials,
        chat_template=CHAT_TEMPLATE,
    )
    ids = {
        "pad_token_id": wrapped.pad_token_id,
        "bos_token_id": wrapped.bos_token_id,
        "eos_token_id": wrapped.eos_token_id,
    }
    text = {
        "model_type": "llama",
        "vocab_size": shape["vocab_size"],
        "max_position_embeddings": context_tokens,
        "tie_word_embeddings": False,
        **ids,
        **shape["text"],
    }
    config = Idefics3Config(
        text_config=text,
        vision_config=shape["vision"],
        scale_factor=SCALE,
        image_token_id=wrapped.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
        **ids,
    )
    config.architectures = ["Idefics3ForConditionalGeneration"]
    config.save_pretrained(folder)
    side = shape["vision"]["image_size"]
    processor = getattr(transformers, "Idefics3ImageProcessor" if on_tensors else "Idefics3ImageProcessorPil")
    images = processor(size={"longest_edge": side}, max_image_size={"longest_edge": side}, do_image_splitting=False)
    tokens = (side // shape["vision"]["patch_size"] // SCALE) ** 2
    Idefics3Processor(images, wrapped, image_seq_len=tokens, chat_template=CHAT_TEMPLATE).save_pretrained(folder)
    return folder


def embedding_model(folder: Path, shape: dict[str, Any]) -> Path:
    """A BERT whose vectors are pooled from its first token."""
    from tokenizers import processors
    from transformers import BertConfig, PreTrainedTokenizerFast

    tokenizer = _tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], shape["vocab_size"])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
    config = BertConfig(max_position_embeddings=512, **shape)
    config.architectures = ["BertModel"]
    config.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def _tokenizer(specials: list[str], size: int) -> Any:
    """Byte pairs learnt from Arcus's own texts, with words that never occur up to `size`, so that every id has a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    learnt = Tokenizer(models.BPE())
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=min(size, 8192),
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = [line for name in ("README.md", "LICENSE") for line in (ROOT / name).read_text().splitlines()]
    learnt.train_from_iterator(lines, trainer)
    tokenizer = Tokenizer.from_str(_with_fillers(learnt.to_str(), size))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _with_fillers(serialised: str, size: int) -> str:
    value = json.loads(serialised)
    vocabulary = value["model"]["vocab"]
    for number in range(max(vocabulary.values()) + 1, size):
        vocabulary[f"filler{number}"] = number
    return json.dumps(value)
