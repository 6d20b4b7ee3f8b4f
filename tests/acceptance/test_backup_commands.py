"""The commands that look after what is stored, on the folder of a front that is stopped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.core.errors import ArcusError

Arcus = Callable[..., tuple[int, str]]


@pytest.fixture
def arcus(tmp_path: Path) -> Arcus:
    """Runs a command; returns its exit status and what it printed, or raises its ArcusError."""

    def run(*arguments: object, data_dir: Path = tmp_path / "data", **settings: str) -> tuple[int, str]:
        environment = {"ARCUS_DATA_DIR": str(data_dir), **settings}
        result = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
        if isinstance(result.exception, ArcusError):
            raise result.exception
        return result.exit_code, result.output

    return run


def damage(database: Path, table: str) -> None:
    """Overwrites the first page of a table."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    with database.open("r+b") as file:
        file.seek((page - 1) * page_bytes)
        file.write(b"\xa5" * page_bytes)


def test_verify_tells_each_finding_and_what_to_do_and_fails(arcus: Arcus, tmp_path: Path) -> None:
    with pytest.raises(ArcusError, match="run `arcus migrate`"):
        arcus("verify")
    arcus("tenants", "create", "acme")
    assert arcus("verify") == (0, "0 findings in 1 tenants\n")
    (tmp_path / "data" / "objects" / "a\u202e").write_text("left")
    status, told = arcus("verify")
    assert status == 1 and "object_orphaned: a\\u202e: " in told and "delete it from the object store" in told
    assert told.endswith("1 findings in 1 tenants\n")
    status, told = arcus("verify", "--json", "--sizes-only")
    finding, summary = map(json.loads, told.splitlines())
    assert status == 1 and finding["kind"] == "object_orphaned" and finding["advice"]
    assert summary == {"checked": {"tenants": 1}, "findings": {"object_orphaned": 1}}


def test_verify_tells_a_damaged_database(arcus: Arcus, tmp_path: Path) -> None:
    arcus("tenants", "create", "acme")
    damage(tmp_path / "data" / "arcus.db", "files")
    status, told = arcus("verify")
    assert status == 1 and "database_damaged: database" in told and "restore the database from a backup" in told


def test_a_backup_is_restored_with_its_keys_and_without_secrets_unless_they_are_asked_for(
    arcus: Arcus, tmp_path: Path
) -> None:
    arcus("keys", "create", "--tenant", "acme")
    (tmp_path / "data" / "link_secret").write_text("a-secret-behind-links\n")
    _, keys = arcus("keys", "list")
    for options, has_secret in ((), False), (("--with-secrets",), True):
        status, told = arcus("backup", "--to", tmp_path / "backups", *options)
        backup = told.splitlines()[-1]
        new = tmp_path / f"new-{has_secret}"
        assert status == 0 and (Path(backup) / "secrets" / "link_secret").exists() == has_secret
        with pytest.raises(ArcusError, match=f"no manifest.json. Its newest backup is {backup}"):
            arcus("restore", "--from", tmp_path / "backups", data_dir=new)
        status, told = arcus("restore", "--from", backup, data_dir=new)
        assert status == 0 and "restored 0 objects" in told
        assert arcus("verify", data_dir=new) == (0, "0 findings in 1 tenants\n")
        assert arcus("keys", "list", data_dir=new) == (0, keys)
        assert (new / "link_secret").exists() == has_secret
        with pytest.raises(ArcusError, match=r"arcus\.db is there already"):
            arcus("restore", "--from", backup, data_dir=new)
    assert (new / "link_secret").stat().st_mode & 0o077 == 0


def test_a_backup_with_a_lost_object_is_made_and_the_command_fails(arcus: Arcus, tmp_path: Path) -> None:
    arcus("tenants", "create", "acme")
    with sqlite3.connect(tmp_path / "data" / "arcus.db") as database:
        (tenant,) = database.execute("SELECT id FROM tenants").fetchone()
        database.execute(
            "INSERT INTO files (id, tenant_id, status, filename, size_bytes, sha256, object_key, source, metadata, "
            "segment_thumbnails, created_at) "
            "VALUES ('f', ?, 'pending', 'a', 1, 'x', 'tenants/t/files/f/original', '', '{}', 0, 0)",
            (tenant,),
        )
    database.close()
    status, told = arcus("backup", "--to", tmp_path / "backups")
    assert status == 1 and "1 objects were missing or changed; `arcus verify` tells which" in told
    status, told = arcus("verify")
    assert status == 1 and "object_missing: tenants/t/files/f/original" in told
