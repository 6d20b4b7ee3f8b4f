"""The engine configuration: what a file may say, what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.core.engines.config import MODELS, ROLES, VllmOptions, load_engine_config, parse_engine_config
from services.core.errors import ArcusError, Reason
from services.core.settings import Settings

TWO_ENGINES = """
engines:
  eyes: {kind: vllm, model: /models/vlm, gpus: 0.5}
  vectors: {kind: openai, base_url: "http://127.0.0.1:8000/v1", model: minilm}
roles: {describe: eyes, extract: eyes, nimbus-001: eyes, embed: vectors}
"""


def test_without_a_file_every_role_is_played_by_the_embedded_engine() -> None:
    config = load_engine_config(Settings(data_dir=Path("nowhere")))
    assert {role: config.engine(role).kind for role in ROLES} == dict.fromkeys(ROLES, "embedded")
    assert config.applications == {"embed": ("embed",), "generate": MODELS}
    assert config.application("embed") == "embed" and config.application("nimbus-001") == "generate"


def test_roles_that_name_the_same_engine_share_one_application() -> None:
    config = parse_engine_config(TWO_ENGINES)
    assert config.applications == {
        "engine-eyes": ("describe", "nimbus-001", "extract"),
        "engine-vectors": ("embed",),
        "generate": ("nimbus-002-preview",),
    }
    assert config.application("describe") == config.application("nimbus-001") == "engine-eyes"
    assert config.application("nimbus-002-preview") == "generate"


def test_only_where_an_engine_is_given_it_is_the_role_see_played() -> None:
    assert "see" not in parse_engine_config("").roles and parse_engine_config("").seer is None
    config = parse_engine_config("engines: {eyes: {kind: image_text, folder: /models/clip}}\nroles: {see: eyes}")
    assert config.seer is not None and config.seer.folder == "/models/clip"
    assert config.applications == {"embed": ("embed",), "generate": MODELS, "engine-eyes": ("see",)}


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "engines.yaml").write_text(TWO_ENGINES)
    settings = Settings(config=str(tmp_path / "engines.yaml"), roles="nimbus-001=scripted, embed=embedded")
    config = load_engine_config(settings)
    assert config.roles["nimbus-001"] == "scripted" and config.roles["embed"] == "embedded"
    assert config.roles["describe"] == "eyes"


@pytest.mark.parametrize(
    ("text", "named", "advice"),
    [
        ("engines: [", "YAML", ""),
        ("- a", "engines", "roles"),
        ("models: {}", "models", "engines and roles"),
        ("engines: {a: {kind: tgi}}", "engines.a.kind", "embedded, vllm, openai, scripted"),
        ("engines: {a: {kind: [vllm]}}", "engines.a.kind", "embedded, vllm, openai, scripted"),
        ("engines: {a: 1}", "engines.a", "kind"),
        ("engines: {A b: {kind: embedded}}", "engines.A b", "lower-case"),
        ("engines: {a: {kind: vllm, modle: x, model: y}}", "engines.a.modle", "gpus"),
        ("engines: {a: {kind: vllm}}", "engines.a.model", "missing"),
        ("engines: {a: {kind: vllm, model: y, gpus: 1.5}}", "engines.a.gpus", "whole"),
        ("engines: {a: {kind: openai, base_url: 'ftp://x', model: y}}", "engines.a.base_url", "pattern"),
        ("engines: {embedded: {kind: vllm, model: y}}", "engines.embedded", "choose another"),
        ("roles: {dream: embedded}", "roles.dream", "nimbus-002-preview"),
        ("roles: {embed: mine}", "roles.embed", "'mine'"),
        ("roles: {embed: [mine]}", "roles.embed", "mine"),
        ("roles: {embed: scripted}", "roles.embed", "another engine"),
        ("engines: {a: {kind: vllm, model: y}}\nroles: {embed: a, describe: a}", "engines.a", "an engine of its own"),
        ("engines: {a: {kind: image_text, folder: f}}\nroles: {embed: a}", "roles.embed", "plays no other"),
        ("roles: {see: embedded}", "roles.see", "image_text"),
        ("engines: {a: {kind: image_text}}", "engines.a.folder", "vision.onnx"),
        ("engines: {a: {kind: image_text, folder: f, tags: [dog]}}", "engines.a", "tag_threshold"),
        ("engines: {a: {kind: image_text, folder: f, tag_prompt: a photo}}", "engines.a.tag_prompt", "once"),
        ("engines: {a: {kind: image_text, folder: f, tags: ['  ']}}", "engines.a.tags.0", "1 character"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_change(text: str, named: str, advice: str) -> None:
    with pytest.raises(ArcusError) as caught:
        parse_engine_config(text)
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert named in caught.value.message and advice in caught.value.message


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ArcusError) as caught:
        parse_engine_config("engines: {a: {kind: x}, b: {kind: vllm}}\nroles: {dream: a}")
    for place in ("engines.a.kind", "engines.b.model", "roles.dream"):
        assert place in caught.value.message


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"config": "/nowhere/engines.yaml"}, "/nowhere/engines.yaml"),
        ({"roles": "nimbus-001"}, "ROLE=ENGINE"),
        ({"roles": "nimbus-001=magic"}, "magic"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(ArcusError) as caught:
        load_engine_config(Settings(**settings))  # type: ignore[arg-type]
    assert named in caught.value.message


def test_every_model_that_a_request_may_name_is_a_role() -> None:
    assert set(MODELS) <= set(ROLES)


@pytest.mark.parametrize(
    ("changes", "takes"),
    [
        ({}, True),
        ({"extra": {}}, False),
        ({"max_images": 0}, False),
        ({"gpus": 2}, False),
        ({"gpus": 0.5}, True),
    ],
)
def test_only_a_model_of_one_gpu_that_shares_tensors_is_shown_frames_on_it(
    changes: dict[str, Any], takes: bool
) -> None:
    given = {"kind": "vllm", "model": "m", "extra": {"mm_tensor_ipc": "torch_shm"}}
    assert VllmOptions(**{**given, **changes}).takes_device_frames is takes
