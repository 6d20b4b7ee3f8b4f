import asyncio
import inspect

import pytest
from sqlalchemy import select

from services.core.errors import ArcusError, Reason
from services.core.library.entities import FileEntities
from services.core.library.thumbnails import Thumbnails
from services.core.search.filters import SearchFilter
from services.core.search.searches import SearchHit
from services.core.store.pages import Page
from services.core.store.schema import api_keys
from services.core.tenants.keys import Keys
from services.core.tenants.known_keys import CACHE_KEYS, CACHE_MS, RecentAnswers
from tests.contract.store_steps import WORKER


def _body(id: str, status: str = "in_progress") -> dict:
    return {"id": id, "status": status, "model": "nimbus-001", "instructions": None, "output": []}


async def test_a_key_is_kept_as_a_hash_only(store):
    key = await store.keys.create("third")
    assert key.startswith("cg-") and len(key) > 40
    async with store.database.read() as connection:
        rows = (await connection.execute(select(api_keys))).all()
    assert all(key not in str(row) and key[7:20] not in str(row) for row in rows)
    assert [entry.tenant for entry in (await store.keys.list()).items] == ["first", "second", "third"]


async def test_a_revoked_key_is_refused_by_a_front_that_has_not_seen_it(store):
    key = await store.keys.create("third")
    await store.keys.revoke(key)
    with pytest.raises(ArcusError) as caught:
        await Keys(store.database).authenticate(key)
    assert caught.value.reason is Reason.UNAUTHENTICATED
    with pytest.raises(ArcusError, match="revoked"):
        await store.keys.create("third", key)
    with pytest.raises(ArcusError) as caught:
        await store.keys.revoke("cg-nothing")
    assert caught.value.reason is Reason.NOT_FOUND


async def test_a_key_tells_its_tenant_and_itself(store):
    keys = [await store.keys.create(tenant) for tenant in ("third", "third", "fourth")]
    callers = [await store.keys.authenticate(key) for key in keys]
    listed = {entry.id: entry for entry in (await store.keys.list()).items}
    assert [listed[caller.key_id].tenant for caller in callers] == ["third", "third", "fourth"]
    assert [listed[caller.key_id].tenant_id for caller in callers] == [caller.tenant_id for caller in callers]
    assert len({caller.key_id for caller in callers}) == 3
    assert [await store.keys.authenticate(key) for key in keys] == callers  # from memory


async def test_a_wrong_key_is_refused(store):
    for key in ("", "cg-wrong", "x" * 10_000, "cg-\0"):
        with pytest.raises(ArcusError) as caught:
            await store.keys.authenticate(key)
        assert caught.value.reason is Reason.UNAUTHENTICATED


async def test_a_wrong_key_is_asked_for_once_and_works_as_soon_as_it_is_made_here(store, statements):
    key = "cg-that-is-made-later"
    for _ in range(20):
        with pytest.raises(ArcusError):
            await store.keys.authenticate(key)
    assert len(statements) == 1
    await store.keys.create("third", key)
    assert await store.keys.authenticate(key)


async def test_a_key_that_is_revoked_here_is_refused_at_once(store):
    key = await store.keys.create("third")
    await store.keys.authenticate(key)
    (id,) = (entry.id for entry in (await store.keys.list()).items if entry.tenant == "third")
    await store.keys.revoke(id)
    with pytest.raises(ArcusError):
        await store.keys.authenticate(key)


def test_what_was_asked_for_longest_ago_is_forgotten_first_and_everything_in_time():
    answers = RecentAnswers()
    for number in range(CACHE_KEYS):
        answers.put(str(number), "tenant", now=0)
    assert answers.get("0", now=1) == "tenant"
    answers.put("another", "tenant", now=1)
    assert answers.get("1", now=1) is None
    assert answers.get("0", now=1) == answers.get("another", now=1) == "tenant"
    assert answers.get("another", now=1 + CACHE_MS) is None


async def test_fronts_that_start_at_once_make_one_tenant_and_one_key(store):
    key = "cg-chosen-by-the-operator"
    await asyncio.gather(*(Keys(store.database).create("default", key) for _ in range(5)))
    assert [entry.tenant for entry in (await store.keys.list()).items].count("default") == 1
    await store.keys.create("default")
    assert len({entry.tenant_id for entry in (await store.keys.list()).items if entry.tenant == "default"}) == 1
    with pytest.raises(ArcusError, match="another tenant"):
        await store.keys.create("other", key)


