import asyncio

import grpc
import pytest
from arcus.v1 import files_pb2 as files
from arcus.v1 import lists_pb2 as lists

from tests.acceptance.rpc_front import RpcFront, open_front, upload_messages
from tests.waiting import async_until


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


async def refused(code: grpc.StatusCode, call) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is code, caught.value.details()
    return caught.value


def stored(front: RpcFront) -> list:
    return [path for path in (front.folder / "objects").rglob("*") if path.is_file()]


async def test_a_file_is_uploaded_read_changed_and_deleted(front: RpcFront):
    client = front.client
    metadata = {"speaker": "Zoë", "year": 2024, "tags": ["sea", 1.5]}
    made = await client.upload("talk.mp4", [b"ab" * 1000, b"", b"c" * 1024**2], metadata=metadata, size_bytes=1050576)
    assert (made.filename, made.size_bytes, made.status) == ("talk.mp4", 1050576, files.STATUS_PENDING)
    assert (await front.backend.files.get(client.tenant_id, made.id)).metadata == metadata
    assert await client.files("Get", files.GetFileRequest(file_id=made.id)) == made
    change = files.UpdateFileRequest(file_id=made.id, filename="new.mp4")
    changed = await client.files("Update", change)
    assert (changed.filename, changed.metadata) == ("new.mp4", made.metadata)
    await client.files("Delete", files.DeleteFileRequest(file_id=made.id))
    await refused(grpc.StatusCode.NOT_FOUND, client.files("Get", files.GetFileRequest(file_id=made.id)))


async def test_files_are_listed_in_pages_and_filtered(front: RpcFront):
    for name, year in (("b.mp4", 1), ("a.mp4", 2), ("c.mp4", 3)):
        await front.client.upload(name, metadata={"year": year})
    page = lists.Page(order="filename", sort=lists.SORT_ASC, limit=2)
    reply = await front.client.files("List", files.ListFilesRequest(page=page))
    assert ([file.filename for file in reply.files], reply.total) == (["a.mp4", "b.mp4"], 3)
    criterion = lists.Criterion(path="year", operator="GreaterThan", value_text="1")
    request = files.ListFilesRequest(page=page, filter=lists.SearchFilter(metadata=[criterion]))
    assert [file.filename for file in (await front.client.files("List", request)).files] == ["a.mp4", "c.mp4"]
    failed = files.ListFilesRequest(status=files.STATUS_FAILED, created=lists.TimeRange(after=1))
    assert (await front.client.files("List", failed)).total == 0
    told, page = [], lists.Page(order="filename", sort=lists.SORT_ASC, limit=1)
    while not told or page.after:
        reply = await front.client.files("List", files.ListFilesRequest(page=page))
        told += [file.filename for file in reply.files]
        page.after = reply.next_after
    assert told == ["a.mp4", "b.mp4", "c.mp4"] and reply.total == 3
    after = (await front.client.files("List", files.ListFilesRequest(page=lists.Page(limit=1)))).next_after
    bad = [lists.Page(after=after, offset=1), lists.Page(after=after, order="filename"), lists.Page(after="at_x")]
    for page in (*bad, lists.Page(limit=101), lists.Page(order="size")):
        await refused(grpc.StatusCode.INVALID_ARGUMENT, front.client.files("List", files.ListFilesRequest(page=page)))


async def test_what_a_probe_measured_and_pictured_is_shown(front: RpcFront):
    at = await front.described(front.client)
    file = await front.client.files("Get", files.GetFileRequest(file_id=at.file_id))
    assert (file.status, file.media_info.width, file.media_info.HasField("channels")) == (3, 640, False)
    assert file.thumbnail_url.startswith("/v1/thumbnails/") and "signature=" in file.thumbnail_url
    reply = await front.client.files("ListThumbnails", files.ListThumbnailsRequest(file_id=at.file_id))
    assert ([item.time for item in reply.thumbnails], reply.total) == ([0.0, 1.0, 5.0], 3)
    own = files.ListThumbnailsRequest(file_id=at.file_id, is_default=True)
    assert [item.segment_id for item in (await front.client.files("ListThumbnails", own)).thumbnails] == [""]


async def test_an_upload_cut_off_half_way_leaves_nothing(front: RpcFront):
    sent = asyncio.Event()

    async def half():
        async for message in upload_messages("talk.mp4", [b"x" * 1000] * 3):
            yield message
        sent.set()
        await asyncio.Event().wait()

    call = front.client.files("Upload", half())
    await sent.wait()
    await front.wait_for_requests(front.client, 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await front.wait_for_requests(front.client, 0)
    await async_until(lambda: stored(front) == [], "nothing is left")
    assert (await front.client.files("List", files.ListFilesRequest())).total == 0


async def test_a_bad_upload_is_refused_and_leaves_nothing(front: RpcFront):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    upload = front.client.upload

    async def headless():
        yield files.UploadRequest(chunk=b"x")

    async def two_headers():
        for _ in range(2):
            yield files.UploadRequest(header=files.UploadHeader(filename="talk.mp4"))

    async def nothing():
        return
        yield

    await refused(invalid, front.client.files("Upload", headless()))
    await refused(invalid, front.client.files("Upload", two_headers()))
    await refused(invalid, front.client.files("Upload", nothing()))
    await refused(invalid, upload("talk.mp4", []))
    await refused(invalid, upload("", [b"x"]))
    await refused(invalid, upload("talk.mp4", [b"x" * (1024**2 + 1)]))
    await refused(invalid, upload("talk.mp4", [b"x" * 10], size_bytes=11))
    await refused(invalid, upload("talk.mp4", [b"%PDF-1.7" + b"x" * 1000]))
    too_large = await refused(grpc.StatusCode.OUT_OF_RANGE, upload("talk.mp4", [b"x" * 1024**2] * 5))
    assert str(4 * 1024**2) in too_large.details()
    await refused(grpc.StatusCode.OUT_OF_RANGE, upload("talk.mp4", [b"x"], size_bytes=5 * 1024**2))
    assert (await front.client.files("List", files.ListFilesRequest())).total == 0 and stored(front) == []
