"""What is known of files, of one tenant alone, on every database."""

from __future__ import annotations

from typing import Any

from services.core.library.catalog import Catalog
from services.core.library.descriptions import NewEmbedding
from services.core.media import SegmentDescription
from tests.contract.store_steps import WORKER, Store


async def described(store: Store, collection_id: str, file_id: str, *kinds: str) -> None:
    """Adds the file and describes it; passages of these kinds are found in it."""
    member = await store.members.add(store.tenant, collection_id, file_id)
    job, segments = await store.begin(member.description_id)
    for segment in segments:
        made = [NewEmbedding(kind, "a passage", 0.0, 1.0, bytes(4 * 384)) for kind in kinds]
        await store.descriptions.write_segment(job, WORKER, segment, SegmentDescription(title="x"), "a passage", made)
    await store.descriptions.finish(job, WORKER, title="A title", summary="")
    await store.jobs.finish(job, WORKER)


async def known(store: Store, collections: list[str] | None = None, **rest: Any) -> dict[str, tuple[Any, ...]]:
    files = await Catalog(store.database).files(rest.pop("tenant", store.tenant), collections, limit=100, **rest)
    return {file.filename: (file.has_speech, file.has_text, file.collections) for file in files}


async def test_speech_and_text_are_those_of_the_descriptions(store: Store) -> None:
    talks = await store.collection("talks")
    for name, kinds in (("a.mp4", ("speech", "visual")), ("b.mp4", ("scene_text",)), ("c.mp4", ())):
        await described(store, talks.id, (await store.ready(name)).id, *kinds)
    await store.ready("alone.mp4")
    in_talks = ("talks",)
    assert await known(store) == {
        "a.mp4": (True, False, in_talks),
        "b.mp4": (False, True, in_talks),
        "c.mp4": (False, False, in_talks),
        "alone.mp4": (None, None, ()),
    }
    assert set(await known(store, [talks.id])) == {"a.mp4", "b.mp4", "c.mp4"}


async def test_a_file_of_several_collections_is_one_file(store: Store) -> None:
    file = await store.ready("a.mp4")
    first, second = await store.collection("first"), await store.collection("second")
    await described(store, first.id, file.id, "speech")
    await store.members.add(store.tenant, second.id, file.id)
    assert await known(store) == {"a.mp4": (True, False, ("first", "second"))}
    assert await known(store, [second.id]) == {"a.mp4": (True, False, ("second",))}


async def test_what_is_not_described_yet_is_not_known(store: Store) -> None:
    talks = await store.collection("talks")
    file = await store.ready("a.mp4")
    await store.members.add(store.tenant, talks.id, file.id)
    assert await known(store) == {"a.mp4": (None, None, ("talks",))}


async def test_what_was_not_looked_for_is_not_known(store: Store) -> None:
    deaf = await store.collection("deaf", describe_config={"enable_speech": False})
    await described(store, deaf.id, (await store.ready("a.mp4")).id, "scene_text")
    assert await known(store) == {"a.mp4": (None, True, ("deaf",))}


async def test_another_tenants_files_and_collections_are_not_there(store: Store) -> None:
    theirs = await store.collection("theirs", tenant=store.other)
    file = await store.ready("theirs.mp4", tenant=store.other)
    await store.members.add(store.other, theirs.id, file.id)
    assert await known(store) == {}
    assert await known(store, [theirs.id]) == {}
    assert await known(store, file_ids=[file.id]) == {}
    assert set(await known(store, tenant=store.other)) == {"theirs.mp4"}


async def test_no_more_are_read_than_are_asked_for(store: Store) -> None:
    talks = await store.collection("talks")
    for number in range(3):
        await described(store, talks.id, (await store.ready(f"{number}.mp4", size=100 + number)).id)
    found = await Catalog(store.database).files(store.tenant, [talks.id], limit=2)
    assert [file.filename for file in found] == ["0.mp4", "1.mp4"]
    assert list(await known(store, file_ids=[found[1].id])) == ["1.mp4"]
