"""Text on the screen, read by RapidOCR, whose models are inside its wheel."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np

from ray_jobs.engines.embedded.frame_changes import Probe, changed, cut, probe
from ray_jobs.engines.embedded.layout import arranged, rows_of
from services.core.errors import ArcusError, Reason, invalid
from services.core.media import TimedText

LONGEST_PAUSE_SECONDS = 4.0
MAX_LINES = 100  # of one frame
# Longer side of what text is looked for in. PaddleOCR's own default; RapidOCR's, 736 for the shorter side, takes 1.4
# times as long and finds the same lines.
DETECTION_SIDE = 960
REMEMBERED_FILES, REMEMBERED_PICTURES = 8, 4  # a picture takes 1 MB
REMEMBERED_SECONDS = 60.0  # after a file was last read; its next segment comes sooner


@dataclass(frozen=True)
class ScreenText(TimedText):
    """Lines that appear and disappear together. `headline` is the tallest of them; `prominence` its height as a
    fraction of the picture's."""

    headline: str = ""
    prominence: float = 0.0


class Moment(NamedTuple):
    """A picture of something that appeared on the screen, or went, at `since` seconds and stayed so until `time`.

    `image`: uint8 [height, width, 3] RGB.
    """

    image: np.ndarray
    time: float
    since: float


@dataclass
class _Line:
    text: str
    top: float
    left: float
    height: float
    score: float
    start_time: float
    end_time: float
    width: float = 0.0

    def same_as(self, other: _Line) -> bool:
        near = abs(self.top - other.top) < self.height and abs(self.left - other.left) < 4 * self.height
        return near and alike(self.text, other.text)


@dataclass(frozen=True)
class Source:
    """The file that pictures are of, by its tenant and the key of its object, which never changes and is never given
    twice. A path would not do: that of a local copy is used again for another file."""

    tenant_id: str
    object_key: str


@dataclass
class _Read:
    pictures: deque[tuple[Probe, list[_Line]]]
    used_at: float


