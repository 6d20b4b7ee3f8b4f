from ray_jobs.engines.embedded.scene_text import ScreenText
from ray_jobs.engines.embedded.titles import (
    duration_in_words,
    key_utterance,
    segment_summary,
    segment_title,
    shortened,
    summarise_file,
)
from services.core.media import SegmentDescription, Speech, TimedText

SPEECH = (
    Speech("well it is late", 0.0, 2.0),
    Speech("the moon pulls the water of the sea", 2.0, 6.0),
    Speech("the sea answers the moon", 6.0, 9.0),
)


def test_a_title_is_the_headline_that_is_large_and_stays():
    blocks = (
        ScreenText("Menu\nHelp", 0.0, 20.0, "Menu", 0.02),
        ScreenText("Tides\nTwice a day", 0.0, 10.0, "Tides", 0.1),
    )
    assert segment_title(SPEECH, blocks, "") == "Tides"


def test_without_measured_headlines_the_first_line_with_words_is_the_title():
    assert segment_title((), (TimedText("12:30\nSpring tides", 0.0, 5.0),), "") == "Spring tides"


def test_without_text_the_title_is_how_the_key_utterance_begins():
    assert segment_title(SPEECH, (), "") == "The moon pulls the water of the sea"


def test_with_nothing_said_or_shown_the_picture_names_the_segment():
    assert segment_title((), (), "The screen is black") == "The screen is black"


def test_the_key_utterance_shares_most_with_the_others():
    assert key_utterance(SPEECH) == SPEECH[1]


def test_the_key_utterance_is_the_one_asked_for():
    assert key_utterance(SPEECH, {"late"}) == SPEECH[0]


def test_a_summary_quotes_what_was_said_shown_and_seen_and_nothing_else():
    shown = (TimedText("Tides\nTwice a day", 0.0, 9.0),)
    seen = (TimedText("A still picture.", 0.0, 9.0),)
    assert segment_summary(SPEECH, shown, seen) == (
        "Someone says: “the moon pulls the water of the sea”. On the screen: “Tides; Twice a day”. A still picture."
    )


def test_a_file_is_titled_by_its_first_segment_with_text_or_speech():
    segments = [
        SegmentDescription(title="The screen is black"),
        SegmentDescription(title="Tides", scene_text=(TimedText("Tides", 20.0, 40.0),)),
    ]
    title, summary = summarise_file(segments, "talk.mp4", 40.0)
    assert title == "Tides"
    assert summary == "40 seconds. Its parts: The screen is black; Tides."


def test_a_file_in_which_nothing_was_found_says_so():
    title, summary = summarise_file([], "holiday.mov", 363.0)
    assert title == "holiday"
    assert summary == "6 minutes 3 seconds. No speech or text was recognised."


def test_a_shortened_text_ends_at_a_word():
    assert shortened("one two three four", 10) == "one two…"
    assert shortened("one two", 10) == "one two"
    assert len(shortened("x" * 50, 10)) == 10


def test_times_are_told_in_words():
    assert [duration_in_words(s) for s in (0.2, 1, 61, 3600)] == [
        "Under a second",
        "1 second",
        "1 minute 1 second",
        "1 hour",
    ]
