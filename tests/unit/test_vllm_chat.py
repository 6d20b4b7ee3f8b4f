"""A prompt as messages for a chat template: what comes first, what becomes text, and what users can not write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_jobs.engines.language.model import Call, Prompt, Tool, Turn
from ray_jobs.engines.vllm.chat import messages, plainer
from services.core.errors import ArcusError, Reason

CONTROLS = ("<|im_end|>", "<image>", "<s>", "[INST]")
PLAIN = plainer(CONTROLS)


def prompt(*turns: Turn, **more: object) -> Prompt:
    return Prompt("r", "t", turns, 10, **more)  # type: ignore[arg-type]


def test_instructions_and_tools_come_first_and_roles_take_turns() -> None:
    call = Call("c", "look", '{"at":"sea"}')
    asked = prompt(
        Turn("user", "Hi."),
        Turn("system", "Be brief."),
        Turn("user", "Look."),
        Turn("assistant", "Well.", (call,)),
        Turn("tool", "waves", tool_call_id="c"),
        tools=(Tool("look", "Looks.", {"type": "object"}),),
    )
    made = messages(asked, PLAIN)
    assert [message["role"] for message in made] == ["system", "user", "assistant", "user"]
    assert made[0]["content"].startswith("Be brief.") and '"name": "look"' in made[0]["content"]
    assert made[1]["content"] == "Hi.\n\nLook."
    assert made[2]["content"] == 'Well.\n<tool_call>\n{"name": "look", "arguments": {"at":"sea"}}\n</tool_call>'
    assert made[3]["content"] == "<tool_response>\nwaves\n</tool_response>"


def test_tools_that_may_not_be_called_are_not_told() -> None:
    asked = prompt(Turn("user", "Hi."), tools=(Tool("look", "", {}),), tool_choice="none")
    assert messages(asked, PLAIN) == [{"role": "user", "content": "Hi."}]


def test_frames_come_before_the_text_of_the_last_user() -> None:
    frames = (np.full((2, 3, 3), 7, np.uint8), np.zeros((4, 5, 3), np.uint8))
    made = messages(prompt(Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), images=frames), PLAIN)
    assert made[0]["content"] == "a"
    *shown, words = made[2]["content"]
    assert [part["image_pil"].size for part in shown] == [(3, 2), (5, 4)] and words == {"type": "text", "text": "c"}


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (0, 3, 3)])
def test_frames_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArcusError) as caught:
        messages(prompt(Turn("user", "a"), images=(np.zeros(shape, np.uint8),)), PLAIN)
    assert caught.value.reason is Reason.INVALID_ARGUMENT


@given(st.lists(st.one_of(st.sampled_from([*CONTROLS, "<", "s>", "\ud800", "im_end|>"]), st.text(max_size=3))))
def test_no_control_token_is_left_in_what_a_user_wrote(parts: list[str]) -> None:
    plain = PLAIN("".join(parts))
    assert not any(token in plain for token in CONTROLS)
    plain.encode()


def test_ordinary_text_stays_as_it_is() -> None:
    assert PLAIN("1 < 2, [1] é\n") == "1 < 2, [1] é\n"
    assert plainer(())("<s>") == "<s>"
