"""Files over HTTP, through the real SDK and raw sockets."""

from __future__ import annotations

import pytest
from cloudglue import CloudglueError

from tests.acceptance.live_front import Account

CLIP = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 64


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip é.mp4"
    path.write_bytes(CLIP)
    return str(path)


def test_the_sdk_uploads_gets_lists_updates_and_deletes_a_file(account: Account, clip: str):
    sdk = account.sdk
    file = sdk.files.upload(clip, metadata={"speaker": "Ada"}, enable_segment_thumbnails=True)
    assert (file.status, file.bytes, file.filename) == ("pending", len(CLIP), "clip é.mp4")
    assert file.uri == f"cloudglue://files/{file.id}" and file.metadata == {"speaker": "Ada"}
    assert sdk.files.get(file.id).id == file.id
    assert [item.id for item in sdk.files.list().data] == [file.id]
    renamed = sdk.files.update(file.id, filename="other.mp4", metadata={"speaker": "Grace"})
    assert (renamed.filename, renamed.metadata) == ("other.mp4", {"speaker": "Grace"})
    assert sdk.files.delete(file.id).id == file.id
    with pytest.raises(CloudglueError) as gone:
        sdk.files.get(file.id)
    assert gone.value.status_code == 404 and file.id in gone.value.data.error
