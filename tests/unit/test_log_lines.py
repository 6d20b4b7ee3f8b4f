"""The forms of a log line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.core.logs import configure_logs


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers = handlers
    structlog.reset_defaults()


def test_a_line_is_json_where_no_person_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs()
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        structlog.get_logger().warning("late", seconds=2, path=b"x")
        logging.getLogger("some.library").warning("odd %s", "request")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert list(ours)[:3] == list(theirs)[:3] == ["time", "level", "event"]
    assert (ours["level"], ours["event"], ours["seconds"], ours["request_id"]) == ("warning", "late", 2, "req_1")
    assert (theirs["event"], theirs["logger"], theirs["request_id"]) == ("odd request", "some.library", "req_1")


def test_an_error_is_told_in_one_line_without_the_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    password = "hunter2"
    try:
        raise KeyError(len(password))
    except KeyError:
        structlog.get_logger().exception("failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "KeyError: 7" in json.loads(line)["exception"] and password not in line


def test_a_person_reads_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("console")
    structlog.get_logger().info("ready", port=80)
    assert "ready" in (line := capsys.readouterr().err) and "port=80" in line and not line.startswith("{")


def test_configuring_again_repeats_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("console")
    configure_logs("json")
    logging.getLogger("asyncio").error("slow")
    assert capsys.readouterr().err.count("slow") == 1
