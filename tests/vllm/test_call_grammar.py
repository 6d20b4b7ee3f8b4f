"""The grammar of function calls, tried on tokenizers that have a token for their opening and on ones that have none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from ray_jobs.engines.language.model import Call, Tool
from ray_jobs.engines.vllm.tool_calls import OPEN, guidance, written

SCHEMA = {
    "type": "object",
    "properties": {"days": {"enum": [1, 2]}},
    "required": ["days"],
    "additionalProperties": False,
}
TOOLS = (Tool("weather", "", SCHEMA), Tool("mail", "", {"type": "object"}))
GOOD = written(Call("", "weather", '{"days":1}'))
KINDS = {
    "no token": None,
    "a token": AddedToken(OPEN, special=False),
    "a control token": AddedToken(OPEN, special=True),
}


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest, models: dict[str, Path]) -> Any:
    loaded = PreTrainedTokenizerFast.from_pretrained(models["text"])
    if KINDS[request.param] is not None:
        loaded.add_tokens([KINDS[request.param]])
    return loaded


def taken(tokenizer: Any, choice: str, text: str, schema: dict[str, Any] | None = None) -> tuple[bool, bool]:
    """Whether the grammar lets the text be written, and whether the answer may end there."""
    import llguidance  # only the environment with vLLM has it
    import llguidance.hf

    grammar = guidance(TOOLS, choice, is_token=OPEN in tokenizer.get_added_vocab(), schema=schema)["grammar"]
    assert not llguidance.LLMatcher.validate_grammar(llguidance.grammar_from("grammar", grammar), None)
    known = llguidance.hf.from_tokenizer(tokenizer, len(tokenizer))
    matcher = llguidance.LLMatcher(known, llguidance.grammar_from("grammar", grammar), log_level=0)
    assert not matcher.get_error()
    whole = all(matcher.consume_token(token) for token in tokenizer.encode(text, add_special_tokens=False))
    return whole, whole and matcher.is_accepting()


def test_text_is_free_and_calls_in_it_are_held_to_their_schemas(tokenizer: Any) -> None:
    assert taken(tokenizer, "auto", "The sea < the moon.\n<tool") == (True, True)
    assert taken(tokenizer, "auto", f"Well.\n{GOOD}") == (True, True)
    assert taken(tokenizer, "auto", GOOD + GOOD) == (True, True)
    assert taken(tokenizer, "auto", f"Well.\n{GOOD[:-8]}") == (True, False)
    for wrong in (GOOD.replace("weather", "whether"), GOOD.replace("1", "3"), GOOD.replace(":1", ": 1")):
        assert taken(tokenizer, "auto", f"Well. {wrong}") == (False, False)


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_where_a_call_must_be_made_nothing_else_can_be_written(tokenizer: Any, choice: str) -> None:
    assert taken(tokenizer, choice, GOOD) == (True, True)
    assert taken(tokenizer, choice, "Well.") == (False, False)
    assert taken(tokenizer, choice, written(Call("", "mail", "{}"))) == ((choice == "required",) * 2)


def test_where_json_is_asked_for_it_or_one_call_is_written(tokenizer: Any) -> None:
    assert taken(tokenizer, "auto", '{"days":2}', SCHEMA) == (True, True)
    assert taken(tokenizer, "auto", GOOD, SCHEMA) == (True, True)
    for wrong in ('{"days":3}', "Well.", f'{{"days":2}}{GOOD}', GOOD.replace("1", "3")):
        assert taken(tokenizer, "auto", wrong, SCHEMA) == (False, False)
    assert taken(tokenizer, "required", '{"days":2}', SCHEMA) == (False, False)