# Every public method that takes a tenant, called with another tenant's ids. What is not here fails the test below.
MISSES = {
    "Files.get": lambda store, at: store.files.get(store.other, at.file),
    "Files.update": lambda store, at: store.files.update(store.other, at.file, filename="stolen.mp4"),
    "Files.delete": lambda store, at: store.files.delete(store.other, at.file),
    "Collections.get": lambda store, at: store.collections.get(store.other, at.collection),
    "Collections.update": lambda store, at: store.collections.update(store.other, at.collection, name="stolen"),
    "Collections.delete": lambda store, at: store.collections.delete(store.other, at.collection),
    "Members.add": lambda store, at: store.members.add(store.other, at.theirs, at.file),
    "Members.get": lambda store, at: store.members.get(store.other, at.collection, at.file),
    "Members.list": lambda store, at: store.members.list(store.other, at.collection, Page()),
    "Members.remove": lambda store, at: store.members.remove(store.other, at.collection, at.file),
    "Collections.of_type": lambda store, at: store.collections.of_type(store.other, at.facts, "entities"),
    "Entities.held": lambda store, at: store.entities.held(store.other, [at.theirs, at.facts]),
    "Collections.to_search": lambda store, at: store.collections.to_search(store.other, [at.theirs, at.collection]),
    "Segments.segmentations": lambda store, at: store.segments.segmentations(store.other, at.file, Page()),
    "Segments.list": lambda store, at: store.segments.list(store.other, at.file, Page()),
    "Segments.get": lambda store, at: store.segments.get(store.other, at.file, at.segment),
    "Segments.update": lambda store, at: store.segments.update(
        store.other, at.file, at.segment, metadata={"by": "them"}
    ),
    "Searches.get": lambda store, at: store.searches.get(store.other, "q1"),
    "Chats.get": lambda store, at: store.chats.get(store.other, "h1"),
    "Responses.get": lambda store, at: store.responses.get(store.other, "r1"),
}
EMPTY = {
    "Files.list": lambda store, at: store.files.list(store.other, Page()),
    "Files.get_many": lambda store, at: store.files.get_many(store.other, [at.file]),
    "Members.named": lambda store, at: store.members.named(store.other, [at.collection], ["talk.mp4"]),
    "Collections.list": lambda store, at: store.collections.list(store.other, Page()),
    "Collections.newest_to_search": lambda store, at: _joined(store.collections.newest_to_search(store.other, 10)),
    "Entities.of_file": lambda store, at: store.entities.of_file(store.other, at.facts, at.file, Page()),
    "Entities.of_files": lambda store, at: store.entities.of_files(store.other, at.facts, [at.file]),
    "FullText.search": lambda store, at: store.full_text.search(store.other, [at.collection], ["tide"], 10),
    "Members.newest": lambda store, at: store.members.newest(store.other, [at.collection], 10),
    "Segments.files_kept": lambda store, at: store.segments.files_kept(store.other, ANY, [at.collection]),
    "Segments.segments_kept": lambda store, at: store.segments.segments_kept(store.other, ANY),
    "Searches.list": lambda store, at: store.searches.list(store.other, Page()),
    "Searches.segments": lambda store, at: _first(store.searches.segments(store.other, hits=[at.hit])),
    "Searches.files": lambda store, at: _first(store.searches.files(store.other, hits=[at.hit])),
    "Chats.list": lambda store, at: store.chats.list(store.other, Page()),
    "Chats.delete": lambda store, at: store.chats.delete(store.other, "h1"),
    "Responses.list": lambda store, at: store.responses.list(store.other, Page()),
    "Responses.of_ids": lambda store, at: store.responses.of_ids(store.other, ["r1"]),
    "Responses.delete": lambda store, at: store.responses.delete(store.other, "r1"),
    "ResponseLog.read": lambda store, at: store.response_log.read(store.other, "r1"),
    "ResponseLog.end": lambda store, at: store.response_log.end(store.other, "r1", lambda stored: stored.body),
    "Thumbnails.list": lambda store, at: store.thumbnails.list(store.other, at.file, Page()),
    "Thumbnails.of_segments": lambda store, at: store.thumbnails.of_segments(store.other, [at.segment]),
    "Thumbnails.defaults": lambda store, at: store.thumbnails.defaults(store.other, [at.file]),
}
MAKES_ITS_OWN = {"Files.upload", "Collections.create", "Responses.create", "Searches.create", "Chats.create"}
ANY = SearchFilter.from_json(
    {"video_info": [{"path": "duration_seconds", "operator": "GreaterThan", "valueText": "0", "scope": "segment"}]}
)


