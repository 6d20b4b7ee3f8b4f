import numpy as np
import pytest

from ray_jobs.engines.embedded.describer import EmbeddedDescriber
from ray_jobs.engines.embedded.pictures import scenes
from services.core.errors import ArcusError
from services.core.media import DescribeConfig, SegmentDescription, Span, Speech, TimedText

SPAN = Span(20.0, 30.0)
TIMES = np.arange(21.0, 30.0, 2.0)
SPEECH = (Speech("the sea rises", 22.0, 25.0),)
TEXT = (TimedText("Tides", 21.0, 40.0),)


def plain(*colour: int, count: int = len(TIMES)) -> np.ndarray:
    return np.full((count, 90, 160, 3), colour, np.uint8)


def noise(seed: int, count: int = 1) -> np.ndarray:
    texture = np.random.default_rng(seed).integers(0, 256, (1, 90, 160, 3), dtype=np.uint8)
    return np.repeat(texture, count, axis=0)


def seen(frames: np.ndarray, prompt: str = "") -> list[str]:
    described = EmbeddedDescriber().describe(frames, TIMES[: len(frames)], SPAN, config=DescribeConfig(prompt=prompt))
    return [item.text for item in described.visual_scene_description]


def test_black_frames_are_a_black_screen():
    assert seen(plain(0, 0, 0)) == ["The screen is black."]


@pytest.mark.parametrize(
    ("colour", "name"),
    [((255, 255, 255), "white"), ((128, 128, 128), "grey"), ((220, 20, 20), "red"), ((20, 60, 220), "blue"),
     ((30, 160, 40), "green"), ((250, 220, 30), "yellow"), ((110, 65, 25), "brown"), ((255, 140, 0), "orange")],
)  # fmt: skip
def test_one_colour_is_an_empty_screen_of_that_colour(colour, name):
    assert seen(plain(*colour)) == [f"The screen is empty: plain {name}."]


def test_a_picture_that_does_not_change_is_still():
    assert "Nothing moves." in seen(noise(1, 5))[0]


def test_one_frame_says_nothing_of_motion():
    assert "move" not in seen(noise(1))[0]


def test_a_small_thing_that_moves_is_told_with_its_side():
    frames = plain(40, 120, 40)
    frames[:, :45] = (200, 200, 200)
    for index, frame in enumerate(frames):
        frame[60 + 2 * index : 70 + 2 * index, 130:150] = (250, 250, 250)
    assert "A small part of the picture changes, mostly on the right." in seen(frames)[0]


def test_a_cut_begins_a_new_entry_and_entries_cover_the_span():
    frames = np.concatenate([plain(200, 30, 30, count=2), plain(30, 30, 200, count=3)])
    found = scenes(frames, TIMES, SPAN)
    assert [(scene.start_time, scene.end_time) for scene in found] == [(20.0, 25.0), (25.0, 30.0)]


def test_many_cuts_give_a_bounded_number_of_entries():
    frames = np.stack([np.full((90, 160, 3), 255 * (index % 2), np.uint8) for index in range(60)])
    assert len(scenes(frames, np.linspace(20, 30, 60), SPAN)) == 12


def test_a_prompt_moves_its_topic_to_the_front():
    assert seen(noise(1, 5), "Describe the camera movement")[0].startswith("Nothing moves.")
    assert seen(noise(1, 5), "What colours are there?")[0].startswith(("The main colour", "The colours"))


def test_each_part_is_left_out_when_it_is_switched_off():
    off = DescribeConfig(False, False, False, False, False)
    samples = np.zeros(160_000, np.int16)
    described = EmbeddedDescriber().describe(noise(1, 5), TIMES, SPAN, SPEECH, TEXT, samples, config=off)
    assert described == SegmentDescription()


@pytest.mark.parametrize(
    ("flag", "parts"),
    [("enable_summary", ("title", "summary")), ("enable_speech", ("speech",)), ("enable_scene_text", ("scene_text",)),
     ("enable_visual_scene_description", ("visual_scene_description",)),
     ("enable_audio_description", ("audio_description",))],
)  # fmt: skip
def test_one_switch_leaves_out_only_its_own_part(flag, parts):
    config = DescribeConfig(**{flag: False})
    samples = np.zeros(160_000, np.int16)
    described = EmbeddedDescriber().describe(noise(1, 5), TIMES, SPAN, SPEECH, TEXT, samples, config=config)
    assert {name for name, value in vars(described).items() if not value} == set(parts)


def test_screen_text_is_kept_inside_the_segment_as_plain_timed_text():
    described = EmbeddedDescriber().describe(noise(1, 5), TIMES, SPAN, (), TEXT)
    assert described.scene_text == (TimedText("Tides", 21.0, 30.0),)
    assert SegmentDescription.from_json(described.to_json()) == described


def test_audio_alone_is_described():
    nothing = np.zeros((0, 1, 1, 3), np.uint8)
    described = EmbeddedDescriber().describe(nothing, np.zeros(0), SPAN, samples=np.zeros(160_000, np.int16))
    assert described.visual_scene_description == ()
    assert (described.title, described.summary) == ("Silence", "Silence.")


def test_frames_without_times_are_refused():
    with pytest.raises(ArcusError, match="each with a time"):
        EmbeddedDescriber().describe(plain(0, 0, 0), TIMES[:2], SPAN)
