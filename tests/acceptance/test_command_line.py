"""The `arcus` command as a person types it: what it prints, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Lecture
from tests.media import clip
from tests.running_system import ROOT, RunningSystem

QUESTION = "How many turbines are in the dam in France?"


def arcus(*arguments: object, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end. Whatever happens, nobody is shown a traceback."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ARCUS_")}
    result = subprocess.run(
        [sys.executable, "-m", "services.cli.main", *map(str, arguments)],
        env={**inherited, "COLUMNS": "200", "NO_COLOR": "1", **environment},
        cwd=ROOT,
        input=typed,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result


def of(system: RunningSystem, key: str | None = None) -> dict[str, str]:
    return {"ARCUS_URL": system.http, "ARCUS_API_KEY": key or system.key, "ARCUS_DATA_DIR": str(system.data_dir)}


def check_failed(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (result.returncode, result.stdout) == (1, ""), result
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_help_names_every_command() -> None:
    shown = arcus("--help").stdout
    for command in ("up", "ingest", "ask", "doctor", "plan", "demo", "front", "engines", "migrate", "reshard"):
        assert command in shown
    assert all(command in shown for command in ("keys", "tenants", "usage", "audit"))
    assert {arcus(command, "--help").returncode for command in ("up", "ingest", "ask", "keys", "tenants")} == {0}


def test_the_doctor_says_what_this_machine_can_run(tmp_path: Path) -> None:
    result = arcus("doctor", "--data-dir", tmp_path / "not" / "yet")
    assert result.returncode == 0, result.stdout
    for name in ("python", "ray", "faiss-cpu", "memory", "disk", "port 8080", "gpu"):
        assert f" {name}: " in result.stdout
    assert "MISSING" not in result.stdout and "can run Arcus" in result.stdout
    assert not (tmp_path / "not").exists(), "it only looks"


def test_the_doctor_works_beside_a_running_system(system: RunningSystem) -> None:
    assert arcus("doctor", **of(system)).returncode == 0


def test_reshard_says_what_it_moved_and_what_to_set(tmp_path: Path) -> None:
    result = arcus("reshard", "--shards", 3, "--data-dir", tmp_path)
    assert (result.returncode, result.stdout) == (0, "0 files moved; set ARCUS_INDEX_SHARDS=3 where Arcus runs\n")
    assert arcus("reshard", "--shards", 0, "--data-dir", tmp_path).returncode != 0


def test_keys_are_made_listed_and_revoked_with_nothing_running(tmp_path: Path) -> None:
    folder = ("--data-dir", tmp_path / "data")
    assert arcus("keys", "list", *folder).stdout == ""
    made = [arcus("keys", "create", "--tenant", tenant, *folder).stdout for tenant in ("acme", "acme", "zeta")]
    assert all(key.startswith("cg-") and key.endswith("\n") and len(key) > 40 for key in made) and len(set(made)) == 3
    listed = arcus("keys", "list", *folder).stdout.splitlines()
    assert [line.split()[1:] for line in listed] == [
        [tenant, key[:7] + "…", "read,ask,ingest", "active"]
        for tenant, key in zip(("acme", "acme", "zeta"), made, strict=True)
    ]
    assert not any(key.strip() in "\n".join(listed) for key in made), "keys are not shown again"
    assert arcus("keys", "revoke", "-", *folder, typed=made[0]).stdout == "revoked\n"
    assert arcus("keys", "revoke", listed[2].split()[0], *folder).returncode == 0
    states = [line.split()[-1] for line in arcus("keys", "list", *folder).stdout.splitlines()]
    assert states == ["revoked", "active", "revoked"]
    id = listed[1].split()[0]
    assert arcus("keys", "block", id, *folder).stdout == "blocked\n"
    assert arcus("keys", "unblock", id, *folder).stdout == "unblocked\n"
    scopes = ("--scope", "read", "--scope", "ask", "--name", "robot", "--expires-in", "90d")
    assert arcus("keys", "create", "--tenant", "acme", *scopes, *folder).stdout.startswith("cg-")
    robot = arcus("keys", "list", *folder).stdout.splitlines()[-1]
    assert robot.split()[3:] == ["robot", "read,ask", "active"]
    assert arcus("keys", "rotate", robot.split()[0], "--overlap", "0s", *folder).stdout.startswith("cg-")
    rotated = [line.split()[3:] for line in arcus("keys", "list", *folder).stdout.splitlines()[-2:]]
    assert sorted(rotated) == [["robot", "read,ask", "active"], ["robot", "read,ask", "expired"]]


def test_keys_that_can_not_be_made_or_revoked_are_told(tmp_path: Path) -> None:
    folder = ("--data-dir", tmp_path / "data")
    check_failed(arcus("keys", "create", "--tenant", " ", *folder), "tenant")
    check_failed(arcus("keys", "revoke", "-", *folder, typed="cg-of-nobody\n"), "API key not found")
    check_failed(arcus("keys", "revoke", "cg-of-nobody", *folder), "give its id, or -")
    check_failed(arcus("keys", "block", "nothing", *folder), "API key not found")
    check_failed(arcus("keys", "create", "--tenant", "a", "--scope", "admin", *folder), "read, ask, ingest")
    check_failed(arcus("keys", "create", "--tenant", "a", "--expires-in", "soon", *folder), "--expires-in", "90d")
    check_failed(arcus("keys", "rotate", "nothing", "--overlap", "1y", *folder), "--overlap", "90d")
    (tmp_path / "file").write_text("not a folder")
    check_failed(arcus("keys", "list", "--data-dir", tmp_path / "file"))


def test_a_running_system_takes_new_keys_and_drops_revoked_ones(system: RunningSystem) -> None:
    key = arcus("keys", "create", "--tenant", "typed", **of(system)).stdout.strip()
    with system.client(key) as client:
        assert client.get("/files").json()["total"] == 0
        assert "typed" in arcus("keys", "list", **of(system)).stdout
        assert arcus("keys", "revoke", "-", **of(system), typed=key).returncode == 0
        deadline = time.monotonic() + 60
        while client.get("/files").status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    check_failed(arcus("ask", "why?", "--collection", "c", **of(system, key)), "API key")


def test_ingest_takes_files_and_tells_of_each(system: RunningSystem) -> None:
    key = system.create_key("ingest")
    clips = [clip("reordered.mkv"), clip("speech.wav")]
    result = arcus("ingest", *clips, "--collection", "clips", **of(system, key))
    assert result.returncode == 0, result
    lines = sorted(result.stdout.splitlines())
    assert lines == ["completed  reordered.mkv (1 segments)", "completed  speech.wav (1 segments)"]
    with system.client(key) as client:
        (collection,) = client.get("/collections").json()["data"]
        assert (collection["name"], collection["file_count"]) == ("clips", 2)


def test_ingest_of_a_folder_goes_on_after_a_bad_file(system: RunningSystem, tmp_path: Path) -> None:
    key = system.create_key("ingest-folder")
    for name in ("h264.mkv", "truncated.mov", "empty.mp4"):
        (tmp_path / name).write_bytes(clip(name).read_bytes())
    (tmp_path / "notes.html").write_text("<!DOCTYPE html><p>not a video")
    (tmp_path / "inner").mkdir()
    result = arcus("ingest", tmp_path, "--collection", "folder", **of(system, key))
    assert result.returncode == 1, result
    states = {line.split()[1].rstrip(":"): line for line in result.stdout.splitlines()}
    assert set(states) == {"h264.mkv", "truncated.mov", "empty.mp4", "notes.html"}
    assert states["h264.mkv"].startswith("completed")
    assert states["empty.mp4"].startswith("failed") and "empty" in states["empty.mp4"]
    assert states["notes.html"].startswith("failed") and "web page" in states["notes.html"]
    assert states["truncated.mov"].startswith("failed")
    assert len(states["truncated.mov"].split(": ", 1)[1].split()) > 4, "with a reason"
    with system.client(key) as client:
        assert client.get("/collections").json()["data"][0]["file_count"] == 1


def test_ingest_of_nothing_says_so(system: RunningSystem, tmp_path: Path) -> None:
    key = system.create_key("ingest-nothing")
    for path in (tmp_path / "absent.mp4", tmp_path):
        result = arcus("ingest", path, "--collection", "none", **of(system, key))
        assert result.returncode == 1 and result.stderr.startswith("error: "), result
    with system.client(key) as client:
        assert client.get("/collections").json()["total"] == 0


def test_ask_prints_the_answer_and_where_it_stands(lecture: Lecture) -> None:
    for flags in ((), ("--stream",), ("--model", "nimbus-002-preview", "--stream")):
        result = arcus("ask", QUESTION, "--collection", "lecture", *flags, **of(lecture.system))
        assert (result.returncode, result.stderr) == (0, ""), result
        answer, *sources = result.stdout.strip().split("\n  [")
        assert "24 turbines" in answer and "[1]" in answer
        assert sources and all("] lecture.mp4 " in source and "–" in source for source in sources)


def test_ask_takes_instructions_and_flags_instead_of_the_environment(lecture: Lecture) -> None:
    system = lecture.system
    flags = ("--collection", "lecture", "--url", system.http + "/", "--api-key", "-")
    result = arcus("ask", "What are the topics?", *flags, "--instructions", "Answer in 2 bullets.", typed=system.key)
    assert result.returncode == 0 and result.stdout.startswith("- "), result


@pytest.mark.parametrize("command", [("ask", "why?"), ("ingest", clip("reordered.mkv"))])
def test_a_key_is_read_from_standard_input_and_refused_on_the_command_line(command: tuple[object, ...]) -> None:
    flags = ("--collection", "c", "--url", "http://127.0.0.1:1/v1", "--api-key")
    shown = arcus(*command, *flags, "cg-a-key-that-others-see")
    check_failed(shown, "ARCUS_API_KEY", "--api-key -")
    assert "others-see" not in shown.stderr
    check_failed(arcus(*command, *flags, "-", typed="\n"), "No API key", "ARCUS_API_KEY", "--api-key -")
    check_failed(arcus(*command, *flags, "-", typed="schlüssel\n"), "copy it again")


def test_ask_that_can_not_be_answered_says_why(lecture: Lecture) -> None:
    running = of(lecture.system)
    check_failed(arcus("ask", QUESTION, "--collection", "no-such", **running), "'no-such'", "arcus ingest")
    check_failed(arcus("ask", QUESTION, "--collection", "lecture", "--model", "gpt-4", **running), "model")
    for flags in ((), ("--stream",)):
        check_failed(arcus("ask", " ", "--collection", "lecture", *flags, **running), "input")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/v1", "does not answer"),
        ("http://no-such-host.invalid/v1", "does not answer"),
        ("127.0.0.1:8080", "does not answer"),
        ("not a url", "does not answer"),
        ("http://127.0.0.1:99999/v1", "does not answer"),
    ],
)
def test_a_wrong_url_says_what_to_do(url: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    environment = {"ARCUS_URL": url, "ARCUS_API_KEY": "cg-any-key-at-all"}
    for command in (("ask", "why?"), ("ask", "why?", "--stream"), ("ingest", tmp_path / "a.mp4")):
        check_failed(arcus(*command, "--collection", "c", **environment), words, "ARCUS_URL")


def test_a_url_of_something_else_says_so(system: RunningSystem) -> None:
    for suffix in ("/../docs", "/../nothing"):
        result = arcus("ask", "why?", "--collection", "c", **{**of(system), "ARCUS_URL": system.http + suffix})
        check_failed(result)


def test_a_missing_or_wrong_key_says_what_to_do(system: RunningSystem) -> None:
    for command in (("ask", "why?"), ("ingest", clip("reordered.mkv"))):
        check_failed(arcus(*command, "--collection", "c", ARCUS_URL=system.http), "API key", "ARCUS_API_KEY")
        check_failed(
            arcus(*command, "--collection", "c", **of(system, "cg-wrong-wrong")), "API key", "arcus keys create"
        )
        check_failed(arcus(*command, "--collection", "c", **of(system, "schlüssel")), "API key")


def test_a_misspelt_command_is_told_in_a_line() -> None:
    for arguments in (("inges",), ("ask",), ("ingest", "a.mp4"), ("up", "--http-port", "many")):
        result = arcus(*arguments)
        assert result.returncode == 2 and "Usage" in result.stderr


def test_settings_that_are_wrong_are_all_told_at_once(tmp_path: Path) -> None:
    wrong = {"ARCUS_MAX_UPLOAD_BYTES": "many", "ARCUS_MAX_ATTEMPTS": "magic", "ARCUS_DATA_DIR": str(tmp_path)}
    result = arcus("up", **wrong)
    assert result.returncode == 1 and result.stderr.startswith("error: "), result
    assert "ARCUS_MAX_UPLOAD_BYTES" in result.stderr and "ARCUS_MAX_ATTEMPTS" in result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roles: {embed: mine}", ("roles.embed", "'mine'")),
        (
            "engines: {e: {kind: openai, base_url: 'http://127.0.0.1:1/v1', model: m, api_key_variable: NO_SUCH_KEY}}\n"
            "roles: {nimbus-001: e}",
            ("NO_SUCH_KEY", "engines.e"),
        ),
    ],
)
def test_engines_that_can_not_run_are_refused_before_anything_starts(
    text: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "engines.yaml").write_text(text)
    check_failed(arcus("up", "--config", tmp_path / "engines.yaml", ARCUS_DATA_DIR=str(tmp_path / "data")), *words)
    assert not (tmp_path / "data").exists()
    result = arcus("doctor", "--config", tmp_path / "engines.yaml")
    assert result.returncode == 1 and all(word in result.stdout for word in words)


def test_plan_says_what_is_needed_why_and_from_what_rates() -> None:
    shown = arcus("plan", "--videos-per-day", 1000, "--questions-per-second", 2).stdout
    for words in ("GPUs of 80 GB", "index memory", "assumed", "answers of 300 tokens", "loadtests/RESULTS.md"):
        assert words in shown
    assert "GPU" not in arcus("plan", "--videos-per-day", 10, "--questions-per-second", 1, "--cpu").stdout
    check_failed(arcus("plan", "--videos-per-day", -3, "--questions-per-second", 1), "videos_per_day", "0 or more")
