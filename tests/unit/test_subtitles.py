"""The text of subtitle tracks: markup is left out, text is not, and no cue is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_jobs.engines.embedded.transcriber import within
from ray_jobs.stages.probe import probe
from ray_jobs.stages.subtitles import MAX_CUE_CHARACTERS, clean_cue, text_tracks
from services.core.media import Span
from services.nimbus.views.captions import cues, srt, vtt
from tests.media import clip, scenes
from tests.media.muxing import Subtitles, write
from tests.unit.test_spoken_track import clip as filmed


def test_one_of_two_subtitle_tracks_is_first():
    found = text_tracks(clip("tracks.mp4"), probe(clip("tracks.mp4")).duration_seconds)[0].cues
    assert [
        (round(cue.start_time * 1000), round(cue.end_time * 1000), cue.text) for cue in found
    ] == scenes.mirror_cues()


def test_a_subrip_track_is_read_and_a_file_without_one_has_none():
    ((cue,),) = [track.cues for track in text_tracks(clip("subtitles.mkv"), 10)]
    assert (cue.text, cue.start_time, cue.end_time) == ("This is the first subtitle.", 0.0, 1.234)
    assert text_tracks(clip("slides.mov"), 10) == []


@pytest.mark.parametrize(
    ("codec", "written", "text"),
    [
        ("subrip", "x <y and z> w", "x <y and z> w"),
        ("subrip", "a < b, c > d", "a < b, c > d"),
        ("subrip", "if (i<b) then <b>stop</b>", "if (i<b) then stop"),
        ("subrip", "I <3 you, 1<2>1", "I <3 you, 1<2>1"),
        ("subrip", "<i>one</i> <font color='#fff'>two</font><br/>three", "one two three"),
        ("subrip", "{\\an8}above {not a style}", "above {not a style}"),
        ("webvtt", "<v Ann>Hello</v> <c.loud>there</c> <00:00:01.500>now", "Hello there now"),
        ("webvtt", "1 &lt; 2 &amp;&amp; <lang fr>oui</lang>", "1 < 2 && oui"),
        ("webvtt", "&#" + "9" * 5000 + ";", "&#" + "9" * (MAX_CUE_CHARACTERS - 2)),
        ("ass", "0,0,Default,,0,0,0,,one\\Ntwo{\\i1} three, four", "one two three, four"),
        ("subrip", "<name@example.org> wrote <Alice>", "<name@example.org> wrote <Alice>"),
        ("subrip", "an end <", "an end <"),
    ],
)
def test_markup_is_left_out_and_text_stays(codec: str, written: str, text: str):
    assert clean_cue(written.encode(), codec) == text


def test_a_cue_is_bounded():
    assert len(clean_cue(b"word " * 20_000, "subrip")) <= MAX_CUE_CHARACTERS


def test_cues_at_once_and_one_over_the_end_are_in_every_format(tmp_path: Path):
    written = [
        (500, 4000, "Anna: the pump is running"),
        (500, 4000, "Ben: and the valve is open"),
        (5000, 9000, "a long one"),
        (6000, 7000, "stop"),
        (9500, 60_000, "closing words"),
    ]
    path = filmed(tmp_path / "a.mkv", Subtitles("srt", written), samples=None)
    info = probe(path)
    (track,) = text_tracks(path, info.duration_seconds)
    assert [cue.text for cue in track.cues] == [text for _, _, text in written]
    spans = [
        Span(start, min(start + 4, info.duration_seconds)) for start in range(0, int(info.duration_seconds) + 1, 4)
    ]
    kept = [cue for span in spans for cue in within(span, track.cues)]
    for text in (srt(cues(kept)), vtt(cues(kept))):
        assert [line for *_, line in written if line not in text] == []


def test_a_cue_that_says_no_length_lasts_until_the_next(tmp_path: Path):
    path = write(tmp_path / "a.mkv", Subtitles("srt", [(0, 0, "one"), (2000, 2000, "two"), (30_000, 31_000, "three")]))
    (track,) = text_tracks(path, 31.0)
    assert [(cue.text, cue.start_time, cue.end_time) for cue in track.cues] == [
        ("one", 0.0, 2.0), ("two", 2.0, 7.0), ("three", 30.0, 31.0),
    ]  # fmt: skip
