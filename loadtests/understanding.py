"""What is heard and seen in the made media, and in the recordings of ARCUS_MEDIA, against their truth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtests import scores
from loadtests.evaluation.table import Figure
from loadtests.media_sets import MediaSet, media_sets
from loadtests.running import System
from services.cli.client import Client
from services.core.errors import ArcusError

INGEST_SECONDS = 1800  # a guard against waiting for ever


@dataclass(frozen=True)
class Understood:
    """By filename: how each file ended (status, reason), and the descriptions of those that completed."""

    media: MediaSet
    ended: Mapping[str, tuple[str, str]]
    descriptions: Mapping[str, dict[str, Any]]

    def texts(self, name: str, kind: str) -> list[str]:
        """What was heard (speech) or read (scene_text) in a file; nothing where it did not complete."""
        return [part["text"] for part in self.descriptions.get(name, {}).get(kind) or ()]


def understanding(system: System) -> list[Figure]:
    found: list[Figure] = []
    with Client(system.url, system.key) as client:
        for media in media_sets():
            began = time.monotonic()
            understood = _upload_all(client, media)
            print(f"{len(understood.descriptions)} {media.name} files understood in {time.monotonic() - began:.0f} s")
            found += _figures(understood)
    return found


def _upload_all(client: Client, media: MediaSet) -> Understood:
    """Every file of the set, in one collection with the default settings."""
    collection = client.post("/collections", {"name": media.name, "collection_type": "media-descriptions"})["id"]
    ids: dict[str, str] = {}
    ended: dict[str, tuple[str, str]] = {}
    for path in media.paths.values():
        try:
            ids[path.name] = client.upload(path)["id"]
        except ArcusError as error:
            ended[path.name] = ("refused", error.message)
    deadline = time.monotonic() + INGEST_SECONDS
    waiting, joined = dict(ids), set()
    while waiting and time.monotonic() < deadline:
        for name, id in list(waiting.items()):
            state = client.get(f"/collections/{collection}/media/{id}" if name in joined else f"/files/{id}")
            if state["status"] == "failed" or (state["status"] == "completed" and name in joined):
                ended[name] = (state["status"], state.get("error") or "")
                del waiting[name]
            elif state["status"] == "completed":
                client.post(f"/collections/{collection}/media", {"file_id": id})
                joined.add(name)
        time.sleep(0.5)
    ended |= {name: ("unfinished", f"not within {INGEST_SECONDS} s") for name in waiting}
    descriptions = {
        name: client.get(f"/collections/{collection}/videos/{ids[name]}/media-descriptions")
        for name, (status, _) in ended.items()
        if status == "completed"
    }
    return Understood(media, ended, descriptions)


def _figures(understood: Understood) -> list[Figure]:
    media, good = understood.media, 0
    for name, (status, reason) in sorted(understood.ended.items()):
        word = media.failing.get(name)
        right = status == "completed" if word is None else status in ("failed", "refused") and word in reason.lower()
        good += right
        if not right or word is not None:
            print(f"  {'ok' if right else 'WRONG':<6} {name}: {status} {reason}")
    wanted, read = 0, 0.0
    for name, lines in media.lines.items():
        seen = understood.texts(name, "scene_text")
        recall, missed = scores.lines_recalled(lines, seen)
        wanted, read = wanted + len(lines), read + recall * len(lines)
        for line in missed:
            print(f"  not read in {name}: {line}")
    errors, words = {}, {}
    for name, text in (media.transcripts | media.reported_only).items():
        heard = " ".join(understood.texts(name, "speech"))
        errors[name], words[name] = scores.word_errors(text, heard)
        print(f"  word error rate {errors[name] / words[name]:.2f}  {name}")
    spoken = sum(words[name] for name in media.transcripts)
    rate = sum(errors[name] for name in media.transcripts) / spoken
    f1, boundaries = scores.shot_boundaries(media)
    invented = [name for name in media.wordless if understood.texts(name, "speech")]
    for name in invented:
        print(f"  words heard in {name}: {understood.texts(name, 'speech')}")
    of = len(understood.ended)
    return [
        Figure(f"{media.name} files that end as their truth says", good / of, of, 1.0),
        Figure(f"{media.name}, lines on the screen that are read", read / wanted, wanted, 0.95),
        Figure(f"{media.name}, word error rate", rate, spoken, 0.06, at_most=True),
        Figure(f"{media.name}, shot boundaries, F1", f1, boundaries, 0.8),
        Figure(
            f"{media.name} files without speech in which words are heard",
            len(invented) / len(media.wordless),
            len(media.wordless),
            0.0,
            at_most=True,
        ),
    ]
