"""Thumbnails as JPEG."""

import cv2
import numpy as np

from ray_jobs.stages.thumbnails import thumbnail_jpeg


def test_a_thumbnail_keeps_shape_and_colours():
    image = np.zeros((720, 1280, 3), np.uint8)
    image[:, :, 0] = 200
    small = cv2.imdecode(np.frombuffer(thumbnail_jpeg(image), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (180, 320, 3)
    assert small[90, 160, 2] > 180 and small[90, 160, 0] < 30


def test_a_small_picture_is_not_enlarged():
    small = cv2.imdecode(np.frombuffer(thumbnail_jpeg(np.zeros((5, 40, 3), np.uint8)), np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (5, 40, 3)
