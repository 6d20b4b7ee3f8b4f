"""What Arcus understands, against the truth: python -m loadtests.eval [--json PATH]

For each set of media (the made one, and the recordings of ARCUS_MEDIA) runs the whole system, uploads every file, asks
every question, and prints a table. Exits 1 below a target.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loadtests import entities, scores
from loadtests.media_sets import MediaSet, media_sets
from loadtests.running import System, running_system
from loadtests.spanning import MODELS, Ask, follow_ups, spanning
from services.cli.client import Client
from services.core.errors import ArcusError
from services.nimbus.backend import open_backend
from services.nimbus.requests.knowledge_base import KnowledgeBase

INGEST_SECONDS = 420


@dataclass(frozen=True)
class Metric:
    name: str
    value: float
    target: float | None
    of: int  # how many things were counted

    @property
    def good(self) -> bool:
        return self.target is None or (self.value <= self.target if "error" in self.name else self.value >= self.target)


@dataclass(frozen=True)
class Library:
    """What was uploaded: file ids by name, how each ended, and the collection that holds what completed."""

    media: MediaSet
    collection_id: str
    ids: dict[str, str]
    ended: dict[str, tuple[str, str]]  # status, reason
    descriptions: dict[str, dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("loadtests/out/eval.json"))
    options = parser.parse_args()
    metrics = entity_answers()
    for media in media_sets():
        metrics += [replace(metric, name=f"{media.name}: {metric.name}") for metric in measure(media)]
    print(f"\n{'metric':<48} {'value':>7} {'target':>7} {'of':>4}")
    for metric in metrics:
        target = "" if metric.target is None else f"{metric.target:.2f}"
        print(f"{metric.name:<48} {metric.value:>7.3f} {target:>7} {metric.of:>4}  {'ok' if metric.good else 'MISSED'}")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([asdict(metric) for metric in metrics], indent=1))
    passed = sum(metric.good for metric in metrics)
    print(f"\n{passed} passed, {len(metrics) - passed} failed")
    return 0 if passed == len(metrics) else 1


def measure(media: MediaSet) -> list[Metric]:
    print(f"\n== {media.name} media", flush=True)
    started = time.monotonic()
    with running_system() as system, Client(system.url, system.key) as client:
        library = upload_all(client, media)
        print(f"understood {len(library.descriptions)} files in {time.monotonic() - started:.0f} s", flush=True)
        return [
            *understanding(library),
            *asyncio.run(ranking(system, library)),
            *answers(client, library),
            *across_videos(client, library),
            *asyncio.run(conversations(system, client, library)),
        ]


def entity_answers() -> list[Metric]:
    """Counting, listing, filtering, maximum and grouping questions over prepared entities."""
    metrics = []
    for kind, said in (("tuned", "tuned on"), ("held_out", "held out")):
        found = asyncio.run(entities.score(kind))
        metrics.append(Metric(f"entity questions answered exactly, {said}", found.exact / found.of, 0.8, found.of))
        metrics.append(Metric(f"entity questions answered in error, {said}", found.wrong / found.of, 0.0, found.of))
    planned, asked = entities.misplaced()
    metrics.append(Metric("entity questions of others answered in error", planned / asked, 0.0, asked))
    return metrics


def upload_all(client: Client, media: MediaSet) -> Library:
    """Every file of the set, in one collection with the default settings."""
    collection_id = client.post("/collections", {"name": "media", "collection_type": "media-descriptions"})["id"]
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
            state = client.get(f"/collections/{collection_id}/media/{id}" if name in joined else f"/files/{id}")
            if state["status"] == "failed" or (state["status"] == "completed" and name in joined):
                ended[name] = (state["status"], state.get("error") or "")
                del waiting[name]
            elif state["status"] == "completed":
                client.post(f"/collections/{collection_id}/media", {"file_id": id})
                joined.add(name)
        time.sleep(0.5)
    ended |= {name: ("unfinished", f"not within {INGEST_SECONDS} s") for name in waiting}
    descriptions = {
        name: client.get(f"/collections/{collection_id}/videos/{ids[name]}/media-descriptions")
        for name, (status, _) in ended.items()
        if status == "completed"
    }
    return Library(media, collection_id, ids, ended, descriptions)


def understanding(library: Library) -> list[Metric]:
    media, good = library.media, 0
    for name, (status, reason) in sorted(library.ended.items()):
        word = media.failing.get(name)
        right = status == "completed" if word is None else status in ("failed", "refused") and word in reason.lower()
        good += right
        if not right or word is not None:
            print(f"  {'ok' if right else 'WRONG':<6} {name}: {status} {reason}")
    wanted, read = 0, 0.0
    for name, lines in media.lines.items():
        seen = [part["text"] for part in library.descriptions[name]["scene_text"]]
        recall, missed = scores.lines_recalled(lines, seen)
        wanted, read = wanted + len(lines), read + recall * len(lines)
        for line in missed:
            print(f"  not read in {name}: {line}")
    errors, words = {}, {}
    for name, text in (media.transcripts | media.reported_only).items():
        heard = " ".join(part["text"] for part in library.descriptions[name]["speech"])
        errors[name], words[name] = scores.word_errors(text, heard)
        print(f"  word error rate {errors[name] / words[name]:.2f}  {name}")
    spoken = sum(words[name] for name in media.transcripts)
    rate = sum(errors[name] for name in media.transcripts) / spoken
    f1, boundaries = scores.shot_boundaries(media)
    return [
        Metric("files that end as their truth says", good / len(library.ended), 1.0, len(library.ended)),
        Metric("on-screen text lines recalled", read / wanted, 0.95, wanted),
        Metric("word error rate, exact transcripts", rate, 0.40, spoken),
        Metric("shot boundaries F1", f1, 0.8, boundaries),
    ]


async def ranking(system: System, library: Library) -> list[Metric]:
    """Where the right segment stands among those retrieved."""
    ranks: list[tuple[bool, int]] = []
    async with open_backend(system.settings) as backend:
        tenant_id = await backend.keys.authenticate(system.key)
        scope = await backend.retrieval.scope(tenant_id, KnowledgeBase("collections", (library.collection_id,)))
        for item in library.media.questions["answerable"]:
            found = await backend.retrieval.find(tenant_id, scope, item["question"], 10)
            rank = next(
                (
                    place
                    for place, hit in enumerate(found)
                    if scores.is_right(library.media, hit.file.filename, hit.segment, item)
                ),
                99,
            )
            ranks.append((item.get("paraphrased", False), rank))
            if rank > 0:
                first = f"{found[0].file.filename} {found[0].segment.start_time:.0f} s" if found else "nothing"
                print(f"  rank {rank + 1:>3}: {item['question']} (first: {first})")
    paraphrased = [rank for is_paraphrase, rank in ranks if is_paraphrase]
    every = [rank for _, rank in ranks]

    def share(values: list[int], within: int) -> float:
        return sum(rank < within for rank in values) / len(values)

    apart = [
        item
        for item in library.media.questions["answerable"]
        if item.get("paraphrased") and not scores.shared_words(item, library.descriptions[item["file"]])
    ]
    for item in library.media.questions["answerable"]:
        if item.get("paraphrased") and item not in apart:
            print(f"  shares a word with its answer: {item['question']}")
    return [
        Metric("paraphrased questions that share no word", len(apart) / len(paraphrased), 1.0, len(paraphrased)),
        Metric("share of questions that are paraphrased", len(paraphrased) / len(every), 1 / 3, len(every)),
        Metric("right segment first (hit@1)", share(every, 1), 0.8, len(every)),
        Metric("right segment in the first three (hit@3)", share(every, 3), 0.95, len(every)),
        Metric("hit@1, paraphrased", share(paraphrased, 1), None, len(paraphrased)),
        Metric("hit@3, paraphrased", share(paraphrased, 3), None, len(paraphrased)),
    ]


def answers(client: Client, library: Library) -> list[Metric]:
    citations = valid = answered = refused = 0
    names = {id: name for name, id in library.ids.items()}
    durations = {
        name: client.get(f"/files/{id}")["media_info"]["duration_seconds"]
        for name, id in library.ids.items()
        if name in library.descriptions
    }
    for item in library.media.questions["answerable"]:
        text, annotations = ask(client, library, item["question"])
        answered += bool(annotations)
        if not annotations:
            print(f"  not answered: {item['question']}")
        for annotation in annotations:
            citations += 1
            name = names.get(annotation["file_id"], "")
            good = name in durations and scores.is_valid(annotation, durations[name], library.descriptions[name])
            valid += good
            if not good:
                print(f"  bad citation: {item['question']}: {annotation}")
    for question in library.media.questions["unanswerable"]:
        text, annotations = ask(client, library, question)
        refused += not annotations
        if annotations:
            print(f"  answered, though it can't be: {question} {text}")
    total = len(library.media.questions["answerable"])
    return [
        Metric("citations valid", valid / max(1, citations), 1.0, citations),
        Metric(
            "unanswerable questions refused",
            refused / len(library.media.questions["unanswerable"]),
            0.9,
            len(library.media.questions["unanswerable"]),
        ),
        Metric("answerable questions answered", answered / total, None, total),
    ]


def across_videos(client: Client, library: Library) -> list[Metric]:
    first, second = MODELS
    result = spanning(library.media.spanning, _asker(client, library))
    gain = result.cited[second] - result.cited[first]
    return [
        Metric(f"videos needed cited, {first}", result.cited[first], None, result.questions),
        Metric(f"videos needed cited, {second}", result.cited[second], 0.9, result.questions),
        Metric(f"{second} ahead of {first}", gain, 0.01, result.questions),
        Metric(f"words held, {first}", result.worded[first], None, result.with_words),
        Metric(f"words held, {second}", result.worded[second], 0.9, result.with_words),
        Metric(f"refused across videos, {first}", result.refused[first], None, result.unanswerable),
        Metric(f"refused across videos, {second}", result.refused[second], 0.9, result.unanswerable),
    ]


async def conversations(system: System, client: Client, library: Library) -> list[Metric]:
    async with open_backend(system.settings) as backend:
        tenant_id = await backend.keys.authenticate(system.key)
        scope = await backend.retrieval.scope(tenant_id, KnowledgeBase("collections", (library.collection_id,)))
        raw, rewritten, right, total = await follow_ups(
            library.media, backend, tenant_id, scope, _asker(client, library)
        )
    return [
        Metric("follow-ups, hit@1 as they are", raw, None, total),
        Metric("follow-ups, hit@1 as rewritten", rewritten, 0.8, total),
        Metric("follow-ups answered from the right video", right, 0.8, total),
    ]


def _asker(client: Client, library: Library) -> Ask:
    names = {id: name for name, id in library.ids.items()}

    def asked(model: str, question: Any, within: list[str] | None) -> tuple[str, set[str]]:
        text, annotations = ask(client, library, question, model, within)
        return text, {names[annotation["file_id"]] for annotation in annotations}

    return asked


def ask(
    client: Client, library: Library, question: Any, model: str = "nimbus-001", within: list[str] | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """Asks the whole library, or only the files named in `within`."""
    base = {"source": "files", "files": [library.ids[name] for name in within]} if within else None
    body = {
        "model": model,
        "input": question,
        "knowledge_base": base or {"collections": [library.collection_id]},
        "include": ["cloudglue_citations.media_descriptions"],
    }
    content = client.post("/responses", body)["output"][0]["content"][0]
    return content["text"], content["annotations"]


if __name__ == "__main__":
    sys.exit(main())
