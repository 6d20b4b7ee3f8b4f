"""Which subtitle track of a file holds what is said in it, so that nothing need be recognised; often none does.

Tracks hold other things too: signs, what only foreigners say, a single credit, places and exposures of a drone, a
translation. So a track counts only as far as it goes along with the voices that a detector finds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ray_jobs.stages.audio import audio_samples
from ray_jobs.stages.subtitles import TextTrack, text_tracks
from services.core.media import MediaInfo, Span, Speech

SAMPLE_RATE = 16_000
# A subtitle begins with the voice and may stay after it; what is more than some frames off, viewers notice.
SLACK_SECONDS = 0.3
# Letters written for each second of voices. English is spoken at 12 to 15, Chinese, which writes with the fewest, at 4 to 5;
# a sign or "(speaks French)" that stands through a sentence has less than half of that.
LEAST_LETTERS_A_SECOND = 2.5
# The same where the letters are Latin, Greek or Cyrillic, of which a sound has one: the tests' voices have 12 to 17, and a
# track that leaves out every third word 8 of them. Titles of chapters that stand through what is said have less.
LEAST_ALPHABETIC_A_SECOND = 6.0
# Of the voices in a whole file. Complete subtitles leave out interjections and talk in the background, a tenth or so; half
# of a film, its foreign parts or its signs stay far below.
LEAST_COVERED = 0.75
# Of the voices in one segment. What lies here below is a part that a good track leaves out, not its way of writing.
LEAST_COVERED_HERE = 0.5
LEAST_VOICE_SECONDS = 1.0  # below, a detector may have taken a sound for a voice
# Detecting takes a few hundredths of the time of the sound: long files are judged by parts of them, evenly spread.
SAMPLED_PARTS, PART_SECONDS = 10, 30.0
# Telemetry is a form that is filled in anew in each cue. Numbers make up most of it, where talk has 1 sign in 20 at most.
FORM_SHARE, DIGIT_SHARE = 0.5, 0.25
JUDGED_CUES = 2_000
STEP_SECONDS = 0.1
REMEMBERED_FILES = 8
_ENGLISH = frozenset({"en", "eng"})


class SpokenTracks:
    """Judges files by their tracks and voices, and remembers the last few. Calls wait for each other."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[Speech, ...] | None] = OrderedDict()
        self._voice: Any = None
        self._turn = threading.Lock()

    def cues(self, key: tuple[str, str], path: Path, info: MediaInfo) -> tuple[Speech, ...] | None:
        """The cues of the track that holds what is said; None where none does, and the sound must be listened to.

        `key` says whose file this is and which: the tenant and the name of its object, which never holds anything else.
        """
        if not info.has_subtitles:
            return None
        with self._turn:
            if key not in self._known:
                self._known[key] = self._chosen(path, info)
                if len(self._known) > REMEMBERED_FILES:
                    self._known.popitem(last=False)
            self._known.move_to_end(key)
            return self._known[key]

    def covers(self, cues: Sequence[Speech], path: Path, info: MediaInfo, span: Span) -> bool:
        """Whether the cues of a good track write down what is said in this segment too."""
        if not info.has_audio:
            return True
        with self._turn:
            voices = self._voices(path, info, span)
        return _share(voices, cues, LEAST_COVERED_HERE)

    def _chosen(self, path: Path, info: MediaInfo) -> tuple[Speech, ...] | None:
        tracks = [track for track in text_tracks(path, info.duration_seconds) if _may_be_speech(track, info)]
        if not tracks:
            return None
        if not info.has_audio:
            return tracks[0].cues
        voices = [voice for span in _sampled(info.duration_seconds) for voice in self._voices(path, info, span)]
        return next((track.cues for track in tracks if _share(voices, track.cues, LEAST_COVERED)), None)

    def _voices(self, path: Path, info: MediaInfo, span: Span) -> list[Span]:
        """Where somebody speaks within `span`."""
        from ray_jobs.engines.embedded.voice import CHUNK_SECONDS, VoiceDetector, spoken

        if self._voice is None:
            self._voice = VoiceDetector()
            self._voice.setup()
        samples = audio_samples(path, info, span.start_time, span.end_time, SAMPLE_RATE)
        return [
            Span(span.start_time + start * CHUNK_SECONDS, span.start_time + end * CHUNK_SECONDS)
            for start, end in spoken(self._voice.probabilities(samples))
        ]


def is_telemetry(cues: Sequence[Speech]) -> bool:
    """Whether cues are readings of instruments: numbers for the most part, or one form with other numbers each time."""
    texts = [cue.text for cue in cues[:JUDGED_CUES]]
    signs = sum(character.isalnum() for text in texts for character in text)
    digits = sum(character.isdigit() for text in texts for character in text)
    forms = ["".join(character for character in text if not character.isdigit()) for text in texts]
    filled = sum(
        form == before and form != text for before, form, text in zip(forms, forms[1:], texts[1:], strict=False)
    )
    return digits > DIGIT_SHARE * signs or filled > FORM_SHARE * max(1, len(texts) - 1)


def _may_be_speech(track: TextTrack, info: MediaInfo) -> bool:
    if track.is_forced or not track.cues or is_telemetry(track.cues):
        return False
    # What is said in English is better heard than read in a translation; other languages recognisers know less well.
    is_translation = info.audio_language in _ENGLISH and track.language not in _ENGLISH | {"", "und", "mul", "zxx"}
    return not is_translation


def _sampled(duration_seconds: float) -> list[Span]:
    if duration_seconds <= SAMPLED_PARTS * PART_SECONDS:
        return [Span(0.0, duration_seconds)]
    step = duration_seconds / SAMPLED_PARTS
    return [Span(step * index, step * index + PART_SECONDS) for index in range(SAMPLED_PARTS)]


def _share(voices: Sequence[Span], cues: Sequence[Speech], least: float) -> bool:
    """Whether `cues` write down at least this share of the time of `voices`. Where nobody speaks, nothing is missed."""
    whole = sum(voice.duration for voice in voices)
    if whole < LEAST_VOICE_SECONDS:
        return True
    if not cues:
        return False
    starts = np.array([cue.start_time - SLACK_SECONDS for cue in cues])
    latest = np.maximum.accumulate([cue.end_time + SLACK_SECONDS for cue in cues])
    covered, letters, alphabetic = 0.0, 0, 0
    for voice in voices:
        steps = np.arange(voice.start_time, voice.end_time, STEP_SECONDS)
        begun = np.searchsorted(starts, steps, side="right")
        # A step is covered where a cue that has begun has not ended yet.
        covered += STEP_SECONDS * float(((begun > 0) & (latest[begun - 1] > steps)).sum())
        first, last = int(np.searchsorted(latest, voice.start_time)), int(np.searchsorted(starts, voice.end_time))
        written = [character for cue in cues[first:last] for character in cue.text if character.isalnum()]
        letters += len(written)
        alphabetic += sum(map(_is_alphabetic, written))
    fewest = LEAST_ALPHABETIC_A_SECOND if 2 * alphabetic > letters else LEAST_LETTERS_A_SECOND
    return covered >= least * whole and letters >= fewest * covered


def _is_alphabetic(character: str) -> bool:
    """Whether it is a Latin, Greek or Cyrillic letter, or a digit: by the blocks of Unicode."""
    return character < "\u0530" or "\u1e00" <= character < "\u2000"
