"""One claim of a reply: the answer, where it stands, the sentence that says so, and its source."""

from __future__ import annotations

from ray_jobs.engines.embedded.extractive.evidence import Point
from ray_jobs.engines.embedded.extractive.frames import frames
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.sentences import sentences, telling
from ray_jobs.engines.embedded.extractive.style import Style
from ray_jobs.engines.embedded.titles import shortened

MAX_QUOTE = 320  # characters
WHOLE_QUOTE = 160  # of a passage that is quoted as it is
MAX_HEADLINE = 60

_FRAMES = {"speech": "said", "scene_text": "shown"}


def phrase(
    point: Point,
    question: Question,
    style: Style,
    *,
    several_files: bool = False,
    short: str = "",
    entire: bool = False,
) -> str:
    """ "**300 metres**: at 00:12–00:15 the speaker says “The tower is 300 metres tall.” [1]", in the question's language.

    `entire`: all of the passage is quoted, where a list of what it holds is asked for.
    """
    if short and style.terse:
        return f"{short} [{point.number}]"
    words = frames(style.language or question.language)
    where = place(point, question, style, several_files)
    between = " / " if point.kind == "scene_text" else " "
    text = shortened(between.join(sentences(point.text)) if entire else quoted(point, question, short), MAX_QUOTE)
    frame = "said_by" if point.speaker else _FRAMES.get(point.kind, "seen")
    line = words.say(frame, place=where, quote=words.quote(text), text=text, speaker=point.speaker)
    if short:
        lead = short if style.plain else f"**{short}**"
        line = words.say("seen", place=lead, text=line)
    elif not line.startswith(point.filename):
        line = line[:1].upper() + line[1:]
    return f"{line} [{point.number}]"


def place(point: Point, question: Question, style: Style, several_files: bool) -> str:
    """Where a point stands: "in talk.mp4 at 01:15–01:20"."""
    times = (point.start_time, point.end_time) if style.timestamps else (None, None)
    return frames(style.language or question.language).place(point.filename if several_files else "", *times)


def quoted(point: Point, question: Question, short: str = "") -> str:
    """What is quoted of a passage: all of a short one, else the sentence that holds the answer and what follows it."""
    parts = sentences(point.text)
    between = " / " if point.kind == "scene_text" else " "
    if sum(map(len, parts)) <= WHOLE_QUOTE and not short:
        return between.join(parts)
    best = telling(question.text, point.text, short)
    at = parts.index(best)
    if short or point.kind == "scene_text":
        has_headline = point.kind == "scene_text" and at and len(parts[0]) <= MAX_HEADLINE
        return between.join([parts[0], best] if has_headline else [best])
    while at + 1 < len(parts) and len(best) + len(parts[at + 1]) < WHOLE_QUOTE:
        at += 1
        best += between + parts[at]
    return best
