"""The page of a run, and what it tells of the fronts' metrics."""

from __future__ import annotations

import asyncio
import re
from xml.etree import ElementTree

import aiohttp
import numpy as np
import pytest
from aiohttp import web

from loadtests.load import page as of_pages
from loadtests.load.generator import Run
from loadtests.load.outcomes import Outcome, Result
from loadtests.load.page import how_busy, over_time, page
from loadtests.load.saturation import Saturation, between, read, watch
from loadtests.load.scenario import Order, Scenario
from loadtests.load.verdict import judge
from tests.waiting import async_until

FRONT = """# TYPE arcus_streams gauge
arcus_streams {streams}
# TYPE arcus_jobs gauge
arcus_jobs{{kind="probe",state="queued"}} 7
arcus_jobs{{kind="describe",state="running"}} 2
arcus_jobs{{kind="describe",state="completed"}} 900
# TYPE arcus_job_oldest_queued_seconds gauge
arcus_job_oldest_queued_seconds{{kind="probe"}} 4
arcus_job_oldest_queued_seconds{{kind="describe"}} 9
# TYPE process_cpu_seconds counter
process_cpu_seconds_total {cpu}
# TYPE arcus_event_loop_lag_seconds histogram
arcus_event_loop_lag_seconds_bucket{{le="+Inf"}} {looks}
arcus_event_loop_lag_seconds_count {looks}
arcus_event_loop_lag_seconds_sum {lag}
"""


def front(**values: float) -> str:
    return FRONT.format(**{"streams": 3, "cpu": 10, "looks": 100, "lag": 1.0, **values})


def scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "name": "a-run",
            "seed": 1,
            "arrivals": {"law": "constant", "per_second": 10},
            "duration_seconds": 20,
            "tenants": {"first": 1},
            "journeys": {"answer": 1},
            "objectives": [{"measure": "failed", "at_most": 0}],
        }
    )


def outcome(number: int, result: Result = "completed", seconds: float | None = 1.0, problem: str = "") -> Outcome:
    order = Order(number, number / 10, "first", "answer", counts=number >= 10)
    return Outcome(order, 0.0, result, problem, 0.1, 0.2, seconds, [0.05, 0.06], 20)


def run_of(outcomes: list[Outcome], saturation: Saturation | None = None) -> Run:
    return Run(outcomes, 20.0, 0.1, saturation or Saturation())


def test_a_page_tells_the_verdict_with_its_reason_and_draws_every_part_without_a_network() -> None:
    saturation = Saturation()
    saturation.series["open streams"] += [(0.0, 1.0), (1.0, 5.0)]
    outcomes = [outcome(number) for number in range(200)]
    outcomes.append(outcome(200, "failed", None, "<script>alert(1)</script>"))
    run = run_of(outcomes, saturation)
    told = page(scenario(), judge(scenario(), run), run)
    assert "a-run" in told and "FAIL" in told and "&lt;script&gt;" in told and "<script" not in told
    assert told.count("<svg") == 3
    for drawn in re.findall(r"<svg.*?</svg>", told, re.DOTALL):
        ElementTree.fromstring(drawn)
    fetched = re.findall(r"(?:src|href)=[\"'](?!#)[^\"']*|url\((?!#)[^)]*|@import", told)
    assert not fetched, fetched


def test_a_run_of_which_nothing_was_completed_has_a_page_too() -> None:
    for outcomes in ([], [outcome(12, "failed", None, "it is away")]):
        run = run_of(outcomes)
        assert "<svg" in page(scenario(), judge(scenario(), run), run)


def test_the_slowest_of_very_many_journeys_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_pages, "MOST_POINTS", 40)
    run = run_of([outcome(number, seconds=0.1 + number % 7) for number in range(200)] + [outcome(7, seconds=99.0)])
    times = [float(value) for line in over_time(run).axes[1].lines for value in np.asarray(line.get_ydata())]
    assert len(times) <= 41 and max(times) == 99.0 and min(times) == 0.1


@pytest.mark.parametrize("measures", [1, 2, 3])
def test_only_the_measures_that_there_are_have_a_plot(measures: int) -> None:
    saturation = Saturation()
    for number in range(measures):
        saturation.series[f"measure {number}"].append((0.0, 1.0))
    assert [axes.get_title() for axes in how_busy(saturation).axes if axes.get_visible()] == list(saturation.series)


def test_fronts_are_added_up_and_what_each_tells_of_the_database_is_taken_once() -> None:
    before, now = read([front(), front()]), read([front(cpu=11, looks=110, lag=1.5), front(streams=1)])
    assert now["arcus_streams"] == 4
    told = between(before, now, 2.0)
    assert told["jobs, queued and running"] == 9
    assert told["oldest queued job, s"] == 9
    assert told["cores used"] == pytest.approx(0.5)
    assert told["event-loop lag, s"] == pytest.approx(0.05)
    assert "cores used" not in between(now, before, 2.0), "a front that began anew has no rate"
    assert "cores used" not in between({}, now, 2.0)


async def test_a_front_that_is_away_for_a_while_is_counted_as_missed_and_read_again() -> None:
    answers = iter([200, 500, 200])
    done: list[int] = []

    async def metrics(_request: web.Request) -> web.Response:
        status = next(answers, 200)
        done.append(status)
        return web.Response(text=front(), status=status)

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    saturation = Saturation()
    try:
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session:
            watching = asyncio.create_task(watch(session, [f"http://127.0.0.1:{port}/metrics"], saturation))
            await async_until(lambda: len(saturation.series["open streams"]) >= 2, "it is read again")
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    finally:
        await runner.cleanup()
    assert saturation.missed == 1 and saturation.summary()["open streams"] == {"mean": 3, "most": 3}
