"""A tenant's export holds all that it has, nothing of another, and no secret."""

from __future__ import annotations

import errno
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from services.core.errors import ArcusError, Reason
from services.core.store.schema import files, metadata
from services.core.tenants import export
from services.core.tenants.export import TABLES, TenantExports
from tests.contract.store_steps import Store
from tests.contract.test_deletions import described, mark

# What is not exported: derived, or of the work itself.
LEFT_OUT = {"embeddings", "index_log", "jobs", "tenant_shares", "limiters", "tenant_totals"}


def lines(folder: Path, table: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{table}.jsonl").read_text().splitlines()]


async def test_all_of_one_tenant_is_there_and_nothing_of_another(store: Store, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(export, "PAGE_ROWS", 2)
    at = await described(store)
    more = [(await store.ready()).id for _ in range(4)]
    another = replace(store, tenant=store.other, other=store.tenant)
    collection, file = await another.collection("theirs"), await another.ready()
    await another.describe((await another.members.add(another.tenant, collection.id, file.id)).description_id)
    deleted = (await store.ready()).id
    await mark(store, files, deleted)

    folder = tmp_path / "export"
    written = await TenantExports(store.database, store.objects).write(store.tenant, folder)

    assert {row["id"] for row in lines(folder, "files")} == {at.file, *more}
    assert {row["id"] for row in lines(folder, "collections")} == {at.collection, at.facts}
    assert lines(folder, "segment_descriptions") and lines(folder, "segment_entities")
    assert written.rows == {table.name: len(lines(folder, table.name)) for table in TABLES} | {
        "audit_records": len(lines(folder, "audit_records"))
    }
    for path in folder.glob("*.jsonl"):
        said = path.read_text()
        assert store.other not in said and file.id not in said, path
        assert deleted not in said or path.stem == "usage_records", path
    (key,) = lines(folder, "api_keys")
    assert "hash" not in key and key["hint"]
    original = lines(folder, "files")[0]
    stored = folder / "objects" / original["object_key"].removeprefix(f"tenants/{store.tenant}/")
    assert stored.stat().st_size == original["size_bytes"] and written.objects >= 5
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.rglob("*") if each.is_file()} == {0o600}
    assert json.loads((folder / "export.json").read_text())["rows"] == written.rows


def test_each_table_that_names_tenants_is_exported_or_left_out_on_purpose():
    of_tenants = {name for name, table in metadata.tables.items() if "tenant_id" in table.c}
    assert {table.name for table in TABLES} == of_tenants - LEFT_OUT and LEFT_OUT <= of_tenants


async def test_what_is_there_already_is_not_written_over(store: Store, tmp_path: Path):
    (tmp_path / "mine").write_text("kept")
    for folder in (tmp_path, tmp_path / "mine"):
        with pytest.raises(ArcusError, match="name a new folder") as refused:
            await TenantExports(store.database, store.objects).write(store.tenant, folder)
        assert refused.value.reason is Reason.INVALID_ARGUMENT
    with pytest.raises(ArcusError) as missing:
        await TenantExports(store.database, store.objects).write("nobody", tmp_path / "new")
    assert missing.value.reason is Reason.NOT_FOUND and not (tmp_path / "new").exists()


async def test_a_full_disk_leaves_no_summary(store: Store, tmp_path: Path, monkeypatch):
    def full(_row):
        raise OSError(errno.ENOSPC, "No space left on device")

    await store.ready()
    monkeypatch.setattr(export, "_line", full)
    with pytest.raises(ArcusError, match="is not whole") as refused:
        await TenantExports(store.database, store.objects).write(store.tenant, tmp_path / "new")
    assert refused.value.reason is Reason.STORAGE_FULL and not (tmp_path / "new" / "export.json").exists()
