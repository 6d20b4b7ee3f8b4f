"""The `arcus` command as a person types it, with nothing running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Arcus, arcus, check_failed, copied_arcus
from tests.media import clip


@pytest.fixture(scope="module")
def copied() -> Iterator[Arcus]:
    with copied_arcus() as run:
        yield run


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


def test_reshard_says_what_it_moved_and_what_to_set(tmp_path: Path) -> None:
    result = arcus("reshard", "--shards", 3, "--data-dir", tmp_path)
    assert (result.returncode, result.stdout) == (0, "0 files moved; set ARCUS_INDEX_SHARDS=3 where Arcus runs\n")
    assert arcus("reshard", "--shards", 0, "--data-dir", tmp_path).returncode != 0


def test_keys_are_made_listed_and_revoked_with_nothing_running(copied: Arcus, tmp_path: Path) -> None:
    folder = ("--data-dir", tmp_path / "data")
    assert copied("keys", "list", *folder).stdout == ""
    made = [copied("keys", "create", "--tenant", tenant, *folder).stdout for tenant in ("acme", "acme", "zeta")]
    assert all(key.startswith("cg-") and key.endswith("\n") and len(key) > 40 for key in made) and len(set(made)) == 3
    listed = copied("keys", "list", *folder).stdout.splitlines()
    assert [line.split()[1:] for line in listed] == [
        [tenant, key[:7] + "…", "read,ask,ingest", "active"]
        for tenant, key in zip(("acme", "acme", "zeta"), made, strict=True)
    ]
    assert not any(key.strip() in "\n".join(listed) for key in made), "keys are not shown again"
    assert copied("keys", "revoke", "-", *folder, typed=made[0]).stdout == "revoked\n"
    assert copied("keys", "revoke", listed[2].split()[0], *folder).returncode == 0
    states = [line.split()[-1] for line in copied("keys", "list", *folder).stdout.splitlines()]
    assert states == ["revoked", "active", "revoked"]
    id = listed[1].split()[0]
    assert copied("keys", "block", id, *folder).stdout == "blocked\n"
    assert copied("keys", "unblock", id, *folder).stdout == "unblocked\n"
    scopes = ("--scope", "read", "--scope", "ask", "--name", "robot", "--expires-in", "90d")
    assert copied("keys", "create", "--tenant", "acme", *scopes, *folder).stdout.startswith("cg-")
    robot = copied("keys", "list", *folder).stdout.splitlines()[-1]
    assert robot.split()[3:] == ["robot", "read,ask", "active"]
    assert copied("keys", "rotate", robot.split()[0], "--overlap", "0s", *folder).stdout.startswith("cg-")
    rotated = [line.split()[3:] for line in copied("keys", "list", *folder).stdout.splitlines()[-2:]]
    assert sorted(rotated) == [["robot", "read,ask", "active"], ["robot", "read,ask", "expired"]]


def test_keys_that_can_not_be_made_or_revoked_are_told(copied: Arcus, tmp_path: Path) -> None:
    folder = ("--data-dir", tmp_path / "data")
    check_failed(copied("keys", "create", "--tenant", " ", *folder), "tenant")
    check_failed(copied("keys", "revoke", "-", *folder, typed="cg-of-nobody\n"), "API key not found")
    check_failed(copied("keys", "revoke", "cg-of-nobody", *folder), "give its id, or -")
    check_failed(copied("keys", "block", "nothing", *folder), "API key not found")
    check_failed(copied("keys", "create", "--tenant", "a", "--scope", "admin", *folder), "read, ask, ingest")
    check_failed(copied("keys", "create", "--tenant", "a", "--expires-in", "soon", *folder), "--expires-in", "90d")
    check_failed(copied("keys", "rotate", "nothing", "--overlap", "1y", *folder), "--overlap", "90d")
    (tmp_path / "file").write_text("not a folder")
    check_failed(copied("keys", "list", "--data-dir", tmp_path / "file"))


@pytest.mark.parametrize("command", [("ask", "why?"), ("ingest", clip("reordered.mkv"))])
def test_a_key_is_read_from_standard_input_and_refused_on_the_command_line(
    copied: Arcus, command: tuple[object, ...]
) -> None:
    flags = ("--collection", "c", "--url", "http://127.0.0.1:1/v1", "--api-key")
    shown = copied(*command, *flags, "cg-a-key-that-others-see")
    check_failed(shown, "ARCUS_API_KEY", "--api-key -")
    assert "others-see" not in shown.stderr
    check_failed(copied(*command, *flags, "-", typed="\n"), "No API key", "ARCUS_API_KEY", "--api-key -")
    check_failed(copied(*command, *flags, "-", typed="schlüssel\n"), "copy it again")


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
def test_a_wrong_url_says_what_to_do(copied: Arcus, url: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    environment = {"ARCUS_URL": url, "ARCUS_API_KEY": "cg-any-key-at-all"}
    for command in (("ask", "why?"), ("ask", "why?", "--stream"), ("ingest", tmp_path / "a.mp4")):
        check_failed(copied(*command, "--collection", "c", **environment), words, "ARCUS_URL")


def test_a_misspelt_command_is_told_in_a_line(copied: Arcus) -> None:
    for arguments in (("inges",), ("ask",), ("ingest", "a.mp4"), ("up", "--http-port", "many")):
        result = copied(*arguments)
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
