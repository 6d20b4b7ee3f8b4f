"""Load tests over several fronts: who shares a system, what an engine tells of itself, what is judged of a run as a whole."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from arcus.engine.v1.engine_pb2 import GenerateRequest

from loadtests.load import stored, target
from loadtests.load.__main__ import main
from loadtests.load.accounts import usage_of_written
from loadtests.load.backlog import claim, queue_up
from loadtests.load.claims import Claims
from loadtests.load.generator import Run, WrongAnswerError
from loadtests.load.journeys import Journeys
from loadtests.load.outcomes import Outcome
from loadtests.load.saturation import MEMORY, Saturation
from loadtests.load.scenario import Backlog, Order, Scenario, load_scenario
from loadtests.load.scripted_engine import TellingEngine, told_by
from loadtests.load.systems import together
from loadtests.load.target import Clip, Target, Tenant
from loadtests.load.verdict import judge
from services.core.errors import ArcusError
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from tests.contract.postgres_server import migrate
from tests.waiting import turns_of_the_loop


def scenario(**values: object) -> Scenario:
    return Scenario(**{"name": "test", "duration_seconds": 100, "journeys": {"answer": 1}, **values})  # type: ignore[arg-type]


def order(number: int = 0) -> Order:
    return Order(number, 0.0, "first", "answer", True)


def test_scenarios_of_a_whole_system_share_one_and_each_of_several_fronts_has_its_own():
    whole, two, three = scenario(), scenario(system={"fronts": 2}), scenario(system={"fronts": 2}, seed=4)
    assert together([two, whole, three, whole]) == [[whole, whole], [two], [three]]
    assert together([two]) == [[two]]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"system": {"fronts": 2}, "journeys": {"answer": 1, "search": 1}}, "no videos, which search need"),
        ({"journeys": {"leave": 1}}, "leave ask the engine"),
        ({"system": {"fronts": 2}, "objectives": [{"measure": "unsound", "at_most": 0}]}, "of which unsound tells"),
        ({"system": {"limits": {"first": {"requests_per_minute": 1}}}}, "are set on several fronts"),
        ({"system": {"fronts": 2, "limits": {"nobody": {"requests_per_minute": 1}}}}, "limits are of nobody"),
        (
            {"journeys": {"resume": 1}, "objectives": [{"measure": "admitted_of_most", "at_most": 1}]},
            "one request, which resume are not",
        ),
        (
            {"faults": [{"at_seconds": 1, "kill": "postgres"}]},
            "faults of its system kill engines, front, index, ingest",
        ),
        ({"faults": [{"at_seconds": 1, "restart": "fronts"}]}, "only several fronts are restarted"),
        ({"system": {"fronts": 2}, "faults": [{"at_seconds": 1, "kill": "index"}]}, "kill front, postgres"),
        ({"faults": [{"at_seconds": 1}]}, "one of kill and restart"),
        ({"objectives": [{"measure": "memory_growth", "tenant": "first", "at_most": 1}]}, "of the whole run"),
    ],
)
def test_a_scenario_asks_only_for_what_its_system_has(values: dict, told: str):
    with pytest.raises(ValueError, match=told):
        scenario(**values)


def test_a_long_form_stands_beside_the_short_one(tmp_path: Path):
    text = "name: s\nduration_seconds: 1\njourneys: {answer: 1}\n"
    (tmp_path / "s.yaml").write_text(text + "long: {duration_seconds: 500}\n")
    assert load_scenario(tmp_path / "s.yaml").duration_seconds == 1
    longer = load_scenario(tmp_path / "s.yaml", long=True)
    assert longer.duration_seconds == 500 and longer.journeys == {"answer": 1}
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ArcusError, match="no long form"):
        load_scenario(tmp_path / "s.yaml", long=True)


def test_memory_that_grows_over_the_counted_time_is_a_miss_and_memory_that_is_not_told_makes_a_run_invalid():
    flat = [(float(at), 50.0 if at < 20 else 100.0) for at in range(120)]  # it grows while streams open, in the warm-up
    growing = [(at, value + at) for at, value in flat]
    asked = scenario(warmup_seconds=20, objectives=[{"measure": "memory_growth", "at_most": 1.1}])
    words = [
        judge(
            asked,
            Run([Outcome(order(), result="completed")], 120.0, 0.1, Saturation({MEMORY: points} if points else {})),
        ).word
        for points in (flat, growing, None)
    ]
    assert words == ["PASS", "FAIL", "INVALID"]


@pytest.mark.parametrize(
    ("let_in", "words"),
    [
        (70, ["PASS", "PASS"]),  # 10 and one a second over a minute
        (76, ["FAIL", "PASS"]),
        (60, ["PASS", "FAIL"]),
    ],
)
def test_what_fronts_let_in_together_is_held_to_what_one_would(let_in: int, words: list[str]):
    limits = {"first": {"requests_per_minute": 60, "requests_burst": 10}}
    outcomes = [
        Outcome(Order(number, number / 2, "first", "answer", True), result="refused", problem="429")
        for number in range(121)
    ]
    for outcome in [*outcomes[: let_in - 1], outcomes[-1]]:
        outcome.result, outcome.problem, outcome.first_event_seconds = "completed", "", 0.3
    for objective, word in zip(
        ({"measure": "admitted_of_most", "at_most": 1}, {"measure": "admitted_of_least", "at_least": 0.99}),
        words,
        strict=True,
    ):
        asked = scenario(system={"fronts": 3, "limits": limits}, objectives=[objective])
        assert judge(asked, Run(outcomes, 60.0, 0.1)).word == word
    unlimited = scenario(objectives=[{"measure": "admitted_of_most", "at_most": 1}])
    assert judge(unlimited, Run(outcomes, 60.0, 0.1)).word == "INVALID"


async def test_usage_is_asked_for_again_until_it_is_what_the_engine_wrote_and_a_limit_is_waited_for():
    replies = [(429, 0), (200, 7), (200, 9)]

    async def usage(request: web.Request) -> web.Response:
        status, tokens = replies.pop(0)
        return web.json_response({"data": [{"output_tokens": tokens}]}, status=status, headers={"Retry-After": "0"})

    engine = TellingEngine()
    engine.output_tokens = 9
    front = web.Application()
    front.add_routes([web.get("/usage", usage)])
    async with TestServer(front) as asked, TestServer(told_by(engine)) as told, aiohttp.ClientSession() as session:
        tenant = Tenant("first", "a key", "", frozenset())
        urls = [str(server.make_url("")).rstrip("/") for server in (asked, told)]
        assert await usage_of_written(session, urls[0], urls[1], [tenant]) == 1.0
    assert not replies


async def test_workers_at_a_backlog_claim_each_job_once_and_each_tenant_has_its_turn(tmp_path: Path):
    url = f"sqlite+aiosqlite:///{tmp_path / 'arcus.db'}"
    await migrate(url)
    await queue_up(url, Backlog(jobs=40, tenants=4))
    database, ended = Database(url), asyncio.Event()
    claims = [await claim(database, 1000, ended, "one")]  # until nothing waits
    assert len(set(claims[0].job_ids)) == 40 and claims[0].twice == 0
    assert Claims([], [], claims[0].tenant_ids[:20]).fairness(4) == 1
    ended.set()
    assert (await claim(database, 1000, ended, "another")).seconds == []
    await database.close()


@pytest.mark.parametrize(
    ("claims", "reasons"),
    [
        (Claims([0.01] * 100, [str(number) for number in range(100)], ["a", "b"] * 50), []),
        (
            Claims([0.01] * 98 + [3.0] * 2, ["0", *map(str, range(99))], ["a"] * 100),
            [
                "claim_p99_seconds is 3, more than 1",
                "claim_fairness is 0.5, less than 0.9",
                "claimed_twice is 1, more than 0",
            ],
        ),
        (
            None,
            ["claim_p99_seconds was not measured", "claim_fairness was not measured", "claimed_twice was not measured"],
        ),
    ],
)
def test_claims_at_a_backlog_are_judged(claims: Claims | None, reasons: list[str]):
    objectives = [
        {"measure": "claim_p99_seconds", "at_most": 1},
        {"measure": "claim_fairness", "at_least": 0.9},
        {"measure": "claimed_twice", "at_most": 0},
    ]
    asked = scenario(system={"fronts": 2, "backlog": {"jobs": 200, "tenants": 2}}, objectives=objectives)
    run = Run([Outcome(order(), result="completed")], 10.0, 0.1, claims=claims)
    assert judge(asked, run).reasons == reasons


async def test_what_a_scenario_showed_is_written_before_the_next_one_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    async def answered(request: web.Request) -> web.Response:
        file = {"id": "f", "file_id": "f", "status": "completed"}
        return web.json_response(file | {"data": [file | {"id": "c", "name": "load first"}]})

    front = web.Application()
    front.add_routes([web.get("/{path:.*}", answered)])
    for name, tenant in (("good", "first"), ("bad", "nobody")):
        text = f"name: {name}\nduration_seconds: 0.2\narrivals: {{law: constant, per_second: 20}}\n"
        (tmp_path / f"{name}.yaml").write_text(text + f"journeys: {{list: 1}}\ntenants: {{{tenant}: 1}}\n")
    (tmp_path / "keys.json").write_text('{"first": "a key"}')
    files = [str(tmp_path / name) for name in ("good.yaml", "bad.yaml")]
    async with TestServer(front) as server:
        url = str(server.make_url("")).rstrip("/")
        given = ["load", *files, "--url", url, "--keys", str(tmp_path / "keys.json"), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", given)
        assert await asyncio.to_thread(main) == 2
    assert "no key for nobody" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.html", "good.json"]


async def test_an_engine_tells_that_it_writes_no_more_once_its_caller_has_gone():
    engine, asked = TellingEngine(), GenerateRequest(instructions='{"word": "w7"}')
    with pytest.raises(KeyError):
        await engine.until_free("w7")
    answer = engine.generate(asked)
    await anext(answer)
    waiting = asyncio.create_task(engine.until_free("w7"))
    await turns_of_the_loop()
    assert not waiting.done()
    await answer.aclose()
    await waiting


async def test_an_answer_that_a_front_leaves_is_taken_up_at_the_next_and_nobody_is_sent_where_nobody_listens():
    asked = list[str]()

    def event(number: int, type: str, delta: str = "") -> bytes:
        told = {
            "sequence_number": number,
            "type": type,
            "delta": delta,
            "response": {"id": "r"},
            "code": "server_stopping",
        }
        return b"data: " + json.dumps(told).encode() + b"\n\n"

    async def begun(request: web.Request) -> web.Response:
        asked.append("begun")
        body = event(0, "response.output_text.delta", "w0 " * 2) + event(0, "error")
        return web.Response(body=body, content_type="text/event-stream")

    async def followed(request: web.Request) -> web.Response:
        asked.append(request.query["starting_after"])
        return web.Response(body=event(1, "response.completed"), content_type="text/event-stream")

    leaving, other = web.Application(), web.Application()
    leaving.add_routes([web.post("/responses", begun)])
    other.add_routes([web.get("/responses/r", followed)])
    async with TestServer(leaving) as first, TestServer(other) as second, aiohttp.ClientSession() as session:
        urls = [str(server.make_url("")).rstrip("/") for server in (first, second)]
        nobody = "http://127.0.0.1:1"
        tenant = Tenant("first", "a key", "", frozenset())
        target = Target((urls[0], nobody, urls[1]), (), Clip("", b""), {"first": tenant})
        asked_for = scenario(system={"fronts": 2}, journeys={"go_on": 1}, script={"messages": 1})
        journeys = Journeys(asked_for, target, session)
        outcome = Outcome(order())
        await journeys.start(Order(0, 0.0, "first", "go_on", True), outcome, lambda: 1.0)
        await journeys.close()
    assert asked == ["begun", "0"] and outcome.breaks == 1 and outcome.tokens == 2


async def test_requests_go_to_the_fronts_in_turn_and_a_user_who_leaves_waits_until_the_engine_is_free():
    engine, asked = TellingEngine(), list[int]()

    def front(number: int) -> web.Application:
        async def answered(request: web.Request) -> web.StreamResponse:
            asked.append(number)
            reply = web.StreamResponse()
            await reply.prepare(request)
            body = await request.json()
            written = engine.generate(GenerateRequest(instructions=body["instructions"]))
            try:
                async for chunk in written:
                    event = '{"type": "response.output_text.delta", "sequence_number": %d, "delta": "%s"}'
                    for told in range(8):
                        await reply.write(b"data: %s\n\n" % (event % (told, chunk.text)).encode())
                    await asyncio.Event().wait()
            finally:
                await written.aclose()
            return reply

        app = web.Application()
        app.add_routes([web.post("/responses", answered)])
        return app

    runners = [
        web.AppRunner(app, handler_cancellation=True, access_log=None) for app in (front(0), front(1), told_by(engine))
    ]
    urls = []
    for runner in runners:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with aiohttp.ClientSession() as session:
        tenant = Tenant("first", "a key", "", frozenset())
        target = Target((urls[0], urls[1]), (), Clip("", b""), {"first": tenant}, urls[2])
        journeys = Journeys(scenario(journeys={"leave": 1}, system={"fronts": 2}), target, session)
        for number in range(3):
            outcome = Outcome(order(number))
            await journeys.start(Order(number, 0.0, "first", "leave", True), outcome, lambda: 1.0)
            assert outcome.freed_seconds is not None and engine.running == 0
        await journeys.close()
    assert asked == [0, 1, 0]
    for runner in runners:
        await runner.cleanup()


async def test_an_upload_that_is_kept_is_found_as_long_as_it_was_sent_or_is_wrong():
    told: dict[str, Any] = {"bytes": 4, "media_info": {"duration_seconds": 86.5}}

    async def taken(request: web.Request) -> web.Response:
        part = await (await request.multipart()).next()
        told["filename"] = part.filename
        return web.json_response({"id": "f"})

    async def file(request: web.Request) -> web.Response:
        return web.json_response({"status": "completed", **told})

    app = web.Application()
    app.add_routes([web.post("/files", taken), web.get("/files/f", file)])
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        tenant = Tenant("first", "a key", "", frozenset())
        target = Target((str(server.make_url("")).rstrip("/"),), (), Clip("", b"clip"), {"first": tenant})
        journeys = Journeys(scenario(journeys={"store": 1}), target, session)
        for length, wrong in ((4, False), (3, True)):
            told["bytes"], outcome = length, Outcome(order())
            with pytest.raises(WrongAnswerError) if wrong else nullcontext():
                await journeys.start(Order(3, 0.0, "first", "store", True), outcome, lambda: 1.0)
            assert outcome.bytes == 4 and told["filename"] == "stored-3.mp4"
            assert outcome.video_seconds == (0.0 if wrong else 86.5)
        await journeys.close()
    read = [Outcome(Order(0, 0.0, "first", "store", True), result="completed", video_seconds=86.5)] * 2
    assert judge(scenario(journeys={"store": 1}), Run(read, 10.0, 0.1)).measures["video_seconds_per_second"] == 17.3


async def test_what_is_not_done_in_time_says_what_it_is(monkeypatch: pytest.MonkeyPatch):
    async def file(request: web.Request) -> web.Response:
        return web.json_response({"status": "processing"})

    monkeypatch.setattr(target, "PREPARE_SECONDS", 0.2)
    app = web.Application()
    app.add_routes([web.get("/files/f", file)])
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        with pytest.raises(ArcusError, match=r"after 0\.2 s it is processing; do its workers run"):
            await target.until_done(session, str(server.make_url("/files/f")), {}, 0.01)


async def test_what_no_row_names_is_unsound_however_new_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stored, "SETTLED_SECONDS", 0.0)
    settings = Settings(data_dir=tmp_path)
    await migrate(settings.database)
    assert await asyncio.to_thread(stored.unsound_of, settings) == 0
    await Objects(settings.objects).put("tenants/t/files/f/half", b"half")
    assert await asyncio.to_thread(stored.unsound_of, settings) == 1
    made = [Outcome(order(), 0.0, "completed")]
    asked = scenario(objectives=[{"measure": "unsound", "at_most": 0}])
    for found, word in ((1, "FAIL"), (0, "PASS"), (None, "INVALID")):
        assert judge(asked, Run(made, 10.0, 0.1, unsound=found)).word == word
