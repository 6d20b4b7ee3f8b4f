"""The commands that look after tenants, on the database itself with nothing running."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.credentials import with_database, with_tenants
from services.cli.main import app
from services.core.errors import ArcusError
from services.core.store.database import Database
from services.core.store.pages import MAX_LIMIT
from services.core.tenants.tenants import Tenants
from services.core.tenants.usage import Usage, usage_record

Arcus = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def arcus(folder: Path, tmp_path: Path) -> Arcus:
    """Runs a command and returns what it printed; raises its ArcusError."""
    plans = tmp_path / "plans.yaml"
    plans.write_text("default: {queued_jobs: 5}\nlarge: {queued_jobs: 500}\n")

    def run(*arguments: object) -> str:
        environment = {"ARCUS_DATA_DIR": str(folder), "ARCUS_PLANS": str(plans)}
        result = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
        if isinstance(result.exception, ArcusError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_a_tenant_is_made_limited_suspended_and_resumed_and_the_audit_tells_it(arcus: Arcus) -> None:
    assert arcus("tenants", "list") == ""
    id = arcus("tenants", "create", "acme\x1b[2J").strip()
    assert arcus("tenants", "list") == f"{id}  acme\\x1b[2J  default  active\n"
    assert arcus("tenants", "limits", id) == "default\n"
    assert (
        arcus("tenants", "limits", id, "queued_jobs=9", "shadow=true")
        == 'default  {"queued_jobs": 9, "shadow": true}\n'
    )
    large = 'large  {"queued_jobs": null, "kept_days": 0.5}'
    assert (
        arcus("tenants", "limits", id, "queued_jobs=null", "shadow=", "kept_days=0.5", "--plan", "large")
        == large + "\n"
    )
    assert arcus("tenants", "suspend", id) == "suspended\n"
    assert arcus("tenants", "list") == f"{id}  acme\\x1b[2J  {large}  suspended\n"
    assert arcus("tenants", "resume", id) == "active\n"
    assert arcus("tenants", "limits", id, "queued_jobs=", "kept_days=", "--plan", "") == "default\n"
    told = [line.split("  ") for line in arcus("audit", "--target", id).splitlines()]
    assert [(line[1], line[2], line[3]) for line in told] == [
        (action, id, "command line")
        for action in (
            "tenant.update",
            "tenant.resume",
            "tenant.suspend",
            "tenant.update",
            "tenant.update",
            "tenant.create",
        )
    ]
    assert told[3][5:] == [
        'plan=null→"large"',
        'limits={"queued_jobs": 9, "shadow": true}→{"queued_jobs": null, "kept_days": 0.5}',
    ]
    assert "\x1b" not in str(told[-1]) and len(arcus("audit", "--limit", 2).splitlines()) == 2
    assert arcus("audit", "--since", "1h") == arcus("audit")


def test_a_tenant_is_exported_and_deleted_and_nothing_is_left_of_it(arcus: Arcus, folder: Path) -> None:
    id = arcus("tenants", "create", "acme").strip()
    arcus("keys", "create", "--tenant", "acme")
    with pytest.raises(ArcusError, match="its name or its id again to confirm"):
        arcus("tenants", "delete", id, "--confirm", "acne")
    exported = json.loads(arcus("tenants", "export", id, "--to", folder / "acme"))
    assert exported == json.loads((folder / "acme" / "export.json").read_text()) and exported["rows"]["api_keys"] == 1
    report = json.loads(arcus("tenants", "delete", id, "--confirm", "acme"))
    assert report["is_complete"] and not any(report["rows"].values())
    assert arcus("tenants", "list") == arcus("keys", "list") == ""
    told = [line.split("  ")[1] for line in arcus("audit", "--target", id).splitlines()]
    assert told[:2] == ["tenant.delete", "tenant.export"]


def test_more_tenants_and_changes_than_a_page_are_all_told(arcus: Arcus, folder: Path) -> None:
    async def make(tenants: Tenants) -> dict[str, int]:
        made = [await tenants.create(f"tenant-{number}") for number in range(MAX_LIMIT + 1)]
        return {tenant.id: tenant.created_at for tenant in made}

    made = with_tenants(folder, make)
    listed = [line.split()[0] for line in arcus("tenants", "list").splitlines()]
    assert set(listed) == made.keys() and len(listed) == len(made)
    assert [made[id] for id in listed] == sorted(made.values())
    told = [line.split("  ") for line in arcus("audit", "--limit", 1000).splitlines()]
    assert len(told) == len(made) and {target for _, _, target, *_ in told} == made.keys()
    assert [at for at, *_ in told] == sorted((at for at, *_ in told), reverse=True)


def test_a_key_has_limits_of_its_own(arcus: Arcus) -> None:
    arcus("keys", "create", "--tenant", "acme")
    id = arcus("keys", "list").split()[0]
    assert (
        arcus("keys", "limits", id, "requests_per_minute=60")
        == '{"requests_per_minute": 60}\n'
        == arcus("keys", "limits", id)
    )
    assert arcus("keys", "limits", id, "requests_per_minute=") == "{}\n"
    with pytest.raises(ArcusError, match="stored_bytes: no such limit; there are requests_in_progress"):
        arcus("keys", "limits", id, "stored_bytes=5")


def test_what_tenants_used_is_summed_up(arcus: Arcus, folder: Path) -> None:
    first, second = (arcus("tenants", "create", name).strip() for name in ("acme", "zeta"))

    async def use(database: Database) -> None:
        for tenant, subject, size in ((first, "a", 5), (first, "b", 7), (second, "c", 11)):
            await Usage(database).record(usage_record("upload", tenant, subject, bytes=size))

    with_database(folder, use)
    counts = "records={}  input_tokens=0  output_tokens=0  video_seconds=0.0  bytes={}"
    sums = {first: counts.format(2, 12), second: counts.format(1, 11)}
    lines = arcus("usage").splitlines()
    assert sorted(line.split("  ", 1)[1] for line in lines) == sorted(f"tenant_id={id}  {sums[id]}" for id in sums)
    assert all(line.split("  ")[0].endswith("T00:00:00Z") for line in lines)
    (only,) = arcus("usage", "--tenant", second, "--by", "minute", "--group-by", "kind", "--since", "1d").splitlines()
    assert only.split("  ", 1)[1] == f"kind=upload  {sums[second]}"


def test_bad_input_says_what_to_change(arcus: Arcus) -> None:
    id = arcus("tenants", "create", "acme").strip()
    for words, told in (
        (("tenants", "create", " "), "name has 1 to 200"),
        (("tenants", "create", "acme"), "choose another"),
        (("tenants", "suspend", "nothing"), "not found"),
        (("tenants", "limits", "nothing", "--plan", "large"), "not found"),
        (("tenants", "limits", id, "--plan", "huge"), "there are default, large"),
        (("tenants", "limits", id, "jobs=5"), "no such limit; there are requests_in_progress"),
        (("tenants", "limits", id, "queued_jobs"), "write it as requests_per_minute=600"),
        (("tenants", "limits", id, "queued_jobs=many"), "write it as requests_per_minute=600"),
        (("tenants", "limits", id, "queued_jobs=0"), "queued_jobs: input should be greater"),
        (("tenants", "limits", id, "kept_days=NaN"), "kept_days: input should be"),
        (("usage", "--tenant", "nothing"), "not found"),
        (("usage", "--since", "yesterday"), "--since: 'yesterday' is no duration"),
        (("usage", "--group-by", "day"), "group_by must be of: tenant, key, model, kind"),
        (("audit", "--since", "1y"), "--since: '1y' is no duration"),
    ):
        with pytest.raises(ArcusError) as caught:
            arcus(*words)
        assert told in caught.value.message
    assert len(arcus("audit").splitlines()) == 1, "nothing was changed"
