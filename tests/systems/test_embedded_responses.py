"""The acceptance cases of the Open Responses specification with the embedded engine."""

from __future__ import annotations

from services.core.engines.config import MODELS
from tests.acceptance.open_responses import CASES, REFUSED, answer, check_answer, post
from tests.running_system import Lecture, RunningSystem


def test_the_cases_hold_with_the_embedded_engine(system: RunningSystem, lecture: Lecture):
    """Which calls no functions, and says what it knows without them; and cites what it was given."""
    with system.client() as http:
        del http.headers["X-SDK-Client"]
        for case in CASES:
            for stream in (False, True):
                body = case.body(MODELS[stream])
                if case.name in ("tool-choice", "image-input"):  # a function must be called, a picture seen
                    assert "kind vllm or openai" in post(http, {**body, "stream": stream}).text
                    continue
                check_answer(case, body, answer(http, body, stream=stream), can_call=False)
        for case, _ in REFUSED:
            assert post(http, case.body("nimbus-001")).status_code == 400
        base = {"collections": [lecture.collection_id]}
        asked = {"model": "nimbus-001", "input": "What is the lecture about?", "knowledge_base": base}
        first = answer(http, asked, stream=True)
        assert first["output"][0]["content"][0]["annotations"]
        follow = {"model": "nimbus-001", "input": "Say it in one sentence.", "previous_response_id": first["id"]}
        assert answer(http, follow, stream=False)["output"][0]["content"][0]["text"]
