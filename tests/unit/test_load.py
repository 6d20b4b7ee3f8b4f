"""Load tests that can be trusted: the same seed, laws that hold, and verdicts that tell a bad measurement from a bad system."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loadtests.load.__main__ import main
from loadtests.load.generator import Clock, RefusedError, Run, WrongAnswerError, generate
from loadtests.load.heard import Heard
from loadtests.load.outcomes import Outcome, Result
from loadtests.load.scenario import Objective, Order, Scenario, load_scenario, schedule
from loadtests.load.systems import kill
from loadtests.load.verdict import judge, least_samples, percentile
from services.core.errors import ArcusError, Reason
from tests.waiting import until

SCENARIOS = sorted((Path(__file__).parents[2] / "loadtests/scenarios").glob("*.yaml"))
WHOLE = "name: x\nduration_seconds: 1\njourneys: {answer: 1}"


def scenario(**values: object) -> Scenario:
    return Scenario(**{"name": "test", "duration_seconds": 100, "journeys": {"answer": 1}, **values})  # type: ignore[arg-type]


def order(number: int = 0, tenant: str = "first", at: float = 0.0) -> Order:
    return Order(number, at, tenant, "answer", True)


def run_of(*outcomes: Outcome, cpu: float = 0.1) -> Run:
    return Run(list(outcomes), 10.0, cpu)


def done(seconds: float = 0.1, result: Result = "completed", tenant: str = "first", delay: float = 0.0) -> Outcome:
    return Outcome(order(tenant=tenant), delay, result, first_token_seconds=seconds, last_seconds=seconds)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_each_scenario_can_be_read_and_scheduled(path: Path):
    read = load_scenario(path)
    assert read.name == path.stem and len(schedule(read)) > 20


@pytest.mark.parametrize("law", ["constant", "poisson", "gamma"])
def test_the_same_seed_gives_the_same_schedule_and_another_another(law: str):
    arrivals = {"law": law, "per_second": 20, "burstiness": 4}
    tenants, journeys = {"one": 1, "two": 3}, {"answer": 1, "list": 1}
    first, again, other = (
        schedule(scenario(arrivals=arrivals, tenants=tenants, journeys=journeys, seed=seed)) for seed in (5, 5, 6)
    )
    assert first == again != other
    assert [made.at_seconds for made in first] == sorted(made.at_seconds for made in first)


def test_steps_change_the_rate_of_a_steady_beat():
    made = schedule(scenario(arrivals={"law": "steps", "steps": [5, 10, 2]}, duration_seconds=90, warmup_seconds=10))
    asked = [sum(start <= each.at_seconds < start + 30 and each.counts for each in made) for start in (10, 40, 70)]
    assert asked == pytest.approx([150, 300, 60], abs=2) and sum(not each.counts for each in made) == pytest.approx(
        50, abs=2
    )


@pytest.mark.parametrize(("law", "variation"), [("constant", 0), ("poisson", 1), ("gamma", 2)])
def test_gaps_have_the_mean_and_the_variation_of_their_law(law: str, variation: float):
    made = schedule(scenario(arrivals={"law": law, "per_second": 50, "burstiness": 4}, duration_seconds=400))
    gaps = [after.at_seconds - before.at_seconds for before, after in itertools.pairwise(made)]
    assert statistics.mean(gaps) == pytest.approx(1 / 50, rel=0.05)
    assert statistics.pstdev(gaps) / statistics.mean(gaps) == pytest.approx(variation, rel=0.1, abs=1e-6)


def test_shares_come_out_and_the_warm_up_is_not_counted():
    made = schedule(scenario(arrivals={"per_second": 100}, tenants={"one": 1, "two": 3}, warmup_seconds=10))
    assert sum(each.tenant == "two" for each in made) / len(made) == pytest.approx(0.75, abs=0.02)
    assert all(each.counts == (each.at_seconds >= 10) for each in made) and made[-1].at_seconds > 100


def test_a_trace_is_replayed_at_its_rate(tmp_path: Path):
    (tmp_path / "trace.csv").write_text("TIMESTAMP,tokens\n0,1\n1.5,2\n4,3\n900,4\n")
    arrivals = {"law": "replay", "trace": "trace.csv", "rate_factor": 2}
    assert [each.at_seconds for each in schedule(scenario(arrivals=arrivals, folder=tmp_path))] == [0, 0.75, 2]
    (tmp_path / "trace.csv").write_text("2\n1\n")
    with pytest.raises(ArcusError, match=r"line 2: 1\.0 comes after 2\.0"):
        schedule(scenario(arrivals=arrivals, folder=tmp_path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("duration_seconds: 1\njourneys: {answer: 1}", "name: it is missing"),
        (f"{WHOLE}\nspeed: 2", "speed: there is no such field here; there are name, seed, system, arrivals, duration"),
        (f"{WHOLE}\njourneys: {{ask: 1}}", "journeys.ask: Input should be 'answer', "),
        (f"{WHOLE}\njourneys: {{}}", "journeys: Dictionary should have at least 1 item"),
        (
            f"{WHOLE}\ntenants: {{first: .inf}}",
            "tenants.first: Input should be less than or equal to 1000000, not 'inf'",
        ),
        (f"{WHOLE}\nwarmup_seconds: .inf", "warmup_seconds: Input should be less"),
        (
            f"{WHOLE}\narrivals: {{rate: 2}}",
            "arrivals.rate: there is no such field here; there are law, per_second, burst",
        ),
        (f"{WHOLE}\narrivals: {{per_second: -2}}", "arrivals.per_second: Input should be greater than 0, not '-2'"),
        (f"{WHOLE}\narrivals: {{law: steps}}", "arrivals: law: steps takes steps"),
        (f"{WHOLE}\narrivals: {{law: replay}}", "arrivals: law: replay takes a trace"),
        (f"{WHOLE}\nobjectives: [{{measure: speed, at_most: 1}}]", "no measure 'speed'"),
        (
            f"{WHOLE}\nobjectives: [{{measure: failed, most: 1}}]",
            "objectives.0.most: there is no such field here; there are m",
        ),
        (
            f"{WHOLE}\nobjectives: [{{measure: failed, at_most: .nan}}]",
            "objectives.0.at_most: Input should be a finite",
        ),
        (f"{WHOLE}\nobjectives: [{{measure: failed, journey: list, at_most: 0}}]", "nobody makes; journeys are answer"),
        (
            f"{WHOLE}\nobjectives: [{{measure: failed, tenant: me, at_most: 0}}]",
            "'me', who is not there; there are first",
        ),
        (f"{WHOLE}\nfaults: [{{at_seconds: 9, kill: front}}]", "a fault at 9 s would come after the end, at 1 s"),
        (
            f"{WHOLE}\nsystem: {{fronts: 2, limits: {{first: {{rate: 1}}}}}}",
            "system.limits.first.rate: there is no such field here",
        ),
        ("1: 2", "is missing"),
        ("[1]", "a scenario is a mapping"),
        (b"\xff\xfe\x00", "it is no text"),
    ],
)
def test_a_scenario_with_a_mistake_is_refused_with_its_place(tmp_path: Path, text: str | bytes, told: str):
    (tmp_path / "s.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ArcusError) as refused:
        load_scenario(tmp_path / "s.yaml")
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"0\nnan\n", "line 2: nan is no time"),
        (b"-1\n", "line 1: -1.0 is before the start"),
        (b"at\n1\nsoon\n", "line 3: the first column must be seconds"),
        (b"", "the trace is empty"),
        (b"\xff\xfe\x00", "it is no text"),
        (None, "arrivals.trace is named from the scenario's folder"),
    ],
)
def test_a_trace_with_a_mistake_is_refused_with_its_line(tmp_path: Path, text: bytes | None, told: str):
    if text is not None:
        (tmp_path / "trace.csv").write_bytes(text)
    with pytest.raises(ArcusError) as refused:
        schedule(scenario(arrivals={"law": "replay", "trace": "trace.csv"}, folder=tmp_path))
    assert told in refused.value.message and refused.value.reason == Reason.INVALID_ARGUMENT


def test_too_many_journeys_are_refused_before_one_is_drawn():
    with pytest.raises(ArcusError, match="more than 1,000,000 journeys; lower the rate"):
        schedule(scenario(arrivals={"per_second": 100_000}, duration_seconds=86_400))


def load_tests(monkeypatch: pytest.MonkeyPatch, *given: object) -> int:
    """Exit status of `python -m loadtests.load`."""
    monkeypatch.setattr(sys, "argv", ["load", *map(str, given)])
    return main()


def test_what_is_wrong_with_one_scenario_is_told_before_a_system_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "s.yaml").write_text(f"{WHOLE}\narrivals: {{law: replay, trace: nowhere.csv}}")
    assert load_tests(monkeypatch, SCENARIOS[0], tmp_path / "s.yaml", "--out", tmp_path / "out") == 2
    told = capsys.readouterr()
    assert not told.out and "nowhere.csv: No such file" in told.err


@pytest.mark.parametrize(
    ("url", "keys", "told"),
    [
        ("localhost:8080/v1", '{"first": "k"}', "'localhost:8080/v1' is no address; give --url as https://HOST/v1"),
        ("http://127.0.0.1:1/v1", '["first"]', "keys.json: it must be JSON of {tenant: key}"),
        ("http://127.0.0.1:1/v1", "first: k", "keys.json: it must be JSON of {tenant: key}"),
        ("http://127.0.0.1:1/v1", None, "keys.json: No such file"),
        ("http://127.0.0.1:1/v1", '{"second": "k"}', "no key for first"),
        ("http://127.0.0.1:1/v1", '{"first": "k"}', "answer_grpc ask over gRPC; give --grpc HOST:PORT"),
    ],
)
def test_an_address_or_keys_that_are_none_say_what_to_give(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    keys: str | None,
    told: str,
):
    (tmp_path / "s.yaml").write_text(WHOLE.replace("answer:", "answer_grpc:"))
    if keys is not None:
        (tmp_path / "keys.json").write_text(keys)
    assert load_tests(monkeypatch, tmp_path / "s.yaml", "--url", url, "--keys", tmp_path / "keys.json") == 2
    assert told in capsys.readouterr().err


async def test_a_late_generator_makes_a_run_invalid():
    async def journey(order: Order, outcome: Outcome, clock: Clock) -> None:
        time.sleep(0.03)  # noqa: ASYNC251  the generator's own loop stands still

    orders = [order(number, at=number * 0.005) for number in range(40)]
    verdict = judge(scenario(), await generate(orders, journey, timeout_seconds=30))
    assert verdict.word == "INVALID" and "ms late (median)" in verdict.reasons[0]


async def test_a_server_that_stands_still_is_seen_whole_by_all_who_came_meanwhile():
    """Users who come while it does wait as long as it takes: none is left out because an earlier one still waits."""
    stands_until = asyncio.get_running_loop().time() + 0.6

    async def journey(order: Order, outcome: Outcome, clock: Clock) -> None:
        await asyncio.sleep(max(0.0, stands_until - asyncio.get_running_loop().time()))
        outcome.first_token_seconds = clock()

    orders = [order(number, at=number * 0.01) for number in range(120)]
    made = await generate(orders, journey, timeout_seconds=30)
    waited = sorted(outcome.first_token_seconds or 0 for outcome in made.outcomes)
    assert len(waited) == 120 and percentile(waited, 99) > 0.5 and sum(seconds > 0.3 for seconds in waited) >= 25


async def test_each_end_of_a_journey_is_told_as_what_it_is():
    ends = [RefusedError("429"), WrongAnswerError("lost"), RuntimeError("cut"), None]

    async def journey(order: Order, outcome: Outcome, clock: Clock) -> None:
        if order.number == 4:
            await asyncio.sleep(60)
        if (end := ends[order.number]) is not None:
            raise end

    made = await generate([order(number) for number in range(5)], journey, timeout_seconds=0.3)
    assert [each.result for each in made.outcomes] == ["refused", "wrong", "failed", "completed", "failed"]
    assert made.outcomes[4].problem == "not done within 0.3 s"


def test_a_busy_generator_and_too_few_samples_make_a_run_invalid():
    assert judge(scenario(), run_of(done(), cpu=0.9)).word == "INVALID"
    asked = scenario(objectives=[Objective(measure="first_token_seconds", percentile=99, at_most=1)])
    assert least_samples(99) == 100
    few, enough = (judge(asked, run_of(*(done() for _ in range(count)))) for count in (99, 100))
    assert few.word == "INVALID" and "99 samples, of 100" in few.reasons[0]
    assert enough.word == "PASS"


def test_a_missed_objective_fails_with_its_measure_and_by_how_much():
    asked = scenario(
        objectives=[
            Objective(measure="first_token_seconds", percentile=90, at_most=0.5),
            Objective(measure="completed", at_least=0.95),
            Objective(measure="goodput", at_least=0.8),
        ]
    )
    slow = [done(0.1) for _ in range(70)] + [done(0.9) for _ in range(20)] + [done(result="refused")] * 10
    verdict = judge(asked, run_of(*slow))
    assert verdict.word == "FAIL"
    assert verdict.reasons == [
        "p90 first_token_seconds is 0.9, more than 0.5",
        "completed is 0.9, less than 0.95",
        "goodput is 0.7, less than 0.8",
    ]


def test_a_wrong_answer_fails_at_any_speed_and_in_the_warm_up_too():
    warm = Outcome(Order(0, 0.0, "first", "answer", False), result="wrong", problem="event 4 comes where 3 is due")
    verdict = judge(scenario(), run_of(warm, *(done() for _ in range(9))))
    assert verdict.word == "FAIL" and "event 4 comes where 3 is due" in verdict.reasons[0]
    late = judge(scenario(), run_of(warm, *(done(delay=1.0) for _ in range(9)), cpu=0.95))
    assert late.word == "FAIL" and "event 4" in late.reasons[0] and "ms late" in late.reasons[1]


@pytest.mark.parametrize(("seconds", "word"), [(0.4, "PASS"), (3.0, "FAIL")])
def test_goodput_beyond_the_knee_is_held_to_the_best_step_before(seconds: float, word: str):
    """The engine takes ten a second: those that it takes of twenty are done, soon or so late that they do nobody good."""
    asked = scenario(
        arrivals={"law": "steps", "steps": [10, 20]},
        duration_seconds=40,
        objectives=[
            {"measure": "first_token_seconds", "percentile": 50, "at_most": 1},
            {"measure": "refused_seconds", "percentile": 95, "at_most": 0.5},
            {"measure": "goodput_kept", "at_least": 0.9},
        ],
    )
    outcomes = [
        Outcome(each, result="completed", first_token_seconds=seconds if each.at_seconds >= 20 else 0.4)
        if each.number % 2 or each.at_seconds < 20
        else Outcome(each, result="refused", refused_seconds=0.1)
        for each in schedule(asked)
    ]
    verdict = judge(asked, run_of(*outcomes))
    assert verdict.word == word and verdict.measures["goodput_kept"] == pytest.approx(
        1.0 if word == "PASS" else 0, abs=0.02
    )


def heard(*events: dict) -> Outcome:
    outcome = Outcome(order())
    listening = Heard(outcome, lambda: 1.0)
    for number, event in enumerate(events):
        listening.take({"sequence_number": number, "type": "response.output_text.delta", "delta": ""} | event)
    listening.check(["w0", "w0"])
    return outcome


LAST = {"type": "response.completed"}


def test_an_answer_is_heard_event_by_event():
    assert heard({"type": "response.created"}, {"delta": "w0 "}, {"delta": "w0 [1]"}, LAST).tokens == 2


def test_an_answer_that_is_refused_in_its_stream_is_refused_until_it_has_begun():
    refused = {"type": "error", "code": "limit_exceeded"}
    with pytest.raises(RefusedError):
        heard({"type": "response.created"}, refused)
    for events in (({"delta": "w0"}, refused), ({"type": "error", "code": "internal"},)):
        with pytest.raises(RuntimeError, match="ended with"):
            heard(*events)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (({"delta": "w0"}, {"sequence_number": 2}), "event 2 comes where 1 is due"),
        (({"delta": "w0"}, {"sequence_number": 0}), "event 0 comes where 1 is due"),
        (({"delta": "w0 "}, LAST), "1 words of 2"),
        (({"delta": "w0 w7"}, LAST), "1 of others"),
        (({"delta": "w0 w0"},), "without a last event, after 1 events"),
        (({"delta": "w0 w0"}, LAST, {"delta": "w0"}), "comes after response.completed"),
    ],
)
def test_what_is_lost_mixed_up_or_told_twice_is_wrong(events: tuple[dict, ...], told: str):
    with pytest.raises(WrongAnswerError, match=told):
        heard(*events)


def test_an_objective_of_one_tenant_is_judged_by_that_tenant():
    tenants = {"loud": 10, "quiet": 1}
    objective = {"measure": "completed", "tenant": "quiet", "at_least": 1.0}
    asked = scenario(tenants=tenants, objectives=[objective])
    failed = done(result="failed", tenant="loud")
    assert judge(asked, run_of(failed, done(tenant="quiet"))).word == "PASS"
    verdict = judge(asked, run_of(failed, done(tenant="quiet"), done(result="failed", tenant="quiet")))
    assert verdict.reasons == ["completed of quiet is 0.5, less than 1"]
    with pytest.raises(ValueError, match="of the tenant 'nobody'"):
        scenario(objectives=[{**objective, "tenant": "nobody"}])


@pytest.mark.parametrize("killed", [(), (0,)])
def test_a_fault_that_was_not_made_makes_a_run_invalid(killed: tuple[int, ...]):
    asked = scenario(faults=[{"at_seconds": 1, "kill": "front"}])
    assert judge(asked, replace(run_of(done()), killed=killed)).word == "INVALID"
    assert judge(asked, replace(run_of(done()), killed=(1,))).word == "PASS"


def test_a_fault_kills_the_part_that_it_names_and_no_other():
    each = "kept = [subprocess.Popen([sys.executable, '-c', 'input()', name]) for name in sys.argv[1:]]"
    sleeper = f"import subprocess, sys; {each}; input()"
    parent = psutil.Popen([sys.executable, "-c", sleeper, "services.front", "ray_jobs.runtime"], stdin=subprocess.PIPE)
    try:
        until(lambda: len(parent.children()) == 2, "both have started", 60)
        until(lambda: all("input()" in child.cmdline() for child in parent.children()), "both run their programs", 60)
        assert kill(parent.pid, "front") == 1
        until(lambda: any(child.status() == psutil.STATUS_ZOMBIE for child in parent.children()), "one has ended", 60)
        (left,) = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
        assert "ray_jobs.runtime" in left.cmdline()
    finally:
        for process in (*parent.children(), parent):
            process.kill()
        parent.wait()
