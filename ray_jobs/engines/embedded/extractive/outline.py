"""A summary: of each video what it is about, then a line for each of its parts, with its time and its source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.frames import Frames, frames
from ray_jobs.engines.embedded.extractive.languages import language_of, stop_words, words_of
from ray_jobs.engines.embedded.extractive.question import Question
from ray_jobs.engines.embedded.extractive.sentences import sentences
from ray_jobs.engines.embedded.extractive.style import Style
from ray_jobs.engines.embedded.titles import shortened
from services.core.media import said_by, timecode
from services.core.search.tokens import folded, is_unspaced

MAX_LINES = 16
MAX_FILES = 24
MAX_TOPICS = 4
MAX_LINE = 160  # characters of what is told in a line
MAX_HEADLINE = 90
_END = re.compile(r"[.!?…。！？][\"”’»」』)]*$")
MIN_SECONDS = 2.0  # of a part
MIN_WORDS = 4  # of a sentence that says something by itself
MIN_CHARACTERS = 8  # of one in a script without spaces


@dataclass(frozen=True)
class _Part:
    """A stretch of a video and what tells of it."""

    number: int
    start_time: float
    end_time: float
    headline: str
    told: str  # a sentence that is said, or what is seen where nothing is
    others: tuple[int, ...] = ()  # sources of the rest of what is told
    is_said: bool = False


def outline(sources: Sequence[pb.Source], question: Question, style: Style, most: int = MAX_LINES) -> str:
    """Complete over the videos: where they have more than `most` parts, neighbours share a line, and that is said.

    Empty where nothing in the sources can be told.
    """
    words = frames(style.language or question.language)
    videos = [parts for parts in _videos(sources) if parts[1]]
    if not videos:
        return ""
    shown = videos[: style.max_points or MAX_FILES] if len(videos) > 1 else videos
    each = max(1, (style.max_points or most) // len(shown))
    blocks, merged = [], 0
    for filename, parts in shown:
        groups = _shared(parts, each)
        merged += sum(len(group) for group in groups if len(group) > 1)
        name = filename if style.plain else f"**{filename}**"
        if len(groups) == 1 and len(videos) > 1:
            blocks.append(f"{name}: {_line(groups[0], style)}")
        elif style.max_points == 1:
            blocks.append(_about(name, parts, words))
        else:
            lead = "" if style.max_points and len(videos) == 1 else _about(name, parts, words)
            blocks.append(_listed(style).listed([_line(group, style) for group in groups], lead))
    told = _listed(style).listed(blocks) if each == 1 and len(videos) > 1 else "\n\n".join(blocks)
    notes = [words.say("merged", count=merged)] if merged and not style.max_points else []
    notes += [words.say("left_out", count=len(videos) - len(shown))] if len(videos) > len(shown) else []
    return style.noted("\n\n".join([told, *notes]), words)


def _listed(style: Style) -> Style:
    return replace(style, bullets=not (style.numbered or style.prose), max_points=0)


def _videos(sources: Iterable[pb.Source]) -> list[tuple[str, list[_Part]]]:
    """(filename, its parts in order of time), in the order in which the files come."""
    of_file: dict[str, dict[float, pb.Source]] = {}
    for source in sources:
        of_file.setdefault(source.file_id, {}).setdefault(source.start_time, source)
    return [
        (
            next(iter(found.values())).filename,
            _told_once([part for start in sorted(found) for part in _parts(found[start])]),
        )
        for found in of_file.values()
    ]


def _parts(source: pb.Source) -> Iterator[_Part]:
    """Those of a segment: what is said and shown from where the screen changes, or where nothing does, from each utterance."""
    shown = sorted({passage.start_time for passage in source.passages if passage.kind == "scene_text"})
    said = sorted({passage.start_time for passage in source.passages if passage.kind == "speech"})
    begins = shown if len(shown) > 1 else said or shown
    begins = [source.start_time, *(time for time in begins[1:] if time - source.start_time >= MIN_SECONDS)]
    for at, begin in enumerate(begins):
        end = begins[at + 1] if at + 1 < len(begins) else source.end_time
        within = [
            passage
            for passage in source.passages
            if begin <= max(passage.start_time, source.start_time) < end or (at == 0 and passage.start_time < begin)
        ]
        if within:
            yield _part(source.number, within, begin, end)


def _part(number: int, passages: Iterable[pb.Passage], start_time: float, end_time: float) -> _Part:
    texts: dict[str, list[str]] = {}
    for passage in passages:
        text = said_by(passage.text)[1] if passage.kind == "speech" else passage.text
        texts.setdefault(passage.kind, []).append(text)
    lines = [line for text in texts.get("scene_text", ()) for line in sentences(text)]
    headline = next((line for line in lines if _is_readable(line)), "")
    told = _first_telling(texts.get("speech", ()))
    is_said = bool(told)
    if headline and not told:  # a chart or a table without a word
        told = " / ".join(line for line in lines if line != headline and _is_shown(line))
    if not (told or headline):
        # What is heard is told only of what can't be seen: that someone speaks says nothing.
        told = _first_telling(texts.get("visual_scene_description", []) or texts.get("audio_description", []))
    return _Part(number, start_time, end_time, headline, told, is_said=is_said)


def _told_once(parts: list[_Part]) -> list[_Part]:
    """Without parts that tell nothing. Neighbours under one headline are one part where they say the same, or where what is
    said is cut in two by the end of a segment."""
    telling = [part for part in parts if part.headline or part.told]
    once = []
    for _, same in groupby(telling, key=lambda part: (folded(part.headline), folded(part.told))):
        first, *rest = same
        once.append(replace(first, end_time=rest[-1].end_time) if rest else first)
    whole: list[_Part] = []
    for part in once:
        before = whole[-1] if whole else None
        if before and part.is_said and before.is_said and _END.search(before.told) is None and _is_under(part, before):
            whole[-1] = replace(
                before, told=f"{before.told} {part.told}", end_time=part.end_time, others=(*before.others, part.number)
            )
        else:
            whole.append(part)
    return whole


def _is_under(part: _Part, before: _Part) -> bool:
    return folded(part.headline) in ("", folded(before.headline))


def _is_readable(line: str) -> bool:
    letters = sum(map(str.isalpha, line))
    return letters >= 2 and letters >= 0.6 * len(line.replace(" ", "")) and len(line) <= MAX_HEADLINE


def _is_shown(line: str) -> bool:
    """Whether a line of a screen reads as a name, a figure, or both."""
    return sum(map(str.isalnum, line)) >= 0.6 * len(line.replace(" ", "")) and any(map(str.isalpha, line))


def _first_telling(texts: Iterable[str]) -> str:
    """The first sentence that is more than a greeting, else the first."""
    every = [sentence for text in texts for sentence in sentences(text)]
    return next(
        (one for one in every if len(one.split()) >= MIN_WORDS or (not one.isascii() and len(one) >= MIN_CHARACTERS)),
        every[0] if every else "",
    )


def _shared(parts: Sequence[_Part], most: int) -> list[list[_Part]]:
    """At most that many runs of neighbours, evenly long."""
    count = min(len(parts), most)
    return [list(parts[len(parts) * at // count : len(parts) * (at + 1) // count]) for at in range(count)]


def _line(group: Sequence[_Part], style: Style) -> str:
    """ "00:12–00:40: **Spring tides**: The moon pulls at the sea. [1]" """
    time = f"{timecode(group[0].start_time)}–{timecode(group[-1].end_time)}: " if style.timestamps else ""
    if len(group) == 1:
        (part,) = group
        headline = part.headline if style.plain or not part.told else part.headline and f"**{part.headline}**"
        told = ": ".join(filter(None, [headline, shortened(part.told, MAX_LINE)]))
        return f"{time}{told} " + "".join(f"[{number}]" for number in dict.fromkeys((part.number, *part.others)))
    named: dict[str, _Part] = {}
    telling = {part.headline for part in _unnumbered([part for part in group if part.headline])}
    for part in sorted(group, key=lambda part: not part.headline):
        is_named = part.headline in telling or not part.told
        named.setdefault(part.headline if is_named else shortened(part.told, MAX_HEADLINE), part)
    chosen = sorted(list(named.items())[:MAX_TOPICS], key=lambda item: item[1].start_time)
    return time + " · ".join(f"{text} [{part.number}]" for text, part in chosen)


def _about(name: str, parts: Sequence[_Part], words: Frames) -> str:
    """The video's name and its topics: its headlines, else the words that most of its parts share."""
    headlines = {folded(part.headline): part for part in reversed(parts) if part.headline}
    numbers: list[int]
    first = _unnumbered(sorted(headlines.values(), key=lambda part: part.start_time))
    if first:
        chosen = [first[len(first) * at // min(len(first), MAX_TOPICS)] for at in range(min(len(first), MAX_TOPICS))]
        topics, numbers = [part.headline for part in chosen], [part.number for part in chosen]
    else:
        topics = _frequent(parts)
        numbers = [parts[0].number]
    if not topics:
        return f"{name}:"
    sources = "".join(f"[{number}]" for number in dict.fromkeys(numbers))
    return f"{words.say('about', title=name, topics=words.listed(topics))} {sources}"


def _unnumbered(parts: Sequence[_Part]) -> list[_Part]:
    """Headlines that differ in their numbers alone are one, and none where they are a single word: "Step 1", "Step 2"."""
    bare = [" ".join(re.sub(r"\d+", " ", part.headline).split()) for part in parts]
    counts = Counter(map(folded, bare))
    kept: dict[str, _Part] = {}
    for part, words in zip(parts, bare, strict=True):
        if counts[folded(words)] == 1:
            kept.setdefault(part.headline, part)
        elif len(words_of(words)) > 1:
            kept.setdefault(folded(words), replace(part, headline=words))
    return list(kept.values())


def _frequent(parts: Sequence[_Part]) -> list[str]:
    """Words that say something and stand in most parts, the longer first of those in equally many."""
    counts: Counter[str] = Counter()
    written: dict[str, str] = {}
    for part in parts:
        said = stop_words(language_of(part.told))
        words = [word for word in words_of(part.told) if len(word) > 3 and not is_unspaced(word)]
        found = {word.lower(): word for word in words if word.lower() not in said}
        counts.update(found.keys())
        written = {**found, **written}
    ranked = sorted(counts, key=lambda word: (-counts[word], -len(word)))
    return [written[word] for word in ranked[:MAX_TOPICS]]
