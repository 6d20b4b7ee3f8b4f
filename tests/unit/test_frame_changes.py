"""Which pictures may show different text: faint and small letters do, noise does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ray_jobs.engines.embedded.frame_changes import changed, probe

RANDOM = np.random.default_rng(7)


def slide(text: str = "", *, contrast: int = 14, height: int = 24, paper: int = 255) -> np.ndarray:
    """uint8 [720, 1280, 3]: a heading, and a line whose letters differ from the paper by `contrast` levels."""
    image = np.full((720, 1280, 3), paper, np.uint8)
    ink = paper - contrast if paper > 127 else paper + contrast
    cv2.putText(image, "Tides and the moon", (80, 100), cv2.FONT_HERSHEY_SIMPLEX, 2, (paper // 2,) * 3, 4, cv2.LINE_AA)
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height)
    cv2.putText(image, text, (80, 500), cv2.FONT_HERSHEY_SIMPLEX, scale, (ink,) * 3, 2, cv2.LINE_AA)
    return image


def noisy(image: np.ndarray, deviation: float) -> np.ndarray:
    return np.clip(image + RANDOM.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)


def differ(before: np.ndarray, after: np.ndarray) -> bool:
    return changed(probe(before), probe(after))


@pytest.mark.parametrize("paper", [255, 230, 20])
@pytest.mark.parametrize(("contrast", "height"), [(10, 40), (14, 24), (20, 16)])
def test_faint_text_that_can_be_read_is_a_change(contrast: int, height: int, paper: int):
    blank, one, other = (
        slide(text, contrast=contrast, height=height, paper=paper)
        for text in ("", "Secret budget of 4215 dollars", "Public dinner at 7 o'clock")
    )
    assert differ(blank, one) and differ(one, blank) and differ(one, other)


@pytest.mark.parametrize(("contrast", "height"), [(14, 40), (20, 24), (30, 16)])
def test_another_number_in_faint_text_is_a_change(contrast: int, height: int):
    one, other = (slide(f"budget {number}", contrast=contrast, height=height) for number in (4215, 4786))
    assert differ(one, other)


@pytest.mark.parametrize("deviation", [1, 3, 6])
def test_the_noise_of_a_camera_is_no_change(deviation: float):
    picture = slide("Spring tides", contrast=120, height=40, paper=200)
    assert not differ(noisy(picture, deviation), noisy(picture, deviation))


def test_compression_noise_is_no_change():
    picture = np.full((180, 320, 3), 200, np.uint8)
    noise = RANDOM.integers(-8, 9, (180, 320, 1))
    assert not differ(picture, (picture + noise).astype(np.uint8))


def test_a_new_word_is_a_change():
    picture = np.full((180, 320, 3), 200, np.uint8)
    after = picture.copy()
    after[90:96, 100:130] = 20
    assert differ(picture, after)


def test_pictures_of_other_shapes_differ():
    assert differ(np.zeros((90, 160, 3), np.uint8), np.zeros((160, 90, 3), np.uint8))
