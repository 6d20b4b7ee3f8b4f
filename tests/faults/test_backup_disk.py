"""A backup whose disk is full."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.core.backup.backups import back_up
from services.core.errors import ArcusError, Reason
from services.core.library.files import Files
from services.core.settings import Settings
from services.core.store.database import Database
from services.core.store.objects import Objects
from services.core.tenants.keys import Keys
from tests.contract.store_steps import stream
from tests.faults.conftest import DISK_BYTES


async def test_a_backup_that_fills_its_disk_is_told_and_leaves_none_that_looks_whole(
    small_disk: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path)
    database, objects = Database(settings.database), Objects(settings.objects)
    await database.migrate()
    tenant = (await (keys := Keys(database)).authenticate(await keys.create("first"))).tenant_id
    uploads = Files(database, objects, max_upload_bytes=DISK_BYTES)
    for number in range(2):
        await uploads.upload(tenant, f"{number}.mp4", stream([os.urandom(DISK_BYTES // 2)]))
    with pytest.raises(ArcusError, match=f"The disk of {small_disk} is full") as caught:
        await back_up(settings.database, database, objects, small_disk)
    assert caught.value.reason is Reason.STORAGE_FULL
    assert set(os.listdir(small_disk)) == {".lock", "objects"}
    _, manifest = await back_up(settings.database, database, objects, tmp_path / "backups")
    assert manifest.objects == 2
    await database.close()
