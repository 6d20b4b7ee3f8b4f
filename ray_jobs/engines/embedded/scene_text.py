"""Text on the screen, read by RapidOCR, whose models are inside its wheel."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from ray_jobs.engines.embedded.frame_changes import Probe, changed, cut, probe
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


@dataclass
class _Line:
    text: str
    top: float
    left: float
    height: float
    score: float
    start_time: float
    end_time: float

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
        self, frames: np.ndarray, times: np.ndarray, end_time: float, source: Source | None = None
    ) -> tuple[ScreenText, ...]:
        """Blocks of lines that appear and disappear together; `text` is the lines joined by newlines.

        `frames` is uint8 [n, height, width, 3] RGB, `times` float64 [n] in seconds, rising; what the last
        frame shows lasts until `end_time`. While no text is found, moving frames are read at most every
        4 seconds. A picture like one that was lately read of the same file, where `source` names it, has its
        lines. Raises ArcusError on other shapes or before `setup`.
        """
        if self._ocr is None:
            raise ArcusError(Reason.ENGINE_UNAVAILABLE, "The text reader is not set up: call setup() first.")
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) != len(times):
            raise invalid("Give frames as uint8 [n, height, width, 3], each with a time.", field="frames")
        if not len(frames):
            return ()
        done: list[_Line] = []
        shown: list[_Line] = []
        last: Probe | None = None
        pause, resume_at = 0.0, 0.0
        until = [*map(float, times[1:]), end_time]
        for frame, shown_at, end in zip(frames, map(float, times), until, strict=True):
            picture = probe(frame)
            waiting = not shown and shown_at < resume_at and last is not None and not cut(last, picture)
            if waiting or (last is not None and not changed(last, picture)):
                for line in shown:
                    line.end_time = max(end, line.end_time)
                continue
            last = picture
            gone, shown = _follow(shown, self._lines(frame, picture, shown_at, max(end, shown_at), source))
            done += gone
            pause = 0.0 if shown else min(max(1.0, pause * 2), LONGEST_PAUSE_SECONDS)
            resume_at = shown_at + pause
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
            if score < self._min_confidence or not re.search(r"\w", text):
                continue
            left, top = (float(edge) for edge in box.min(axis=0) / scale / height)
            tall = float(box[:, 1].max()) / scale / height - top
            lines.append(_Line(text, top, left, tall, float(score), 0.0, 0.0))
        return _likely(lines)[:MAX_LINES]


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
        ordered = reading_order(group)
        wordy = [line for line in ordered if sum(map(str.isalpha, line.text)) >= 3]
        # Boxes of one size differ by a few per cent; among like sizes the first line is the heading.
        top = max(wordy, key=lambda line: round(line.height / 0.02), default=None)
        blocks.append(
            ScreenText(
                "\n".join(line.text for line in ordered),
                start,
                end,
                top.text if top else "",
                top.height if top else 0.0,
            )
        )
    return tuple(blocks)


def reading_order(lines: list[_Line]) -> list[_Line]:
    """Top to bottom, and left to right among lines of one row."""
    rows: list[list[_Line]] = []
    for line in sorted(lines, key=lambda line: line.top):
        if rows and line.top < rows[-1][0].top + rows[-1][0].height / 2:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda line: line.left)]
