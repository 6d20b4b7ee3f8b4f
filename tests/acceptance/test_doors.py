"""Every scenario at every door: HTTP with either SDK and gRPC, and what comes out is the same at all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.acceptance.doors.chat_scenarios import CHAT_SCENARIOS
from tests.acceptance.doors.door import Refused
from tests.acceptance.doors.refusals import CHATS, REFUSALS, SEARCHES, UNKNOWN, unknown
from tests.acceptance.doors.scenarios import SCENARIOS
from tests.acceptance.doors.stage import QUESTION, Stage, same_at_all, stages
from tests.acceptance.live_front import Front


@pytest.fixture(scope="module")
def doors(answering: Front) -> Iterator[list[Stage]]:
    made = stages(answering)
    yield made
    for stage in made:
        stage.door.close()


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.status, refused.value.message


@pytest.mark.parametrize("scenario", SCENARIOS + CHAT_SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_every_door_tells_the_same(doors: list[Stage], scenario: Callable[[Stage], Any]):
    same_at_all(doors, scenario)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", REFUSALS)
def test_every_door_refuses_with_the_same_words(doors: list[Stage], name: str, streamed: bool):
    wrong, status, word = REFUSALS[name]

    def play(at: Stage) -> Any:
        before = at.door.list()["total"]
        request = at.asks(**wrong(at))
        found = refusal(lambda: at.streamed(request) if streamed else at.door.ask(request))
        assert found[0] == status and word in found[1]
        assert at.door.list()["total"] == before, "nothing is kept"
        return found

    same_at_all(doors, play)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_unknown_and_what_is_anothers_are_refused_alike(doors: list[Stage], name: str):
    call, status = UNKNOWN[name]

    def play(at: Stage) -> Any:
        kinds = {"search": at.foreign_search_id, "chat": at.foreign_chat_id}
        foreign = kinds.get(name.split()[-1], at.foreign_response_id)
        found = [refusal(lambda id=id: call(at, id)) for id in (unknown(at), foreign)]
        assert [found_status for found_status, _ in found] == [status] * 2
        assert found[0][1].replace(unknown(at), "") == found[1][1].replace(foreign, "")
        return found

    same_at_all(doors, play)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", CHATS)
def test_every_door_refuses_a_chat_with_the_same_words(doors: list[Stage], name: str, streamed: bool):
    wrong, status, word = CHATS[name]

    def play(at: Stage) -> Any:
        before = at.door.list_chats()["total"]
        request = at.chats() | wrong(at)
        found = refusal(lambda: at.streamed_chat(request) if streamed else at.door.chat(request))
        assert found[0] == status and word in found[1]
        assert at.door.list_chats()["total"] == before, "nothing is kept"
        return found

    same_at_all(doors, play)


@pytest.mark.parametrize("name", SEARCHES)
def test_every_door_refuses_a_search_with_the_same_words(doors: list[Stage], name: str):
    wrong, status, word = SEARCHES[name]

    def play(at: Stage) -> Any:
        request = {"scope": "segment", "collections": [at.collection_id], "query": QUESTION, **wrong(at)}
        found = refusal(lambda: at.door.search(request))
        assert found[0] == status and word in found[1]
        return found

    same_at_all(doors, play)
