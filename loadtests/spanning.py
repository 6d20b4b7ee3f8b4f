"""Questions that span videos, on both models side by side, and follow-ups with and without their conversation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arcus.engine.v1 import engine_pb2 as pb

from loadtests import scores
from loadtests.media_sets import MediaSet
from services.nimbus.backend import Backend
from services.nimbus.context.retrieval import Scope

MODELS = ("nimbus-001", "nimbus-002-preview")

# (model, what is asked, names of the files to ask, or all) → (text, names of the files cited)
Ask = Callable[[str, Any, list[str] | None], tuple[str, set[str]]]


@dataclass(frozen=True)
class Spanning:
    """By model: share of the videos needed that were cited; of answers that hold the words they must; of refusals."""

    cited: dict[str, float]
    worded: dict[str, float]
    refused: dict[str, float]
    questions: int
    with_words: int
    unanswerable: int


def spanning(cases: dict[str, list[Any]], ask: Ask) -> Spanning:
    cited: dict[str, list[float]] = {model: [] for model in MODELS}
    worded: dict[str, list[bool]] = {model: [] for model in MODELS}
    refused: dict[str, list[bool]] = {model: [] for model in MODELS}
    print(f"\n  {MODELS[0]:>10} {MODELS[1]:>18}  question that spans videos")
    for item in cases["multi_video"]:
        for model in MODELS:
            text, names = ask(model, item["question"], item.get("within"))
            share, missing, wrong = scores.videos_cited(names, item["files"])
            cited[model].append(share)
            held = [word.lower() in text.lower() for word in item.get("words", ())]
            if held:
                worded[model].append(all(held))
        print(f"  {cited[MODELS[0]][-1]:>10.2f} {cited[MODELS[1]][-1]:>18.2f}  {item['question']}")
        if missing or wrong or not all(held):
            print(f"  {'':>29}  missing {sorted(missing)}, wrong {sorted(wrong)}, words held {held}")
    for question in cases["unanswerable"]:
        for model in MODELS:
            text, names = ask(model, question, None)
            refused[model].append(not names)
            if names:
                print(f"  {model} answered, though it can't: {question} {text[:200]}")
    return Spanning(
        *({model: sum(values) / len(values) for model, values in of.items()} for of in (cited, worded, refused)),
        questions=len(cases["multi_video"]),
        with_words=len(worded[MODELS[0]]),
        unanswerable=len(cases["unanswerable"]),
    )


async def follow_ups(
    media: MediaSet, backend: Backend, tenant_id: str, scope: Scope, ask: Ask
) -> tuple[float, float, float, int]:
    """(hit@1 of the second question as it is, hit@1 as rewritten, share answered from the right video, conversations)."""

    def named(cited: set[str]) -> set[str]:
        return {media.copies.get(name, name) for name in cited}

    raw, rewritten, right = [], [], []
    print("\n  raw rewritten  follow-up → how it reads alone")
    for item in media.spanning["follow_ups"]:
        first, last = item["turns"]
        answer = item.get("answer") or ask(MODELS[0], first, None)[0]
        turns = [("user", first), ("assistant", answer), ("user", last)]
        plan = await backend.engine.plan(
            pb.PlanRequest(
                tenant_id=tenant_id,
                model=MODELS[0],
                messages=[pb.Message(role=role, text=text) for role, text in turns],
            )
        )
        for question, hits in ((last, raw), (plan.question, rewritten)):
            found = await backend.retrieval.find(tenant_id, scope, question, 1)
            hits.append(bool(found) and scores.is_right(media, found[0].file.filename, found[0].segment, item))
        messages = [{"type": "message", "role": role, "content": text} for role, text in turns]
        right.append(item["file"] in named(ask(MODELS[0], messages, None)[1]))
        print(f"  {raw[-1]:>3} {rewritten[-1]:>9}  {last} → {plan.question}")
    total = len(media.spanning["follow_ups"])
    return sum(raw) / total, sum(rewritten) / total, sum(right) / total, total
