"""Titles and summaries made of what was read, heard and seen; nothing is added."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import PurePath

from services.core.media import SegmentDescription, Speech, TimedText

TITLE_CHARACTERS, TITLE_WORDS = 80, 8
QUOTE_CHARACTERS = 240
TOPICS = 8

# Words too common to tell what a sentence is about.
COMMON = frozenset(
    "a about after all also an and any are as at be because been but by can could did do does for from get go had "
    "has have he her here him his how i if in into is it its just know like make me more my no not now of on one or "
    "our out over really see she so some such than that the their them then there these they thing things this "
    "those to too two up us very was we well were what when where which while who why will with would you your".split()
)


def words(text: str) -> list[str]:
    """The words of a text that say what it is about, in lower case."""
    return [word for word in re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.casefold()) if word not in COMMON]


def key_utterance(speech: Sequence[Speech], wanted: Collection[str] = ()) -> Speech | None:
    """The utterance that shares most with the others, or with the wanted words; None where nothing is said."""
    counts = Counter(word for item in speech for word in set(words(item.text)))

    def weight(item: Speech) -> tuple[int, float]:
        own = words(item.text)
        return len(set(own) & set(wanted)), sum(counts[word] for word in set(own)) * min(1.0, len(own) / 4)

    return max(speech, key=weight, default=None)


def segment_title(speech: Sequence[Speech], scene_text: Sequence[TimedText], otherwise: str) -> str:
    """The headline seen longest and largest, else the first words of the key utterance, else `otherwise`."""
    headline = max(scene_text, key=_prominence, default=None)
    if headline and _headline(headline):
        return shortened(_headline(headline), TITLE_CHARACTERS)
    said = key_utterance(speech)
    if said:
        first = " ".join(said.text.split()[:TITLE_WORDS])
        return shortened(first[:1].upper() + first[1:] + ("…" if len(first) < len(said.text) else ""), TITLE_CHARACTERS)
    return otherwise


def segment_summary(
    speech: Sequence[Speech], scene_text: Sequence[TimedText], visual: Sequence[TimedText], wanted: Collection[str] = ()
) -> str:
    """One to three sentences: what is said, what is on the screen, what is seen."""
    parts = []
    said = key_utterance(speech, wanted)
    if said:
        parts.append(f"Someone says: “{shortened(said.text, QUOTE_CHARACTERS)}”.")
    shown = max(
        scene_text, key=lambda block: (len(set(words(block.text)) & set(wanted)), _prominence(block)), default=None
    )
    if shown:
        parts.append(f"On the screen: “{shortened('; '.join(shown.text.splitlines()), QUOTE_CHARACTERS)}”.")
    if visual:
        parts.append(max(visual, key=lambda item: item.end_time - item.start_time).text)
    return " ".join(parts)


def summarise_file(segments: Sequence[SegmentDescription], filename: str, duration_seconds: float) -> tuple[str, str]:
    """(title, summary) of a file from its segments, in order."""
    screens = [block for segment in segments for block in segment.scene_text]
    speech = [item for segment in segments for item in segment.speech]
    topics = list(dict.fromkeys(segment.title for segment in segments if segment.title))
    name = PurePath(filename).stem
    found = (segment.title for segment in segments if segment.title and (segment.speech or segment.scene_text))
    title = next(found, name or "Untitled")
    summary = [f"{duration_in_words(duration_seconds)}."]
    if len(topics) > 1:
        more = f" and {len(topics) - TOPICS} more parts" if len(topics) > TOPICS else ""
        summary.append(f"Its parts: {'; '.join(topics[:TOPICS])}{more}.")
    said = key_utterance(speech)
    if said:
        summary.append(f"Someone says: “{shortened(said.text, QUOTE_CHARACTERS)}”.")
    elif not screens:
        seen = next((item.text for segment in segments for item in segment.visual_scene_description), "")
        summary.append(" ".join(["No speech or text was recognised.", seen]).strip())
    return title, " ".join(summary)


def shortened(text: str, characters: int) -> str:
    """The text on one line, cut after a word where it is longer than that."""
    text = " ".join(text.split())
    if len(text) <= characters:
        return text
    cut = text[: characters - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,;:.…") + "…"


def duration_in_words(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    parts = ((hours, "hour"), (rest // 60, "minute"), (rest % 60, "second"))
    shown = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(shown) or "Under a second"


def _headline(block: TimedText) -> str:
    """The tallest line where the reader measured one, else the first that has words."""
    measured: str = getattr(block, "headline", "")
    return measured or next((line for line in block.text.splitlines() if sum(map(str.isalpha, line)) >= 3), "")


def _prominence(block: TimedText) -> float:
    height: float = getattr(block, "prominence", 0.0) or 0.01
    return height * (block.end_time - block.start_time) * bool(_headline(block))
