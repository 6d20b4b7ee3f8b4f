"""Plans with a language model what to look for before an answer is written."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive import forms
from ray_jobs.engines.language.budget import Budget
from ray_jobs.engines.language.fences import Fence, one_line
from ray_jobs.engines.language.json_answers import UnusableAnswerError, answer_in_json, object_schema
from ray_jobs.engines.language.model import LanguageModel, Prompt, Turn
from services.core.errors import ArcusError

OUTPUT_TOKENS = 1_500
MAX_PARTS, MAX_QUERIES = 6, 4
MAX_QUESTION, MAX_PART, MAX_PURPOSE, MAX_SQL = 400, 160, 80, 600
REWRITE_RULES = (
    "Somebody asks about a collection of videos. Answer in JSON. question: the last question as it reads without the "
    "conversation before it, in its own language; as it is, where it needs nothing from before. broad: whether it asks for "
    "the whole of the videos, as a summary does, rather than for a fact in them."
)
PLAN_RULES = (
    " parts: what to search the videos for, each by itself: the question alone, or the sub-questions that it is made of. "
    "per_file: whether every video must be asked by itself, as to compare them."
)
QUERY_RULES = (
    " queries: read-only SELECT statements in DuckDB's dialect over the tables below, where they can tell something that "
    "the question asks; else none. purpose: what a query finds, as a noun phrase. answered_by_queries: whether their "
    "results alone answer the question."
)

log = structlog.get_logger()


async def plan(model: LanguageModel, request: pb.PlanRequest) -> pb.PlanResponse:
    """Where the model makes no plan that can be used, the question is searched for as it is."""
    question = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    if not request.decompose and not any(message.role == "assistant" for message in request.messages):
        return await asyncio.to_thread(_as_it_is, question)
    prompt = _prompt(model, request, question)
    try:
        made = await answer_in_json(model, prompt)
    except UnusableAnswerError as error:
        log.warning("question_unplanned", request_id=request.request_id, problem=error.message)
        return _as_it_is(question)
    if not request.decompose:
        return pb.PlanResponse(question=made["question"], parts=[made["question"]], broad=made["broad"])
    queries = [pb.Query(purpose=item["purpose"], sql=item["sql"]) for item in made.get("queries", ())]
    return pb.PlanResponse(
        question=made["question"],
        parts=list(dict.fromkeys(made["parts"])),
        per_file=made["per_file"],
        broad=made["broad"],
        queries=queries,
        answered_by_queries=bool(queries) and made["answered_by_queries"],
    )


def _as_it_is(question: str) -> pb.PlanResponse:
    """Without a call to the model: what is asked for is told by the question's vector, where there is one to tell it by."""
    made = pb.PlanResponse(question=question, parts=[question])
    try:
        read = forms.read(question)
    except ArcusError:
        return made
    made.form, made.language, made.broad = read.form, read.language, read.form in ("whole", "each")
    return made


def _prompt(model: LanguageModel, request: pb.PlanRequest, question: str) -> Prompt:
    rules = REWRITE_RULES
    properties: dict[str, Any] = {"question": _text(MAX_QUESTION), "broad": {"type": "boolean"}}
    if request.decompose:
        rules += PLAN_RULES
        properties["parts"] = {"type": "array", "items": _text(MAX_PART), "minItems": 1, "maxItems": MAX_PARTS}
        properties["per_file"] = {"type": "boolean"}
        if request.tables:
            rules += QUERY_RULES
            query = object_schema(purpose=_text(MAX_PURPOSE), sql=_text(MAX_SQL))
            properties["queries"] = {"type": "array", "items": query, "maxItems": MAX_QUERIES}
            properties["answered_by_queries"] = {"type": "boolean"}
    output = min(OUTPUT_TOKENS, model.context_tokens // 3)
    budget = Budget(model, output)
    fence = Fence()
    budget.take(rules + question + fence.rule)
    asked = f"The question: {question}"
    tables = budget.first(_tables(request), 0.7) if request.decompose else []
    earlier = budget.first(
        [f"{message.role}: {one_line(message.text)}" for message in reversed(request.messages[:-1])], 0.9
    )
    lines = [
        *([fence.rule] if tables or earlier else []),
        *([fence.block("tables", tables)] if tables else []),
        *([fence.block("the conversation before", reversed(earlier))] if earlier else []),
        asked,
    ]
    return Prompt(
        f"{request.request_id}-plan",
        request.tenant_id,
        (Turn("system", rules), Turn("user", "\n".join(lines))),
        output,
        schema=object_schema(**properties),
    )


def _tables(request: pb.PlanRequest) -> list[str]:
    """One line for each table and column; what the tables hold, in the words of whoever asks, is first."""
    lines = [one_line(request.tables_description)] if request.tables_description else []
    for table in request.tables:
        lines.append(f"table {table.name}: {one_line(table.description)}")
        for column in table.columns:
            examples = f" (as: {', '.join(map(one_line, column.examples[:3]))})" if column.examples else ""
            lines.append(f'  "{column.name}" {column.type}: {one_line(column.description)}{examples}')
    return lines


def _text(characters: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": characters}
