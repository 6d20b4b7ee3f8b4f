"""Function calls in the text of a model: how they are told from it, wherever its pieces are cut."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.language.model import Call, Tool
from ray_jobs.engines.vllm.tool_calls import OPEN, CallReader, explanation, guidance, written

NAMES = st.text('abc_"\\é', min_size=1, max_size=8)
ARGUMENTS = st.dictionaries(st.text(max_size=4), st.text("<>/tool_call}\n", max_size=14), max_size=3).map(json.dumps)
TEXTS = st.text("<tool_ca> \n", max_size=20).filter(lambda text: OPEN not in text and not text.endswith("<"))


@given(st.lists(st.tuples(TEXTS, NAMES, ARGUMENTS), max_size=3), TEXTS, st.lists(st.integers(1, 9), min_size=1))
def test_text_and_calls_are_what_was_written_wherever_pieces_are_cut(calls, end, sizes) -> None:
    whole = "".join(before + written(Call("", name, arguments)) for before, name, arguments in calls) + end
    reader, parts, place = CallReader("r-1"), [], 0
    while place < len(whole):
        size = sizes[place % len(sizes)]
        parts += reader.read(whole[place : place + size])
        place += size
    parts += reader.rest()
    assert "".join(part for part in parts if isinstance(part, str)) == "".join(before for before, *_ in calls) + end
    made: dict[str, tuple[str, str]] = {}
    for part in parts:
        if isinstance(part, Call):
            name, arguments = made.get(part.id, (part.name, ""))
            assert name == part.name
            made[part.id] = (name, arguments + part.arguments)
    assert list(made.values()) == [(name, arguments) for _, name, arguments in calls]
    assert reader.count == len(calls)


def test_a_call_that_breaks_off_is_given_as_far_as_it_came() -> None:
    reader = CallReader("r")
    parts = [*reader.read('Well <tool_call>\n{"name": "look", "arguments": {"at": "th'), *reader.rest()]
    assert parts == ["Well ", Call("call_r_0", "look", ""), Call("call_r_0", "look", '{"at": "th')]


def test_the_grammar_holds_every_tool_that_may_be_called_and_no_other() -> None:
    tools = (Tool("look", "Looks.", {"type": "object"}), Tool("hear", "Hears.", {"type": "object"}))
    for choice, names in (("auto", {"look", "hear"}), ("required", {"look", "hear"}), ("hear", {"hear"})):
        grammar = guidance(tools, choice)["grammar"]
        assert {name for name in ("look", "hear") if name in grammar} == names
    assert '"name": "look"' in explanation(tools) and "Hears." in explanation(tools)
