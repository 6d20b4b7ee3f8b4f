"""The role see on tiny models of both families: shapes, unit length, what is told, and what a folder must hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ray_jobs.engines.engine import open_engine
from ray_jobs.engines.image_text.preprocessing import Preprocessing
from ray_jobs.engines.roles import Seer
from services.core.engines.config import parse_engine_config
from services.core.errors import ArcusError, Reason
from services.core.media import Span, TimedText
from tests.contract.image_text_models import COLOURS, make_model, picture

SPAN = Span(20.0, 30.0)
FAMILIES = pytest.mark.parametrize("is_siglip", [False, True], ids=["clip", "siglip"])


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[Seer]:
    given = {"kind": "image_text", "folder": str(folder), **options}
    config = parse_engine_config(f"engines: {{eyes: {given}}}\nroles: {{see: eyes}}")
    assert config.applications["engine-eyes"] == ("see",)
    engine = open_engine(config, "eyes", ("see",))
    await engine.setup()
    try:
        engine.check()
        assert engine.seer is not None
        yield engine.seer
    finally:
        await engine.close()


@FAMILIES
async def test_a_text_and_the_picture_of_it_have_one_unit_vector(tmp_path: Path, is_siglip: bool) -> None:
    async with opened(make_model(tmp_path, is_siglip=is_siglip), max_pictures=20) as seer:
        texts = [f"The {colour}" for colour in COLOURS] * 5
        read = await seer.embed(texts, queries=True)
        assert read.vectors.dtype == np.float32 and read.vectors.shape == (20, seer.dimensions) and read.tokens >= 20
        frames = [picture(colour) for colour in COLOURS] * 5
        seen = await seer.see(frames, np.linspace(20.2, 29.8, 20), SPAN)
        vectors = np.array([np.frombuffer(moment.vector, "<f4") for moment in seen.moments])
        assert (await seer.embed([])).vectors.shape == (0, seer.dimensions)
        long = await seer.embed(["red " * 100_000, "\ud800 red"])
    assert np.allclose(np.linalg.norm([*read.vectors, *vectors, *long.vectors], axis=1), 1, atol=1e-5)
    near = read.vectors[:4] @ vectors[:4].T
    assert (near.argmax(1) == np.arange(4)).all() and np.allclose(near.diagonal(), 1, atol=0.01)


async def test_frames_that_are_alike_are_one_moment_and_moments_fill_the_span(tmp_path: Path) -> None:
    colours = ["red", "red", "blue", "blue", "red"]
    async with opened(make_model(tmp_path)) as seer:
        seen = await seer.see([picture(each) for each in colours], np.array([21.0, 23, 25, 27, 29]), SPAN)
        nothing = await seer.see(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0), SPAN)
    assert [(each.start_time, each.end_time) for each in seen.moments] == [(20, 25), (25, 29), (29, 30)]
    assert not nothing.moments and not nothing.tags


async def test_a_segment_keeps_as_many_pictures_as_it_may(tmp_path: Path) -> None:
    async with opened(make_model(tmp_path), max_pictures=3) as seer:
        seen = await seer.see([picture(each) for each in [*COLOURS, *COLOURS]], np.linspace(20.5, 29.5, 8), SPAN)
    assert len(seen.moments) == 3 and (seen.moments[0].start_time, seen.moments[-1].end_time) == (20, 30)


async def test_tags_that_reach_the_threshold_are_told_with_their_scores_and_no_others(tmp_path: Path) -> None:
    options = {"tags": ["red", "green", "yellow"], "tag_threshold": 0.3, "tag_prompt": "The {}"}
    frames = [picture(each) for each in ("red", "red", "blue")]
    async with opened(make_model(tmp_path), **options) as seer:
        seen = await seer.see(frames, np.array([21.0, 24, 27]), SPAN)
    assert seen.tags == (TimedText("Tags: red (1.00), yellow (0.33).", 20, 27),)
    async with opened(tmp_path) as seer:
        assert not (await seer.see(frames, np.array([21.0, 24, 27]), SPAN)).tags


async def test_another_model_is_another_space_and_the_same_one_is_not(tmp_path: Path) -> None:
    spaces = []
    for name, seed in (("a", 1), ("again", 1), ("b", 2)):
        async with opened(make_model(tmp_path / name, seed=seed)) as seer:
            spaces.append(seer.space)
    async with opened(make_model(tmp_path / "cut", tokenizer_config_json='{"model_max_length": 3}')) as seer:
        spaces.append(seer.space)
    assert spaces[0] == spaces[1] and len(set(spaces)) == 3 and all(0 < len(space) <= 32 for space in spaces)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"text_onnx": None, "tokenizer_json": None}, "has no text.onnx, tokenizer.json"),
        ({"vision_onnx": "weights"}, "vision.onnx is no ONNX model"),
        ({"tokenizer_json": "{}"}, "tokenizer.json is no tokenizer"),
        ({"tokenizer_config_json": '{"pad_token": "<pad>"}'}, "no token '<pad>'"),
        ({"tokenizer_config_json": "["}, "tokenizer_config.json can't be read"),
        ({"preprocessor_config_json": '{"size": {"longest_edge": 9}}'}, "preprocessor_config.json"),
        ({"preprocessor_config_json": '{"size": 32}'}, "vision.onnx does not run"),
    ],
)
async def test_a_folder_that_cannot_be_used_is_refused_with_the_file_to_change(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ArcusError) as caught:
        async with opened(make_model(tmp_path, **change)):
            pass
    assert caught.value.reason is Reason.INVALID_ARGUMENT and named in caught.value.message
    assert str(tmp_path) in caught.value.message


async def test_towers_that_are_not_of_one_model_or_not_by_themselves_are_refused(tmp_path: Path) -> None:
    one, other = make_model(tmp_path / "one"), make_model(tmp_path / "other", dimensions=7)
    (one / "vision.onnx").write_bytes((other / "vision.onnx").read_bytes())
    with pytest.raises(ArcusError, match=r"7 dimensions and text\.onnx 5"):
        async with opened(one):
            pass
    (one / "vision.onnx").write_bytes((one / "text.onnx").read_bytes())
    with pytest.raises(ArcusError, match="takes input_ids, attention_mask; a tower takes pixel_values"):
        async with opened(one):
            pass


def test_a_picture_is_resized_and_cropped_as_its_configuration_says(tmp_path: Path) -> None:
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 255
    path = tmp_path / "preprocessor_config.json"
    assert Preprocessing.read(path).pixels([wide]).shape == (1, 3, 224, 224)
    path.write_text('{"size": {"shortest_edge": 20}, "crop_size": {"height": 20, "width": 20}, "do_normalize": false}')
    assert Preprocessing.read(path).pixels([wide])[0, :, 2:18, 2:18].min() > 0.99  # the middle, where it is white
    path.write_text('{"size": {"height": 20, "width": 20}, "do_normalize": false, "do_rescale": false, "resample": 0}')
    whole = Preprocessing.read(path).pixels([wide])
    assert whole.shape == (1, 3, 20, 20) and whole[0, 0, 0].tolist() == [0.0] * 5 + [255.0] * 10 + [0.0] * 5
