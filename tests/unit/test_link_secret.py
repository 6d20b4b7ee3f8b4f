"""The secret of links to pictures is never empty, is told to nobody else, and outlives a restart."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.core.errors import ArcusError
from services.core.link_secret import link_secret, other_link_secret
from services.core.settings import load_settings
from services.nimbus.backend import open_backend


def test_fronts_that_start_at_once_on_one_folder_share_a_secret_that_only_their_user_can_read(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "new")
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: link_secret(settings), range(8)))
    assert len(found) == 1 and len(found.pop()) > 40
    (kept,) = (tmp_path / "new").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_fronts_elsewhere_share_the_one_that_is_set(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, link_secret="of-several-fronts-together")
    assert link_secret(settings) == "of-several-fronts-together"
    assert not list(tmp_path.iterdir())


def test_an_arcus_that_can_keep_no_secret_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArcusError, match="set ARCUS_LINK_SECRET"):
        link_secret(load_settings(data_dir=tmp_path / "file"))
    with pytest.raises(ArcusError, match="16 characters"):
        link_secret(load_settings(data_dir=tmp_path, link_secret="short"))
    with pytest.raises(ArcusError, match="ARCUS_LINK_OTHER_SECRET needs 16 characters"):
        other_link_secret(load_settings(data_dir=tmp_path, link_other_secret="short"))
    (tmp_path / "link_secret").write_text("\n")
    with pytest.raises(ArcusError, match="delete it"):
        link_secret(load_settings(data_dir=tmp_path))


async def test_a_link_outlives_a_restart_with_another_engine_secret(tmp_path: Path) -> None:
    signatures = []
    for secret in ("first-of-the-engines", "second-of-the-engines", ""):
        settings = load_settings(data_dir=tmp_path, engine_secret=secret, engine_address="127.0.0.1:1")
        async with open_backend(settings) as backend:
            signatures.append(backend.thumbnails.signature("one"))
    assert len(set(signatures)) == 1