class _At:
    """What the first tenant owns, and a collection of the second."""

    def __init__(self, file: str, collection: str, facts: str, segment: str, theirs: str, hit: SearchHit) -> None:
        self.file, self.collection, self.facts, self.segment = file, collection, facts, segment
        self.theirs, self.hit = theirs, hit


async def _joined(found):
    return [item for items in await found for item in items]


async def _first(found):
    return (await found)[0]


def _count(result) -> int:
    if isinstance(result, FileEntities):
        return len(result.segments) + (result.entities is not None)
    return getattr(result, "total", 0 if result is None else len(result) if hasattr(result, "__len__") else 1)


async def test_a_second_tenant_finds_nothing_of_the_first(store):
    collection, file = await store.collection(), await store.ready()
    member = await store.members.add(store.tenant, collection.id, file.id)
    await store.describe(member.description_id)
    await store.begin_response("r1")
    (segment, _) = await store.descriptions.segments(member.segmentation_id)
    facts = await store.entity_collection()
    await store.members.add(store.tenant, facts.id, file.id)
    extracting = await store.extracting(facts, file)
    await store.entities.write_file(extracting[0], WORKER, extracting[1], {"speaker": "Ann"}, segments_done=2)
    theirs = await store.collection("theirs", tenant=store.other)
    hit = SearchHit(collection.id, member.description_id, file.id, segment.id, 0.5)
    await store.searches.create(store.tenant, "q1", {"scope": "segment"}, [hit])
    await store.chats.create(store.tenant, {"id": "h1", "created_at": 1})
    with pytest.raises(ArcusError, match="h1"):
        await store.chats.list(store.other, Page(after="h1"))
    at = _At(file.id, collection.id, facts.id, segment.id, theirs.id, hit)
    for name, call in MISSES.items():
        with pytest.raises(ArcusError) as caught:
            await call(store, at)
        assert caught.value.reason is Reason.NOT_FOUND, name
    await store.collections.delete(store.other, theirs.id)
    for name, call in EMPTY.items():
        assert _count(await call(store, at)) == 0, name
    assert (await store.files.get(store.tenant, file.id)).filename == "talk.mp4"
    assert (await store.collections.get(store.tenant, collection.id)).name == "talks"
    assert (await store.chats.get(store.tenant, "h1")).created_at == 1
    assert (await store.responses.get(store.tenant, "r1")).status == "in_progress"
    assert (await store.entities.held(store.tenant, [facts.id])).records.entities == ['{"speaker": "Ann"}']
    assert (await store.segments.get(store.tenant, file.id, segment.id)).metadata == {}
    assert (await store.searches.get(store.tenant, "q1")).hits == (hit,)
    assert len(await store.full_text.search(store.tenant, [collection.id], ["tide"], 10)) == 2


async def test_every_method_that_takes_a_tenant_is_tried(store):
    found = set()
    fields = ("files", "collections", "members", "descriptions", "entities", "full_text", "responses")
    for field in (*fields, "chats", "response_log", "searches", "segments", "thumbnails"):
        kind = type(getattr(store, field))
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and "tenant_id" in inspect.signature(method).parameters:
                found.add(f"{kind.__name__}.{name}")
    assert found == set(MISSES) | set(EMPTY) | MAKES_ITS_OWN


async def test_a_link_to_a_picture_works_for_no_other_picture(store):
    signature = store.thumbnails.signature("one")
    with pytest.raises(ArcusError) as caught:
        await store.thumbnails.picture("two", signature)
    assert caught.value.reason is Reason.UNAUTHENTICATED
    assert Thumbnails(store.database, store.objects, secret="another").signature("one") != signature
