"""Which pictures are to be read: those of what appears and stays, or goes; not of what moves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ray_jobs.stages.screen_watch import LOOKS_PER_SECOND, ScreenWatch
from tests.media.scenes import landscape, slide

SIZE = (640, 360)


def seen(pictures: list[np.ndarray]) -> list[tuple[float, float]]:
    """(time of the look, since when) of each picture that is to be read."""
    watch = ScreenWatch()
    found = []
    for number, picture in enumerate(pictures):
        time = number / LOOKS_PER_SECOND
        if (told := watch.look(picture, time)) is not None:
            found.append((time, told[0]))
    return found


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text(
        (40, 280), text, font=ImageFont.load_default(28), fill="white", stroke_width=3, stroke_fill="black"
    )
    return np.asarray(image)


def moving(seconds: float) -> list[np.ndarray]:
    return [landscape(2, 8 * number / LOOKS_PER_SECOND, SIZE) for number in range(round(seconds * LOOKS_PER_SECOND))]


def test_each_slide_is_read_once_from_when_it_stands() -> None:
    first, second = slide("Bread", ("Flour",), SIZE), slide("Ovens", ("Heat",), SIZE)
    assert [since for _, since in seen([first] * 13 + [second] * 12)] == [0.0, 3.25]


def test_a_line_that_stays_a_second_is_read_and_so_is_the_screen_without_it() -> None:
    plain, more = slide("Bread", ("Flour",), SIZE), slide("Bread", ("Flour", "Yeast"), SIZE)
    times = seen([plain] * 10 + [more] * 4 + [plain] * 10)
    assert [since for _, since in times] == [0.0, 2.5, 3.5]
    assert all(before < since for (before, _), (_, since) in pairwise(times[1:]))


def test_a_line_that_flashes_is_not() -> None:
    plain, more = slide("Bread", ("Flour",), SIZE), slide("Bread", ("Flour", "Yeast"), SIZE)
    assert [since for _, since in seen([plain] * 10 + [more] * 2 + [plain] * 10)] == [0.0]


def test_a_caption_in_front_of_what_moves_is_read_when_it_comes_and_within_two_seconds_of_its_end() -> None:
    shown = moving(9.0)
    shown[12:20] = [captioned(picture, "Anna Berg, harbour master") for picture in shown[12:20]]
    times = [since for _, since in seen(shown)]
    assert len(times) == 2 and abs(times[0] - 3.0) <= 0.25 and 0 <= times[1] - 5.0 <= 2.0


def test_what_only_moves_is_not_read() -> None:
    assert seen(moving(6.0)) == []