class Readings:
    """What was read last of each of the files in work: a slide that stays over several segments is read once.

    A file that was not used for REMEMBERED_SECONDS is forgotten; `forget_idle` must be called for that. `clock` is in
    seconds. May be used by several threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._files: OrderedDict[Source, _Read] = OrderedDict()  # those used last come last
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._files)

    def find(self, source: Source, picture: Probe) -> list[_Line] | None:
        """The lines of a picture of this file that looks the same."""
        self.forget_idle()
        with self._turn:
            known = self._used(source)
            pictures = () if known is None else tuple(reversed(known.pictures))
        return next((lines for seen, lines in pictures if not changed(seen, picture)), None)

    def keep(self, source: Source, picture: Probe, lines: list[_Line]) -> None:
        with self._turn:
            known = self._used(source)
            if known is None:
                known = self._files[source] = _Read(deque(maxlen=REMEMBERED_PICTURES), self._clock())
            known.pictures.append((picture, lines))
            if len(self._files) > REMEMBERED_FILES:
                self._files.popitem(last=False)

    def forget_idle(self) -> None:
        with self._turn:
            oldest = self._clock() - REMEMBERED_SECONDS
            while self._files and next(iter(self._files.values())).used_at <= oldest:
                self._files.popitem(last=False)

    def _used(self, source: Source) -> _Read | None:
        known = self._files.get(source)
        if known is not None:
            known.used_at = self._clock()
            self._files.move_to_end(source)
        return known


class SceneTextReader:
    """Reads sampled frames, skipping those that look like the last one read. `setup` takes about a second.

    A second thread makes a frame 1.6 times faster on idle cores, and costs as much more on busy ones.
    """

    def __init__(self, threads: int = 1, max_side: int = 1280, min_confidence: float = 0.75) -> None:
        self._threads = threads
        self._max_side = max_side
        self._min_confidence = min_confidence
        self._ocr: Any = None
        self.readings = Readings()
        self.frames_read = 0  # by the model; the rest were like one before them

    def setup(self) -> None:
        from rapidocr import RapidOCR

        self._ocr = RapidOCR(
            params={
                "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.text_score": self._min_confidence,
                "Det.limit_type": "max",
                "Det.limit_side_len": DETECTION_SIDE,
                # Lines of one batch are padded to the longest: on a CPU each by itself is faster.
                "Rec.rec_batch_num": 1,
            }
        )

    def read(
        self,
        frames: np.ndarray,
        times: np.ndarray,
        end_time: float,
        source: Source | None = None,
        moments: Sequence[Moment] = (),
    ) -> tuple[ScreenText, ...]:
        """Blocks of lines that appear and disappear together; `text` is the lines joined by newlines.

        `frames` is uint8 [n, height, width, 3] RGB, `times` float64 [n] in seconds, rising; what the last
        picture shows lasts until `end_time`. `moments`, in order of time, say when lines came and went; without, that
        is known as well as frames are dense. While no text is found, moving frames are read at most every
        4 seconds, and so are moments while they bring none. A picture like one that was lately read of the same file,
        where `source` names it, has its lines. Raises ArcusError on other shapes or before `setup`.
        """
        if self._ocr is None:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The text reader is not set up: call setup() first.")
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) != len(times):
            raise invalid("Give frames as uint8 [n, height, width, 3], each with a time.", field="frames")
        done: list[_Line] = []
        shown: list[_Line] = []
        last: Probe | None = None
        textless, fruitless = _Pause(), _Pause()
        pictures = _in_order(frames, times, moments)
        if not pictures:
            return ()
        until = [*(moment.time for moment, _ in pictures[1:]), end_time]
        for ((frame, shown_at, since), is_extra), end in zip(pictures, until, strict=True):
            picture = probe(frame)
            pause = fruitless if is_extra else textless
            waiting = (is_extra or not shown) and shown_at < pause.until and last is not None and not cut(last, picture)
            if waiting or (last is not None and not changed(last, picture)):
                for line in shown:
                    line.end_time = max(end, line.end_time)
                continue
            last = picture
            gone, shown = _follow(shown, self._lines(frame, picture, since, max(end, shown_at), source))
            for line in gone:
                line.end_time = max(line.start_time, min(line.end_time, since))
            done += gone
            textless.follow(bool(shown), shown_at)
            fruitless.follow(bool(gone) or any(line.start_time == since for line in shown), shown_at)
        return _blocks(done + shown)

    def _lines(
        self, frame: np.ndarray, picture: Probe, start_time: float, end_time: float, source: Source | None
    ) -> list[_Line]:
        lines = None if source is None else self.readings.find(source, picture)
        if lines is None:
            lines = self._seen(frame)
            if source is not None:
                self.readings.keep(source, picture, lines)
        return [replace(line, start_time=start_time, end_time=end_time) for line in lines]

    def _seen(self, frame: np.ndarray) -> list[_Line]:
        """The lines of one frame, without times."""
        import cv2

        self.frames_read += 1
        height, longer = frame.shape[0], max(frame.shape[:2])
        # A small picture is enlarged, so that its small letters are found.
        scale = min(max(1.0, DETECTION_SIDE / longer), self._max_side / longer)
        if scale != 1:
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=how)
        result = self._ocr(np.ascontiguousarray(frame[:, :, ::-1]))
        lines = []
        boxes = [] if result.boxes is None else result.boxes
        for box, text, score in zip(boxes, result.txts or (), result.scores or (), strict=True):
            text = tidy(text)
            if score < self._min_confidence or not re.search(r"[^\W_]", text):
                continue
            left, top = (float(edge) for edge in box.min(axis=0) / scale / height)
            right, bottom = (float(edge) for edge in box.max(axis=0) / scale / height)
            lines.append(_Line(text, top, left, bottom - top, float(score), 0.0, 0.0, right - left))
        return _likely(lines)[:MAX_LINES]


@dataclass
class _Pause:
    """Grows while reading brings nothing."""

    seconds: float = 0.0
    until: float = 0.0

    def follow(self, was_worth_it: bool, time: float) -> None:
        self.seconds = 0.0 if was_worth_it else min(max(1.0, self.seconds * 2), LONGEST_PAUSE_SECONDS)
        self.until = time + self.seconds


def _in_order(frames: np.ndarray, times: np.ndarray, moments: Sequence[Moment]) -> list[tuple[Moment, bool]]:
    """Frames and moments by time, and whether each is one more than the frames: a moment takes the place of a frame that
    shows the same on the way."""
    replaced = [[moment.since <= time <= moment.time for time in times] for moment in moments]
    left = [number for number in range(len(times)) if not any(of[number] for of in replaced)]
    standing = [(Moment(frames[number], float(times[number]), float(times[number])), False) for number in left]
    extra = [(moment, not any(of)) for moment, of in zip(moments, replaced, strict=True)]
    return sorted([*standing, *extra], key=lambda picture: picture[0].time)


def _likely(lines: list[_Line]) -> list[_Line]:
    """Without lone characters, which the model sees in foliage and shadows, unless there is longer text beside them."""
    long = [line for line in lines if len(re.findall(r"\w", line.text)) > 1]
    return lines if len(long) > 1 else long


def tidy(text: str) -> str:
    """A line without its bullet and doubled blanks."""
    return re.sub(r"\s+", " ", re.sub(r"^\s*(?:[•·▪‣◦●○■□]\s*|[–—-]+\s+)+", "", text)).strip()


def alike(one: str, other: str) -> bool:
    """Whether two readings are of the same line: equal digits, and letters that differ by little."""
    a, b = one.casefold(), other.casefold()
    if a == b:
        return True
    if re.findall(r"\d", a) != re.findall(r"\d", b):
        return False
    return SequenceMatcher(None, a, b, autojunk=False).ratio() >= 0.85


def _follow(shown: list[_Line], seen: list[_Line]) -> tuple[list[_Line], list[_Line]]:
    """(lines gone, lines on the screen now); a line read again keeps its start and its best reading."""
    left = list(shown)
    for line in seen:
        match = next((old for old in left if old.same_as(line)), None)
        if match:
            left.remove(match)
            line.start_time = match.start_time
            if match.score > line.score:
                line.text, line.score = match.text, match.score
    return left, seen


def _blocks(lines: list[_Line]) -> tuple[ScreenText, ...]:
    groups: dict[tuple[float, float], list[_Line]] = {}
    for line in lines:
        groups.setdefault((line.start_time, line.end_time), []).append(line)
    blocks = []
    for (start, end), group in sorted(groups.items()):
        wordy = [line for line in reading_order(group) if sum(map(str.isalpha, line.text)) >= 3]
        # Boxes of one size differ by a few per cent; among like sizes the first line is the heading.
        top = max(wordy, key=lambda line: round(line.height / 0.02), default=None)
        blocks.append(
            ScreenText(
                "\n".join(arranged(group)),
                start,
                end,
                top.text if top else "",
                top.height if top else 0.0,
            )
        )
    return tuple(blocks)


def reading_order(lines: list[_Line]) -> list[_Line]:
    """Top to bottom, and left to right among lines of one row."""
    return [line for row in rows_of(lines) for line in row]
