"""Speech as subtitles, read back by parsers that are not ours where one is at hand."""

from __future__ import annotations

import io
import itertools

import av
from hypothesis import given
from hypothesis import strategies as st

from services.core.media import Speech, Word
from services.nimbus.views.captions import CUE_CHARACTERS, CUE_SECONDS, LINE_CHARACTERS, cues, srt, vtt


def said(text: str, start: float = 0.0, pace: float = 0.5, speaker: str = "") -> Speech:
    words = tuple(Word(word, start + pace * n, start + pace * (n + 1)) for n, word in enumerate(text.split()))
    return Speech(text, start, words[-1].end_time, speaker, words)


def test_a_long_utterance_becomes_cues_of_a_readable_length():
    text = " ".join(["tide"] * 60)
    found = cues([said(text)])
    assert " ".join(word.word for cue in found for word in cue.words) == text
    for cue in found:
        assert cue.end_time - cue.start_time <= CUE_SECONDS + 0.5
        assert len(cue.lines) <= 2 and all(
            sum(len(w.word) + 1 for w in line) - 1 <= LINE_CHARACTERS for line in cue.lines
        )
        assert sum(len(word.word) + 1 for word in cue.words) - 1 <= CUE_CHARACTERS


def test_what_overlapping_segments_both_hold_is_shown_once():
    one, two = said("the tide follows the moon", 0), said("follows the moon and falls", 1)
    assert [
        word.word for cue in cues([two, one]) for word in cue.words
    ] == "the tide follows the moon and falls".split()


def test_utterances_of_other_times_are_not_compared_word_by_word():
    class Counted(str):
        def casefold(self) -> str:
            folded.append(self)
            return super().casefold()

    folded: list[str] = []
    spoken = []
    for at in range(0, 100, 5):
        words = (Word(Counted("a"), at, at + 1), Word(Counted("b"), at + 1, at + 2))
        spoken.append(Speech("a b", at, at + 2, "", words))
    assert len(cues(spoken)) == len(spoken) and len(folded) == 2 * len(spoken)


def test_two_voices_at_once_both_stay():
    spoken = [
        said("the pump is running", 0),
        said("and the valve is open", 0.2),
        Speech("stop", 0.5, 1),
        Speech("go", 0.5, 1),
    ]
    text = srt(cues(spoken))
    assert all(item.text in text for item in spoken)


def test_a_cue_that_segments_cut_is_shown_once_and_whole():
    (cue,) = cues([Speech("a long one", 5, 10), Speech("a long one", 8, 14)])
    assert (cue.start_time, cue.end_time) == (5, 14)
    assert len(cues([Speech("no", 5, 6), Speech("no", 6, 7)])) == 2


def test_subrip_numbers_its_cues_and_names_the_speaker():
    text = srt(cues([said("Good --> morning", 3661.5, speaker="Ann"), Speech("no words timed", 3700, 3702)]))
    assert text == (
        "1\n01:01:01,500 --> 01:01:03,000\nAnn: Good -> morning\n\n2\n01:01:40,000 --> 01:01:42,000\nno words timed\n"
    )


def test_webvtt_escapes_markup_and_times_words_when_asked():
    shown = cues([said("a <b> & c", 1, speaker="A>B")])
    assert vtt(shown) == "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n<v A&gt;B>a &lt;b&gt; &amp; c\n"
    timed = vtt(shown, include_words=True)
    assert "a <00:00:01.500>&lt;b&gt; <00:00:02.000>&amp; <00:00:02.500>c" in timed
    assert vtt(cues([Speech("x y", 1, 2)]), include_words=True).endswith("\nx y\n")
    assert vtt([]) == "WEBVTT\n" and srt([]) == ""


speech = st.lists(
    st.builds(
        lambda words, start, pace: said(" ".join(words), start, pace),
        st.lists(st.text("ab<>&-é", min_size=1, max_size=60), min_size=1, max_size=30),
        st.floats(0, 5000),
        st.floats(0.01, 3),
    ),
    max_size=8,
)


@given(speech)
def test_cues_are_in_order_of_time_and_another_reader_reads_them_all(spoken: list[Speech]):
    found = cues(spoken)
    assert all(one.start_time <= other.start_time for one, other in itertools.pairwise(found))
    for text, name in ((srt(found), "srt"), (vtt(found, include_words=True), "webvtt")):
        if not found:
            continue
        with av.open(io.BytesIO(text.encode()), format=name) as container:
            read = [packet for packet in container.demux() if packet.size]
        assert len(read) == len(found), text
