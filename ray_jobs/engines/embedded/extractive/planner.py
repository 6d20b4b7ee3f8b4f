"""Plans a question without a language model: what it asks for, and what to search for to answer it."""

from __future__ import annotations

import re
from dataclasses import replace

from arcus.engine.v1 import engine_pb2 as pb

from ray_jobs.engines.embedded.extractive.conversation import standalone
from ray_jobs.engines.embedded.extractive.question import Question, is_wordless
from ray_jobs.engines.embedded.extractive.sides import sides
from ray_jobs.engines.embedded.extractive.slots.calls import read_call
from ray_jobs.engines.embedded.extractive.slots.planner import queries as plan_queries

MAX_PARTS = 6
_OF_FILES = ("number", "which_file", "list")  # forms of questions that the table of files may answer
_SENTENCE = re.compile(r"[^?？!！。\n]*[?？!！。\n]?")


def plan(request: pb.PlanRequest) -> pb.PlanResponse:
    """Deterministic. At most MAX_PARTS parts. With `decompose`, every video is also searched by itself where that helps."""
    question = standalone(request.messages, request.tables)
    if is_wordless(question.text):
        question = replace(question, form="what", language="en")
    made = pb.PlanResponse(
        question=question.text, form=question.form, language=question.language, broad=question.form == "whole"
    )
    # What a video is called is no answer to what somebody in it is called: of files alone, only what asks of files is read.
    asks_of_files = not _has_records(request) and _asks_of_files(question, request)
    if asks_of_files and not _is_shown(request):  # where only the columns are known, "catalog" asks for what they hold
        made.form, made.broad = "catalog", False
    tables = list(request.tables) if asks_of_files or _has_records(request) or question.form in _OF_FILES else []
    queries, answered = plan_queries(question.text, question.language, tables)
    if answered:
        made.queries.extend(queries)
        made.answered_by_queries, made.broad = True, False
        made.parts.append(question.text)
        return made
    match question.form:
        case "whole":
            made.per_file = request.decompose
        case "each":
            made.per_file = True
        case "compare":
            made.parts.extend(sides(question.text, question.language))
        case "which_file" | "list":
            made.per_file = request.decompose
        case _:
            if request.decompose and not question.leans:
                made.parts.extend(_sentences(question.text))
    if not made.parts:
        made.parts.append(question.text)
    return made


def _has_records(request: pb.PlanRequest) -> bool:
    return any(table.name != "files" for table in request.tables)


def _asks_of_files(question: Question, request: pb.PlanRequest) -> bool:
    if not request.tables or is_wordless(question.text):
        return False
    return question.form == "catalog" or read_call(question.text).tool != "none"


def _is_shown(request: pb.PlanRequest) -> bool:
    return any(column.examples for table in request.tables for column in table.columns)


def _sentences(text: str) -> list[str]:
    """The questions that a text is made of, where it is more than one."""
    found = [sentence.strip() for sentence in _SENTENCE.findall(text)]
    return list(dict.fromkeys(sentence for sentence in found if any(map(str.isalnum, sentence))))[:MAX_PARTS]
