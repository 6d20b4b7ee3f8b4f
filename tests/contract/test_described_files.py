"""Lists of described files: read together, bounded in what they hold, and made without holding up the front."""

from __future__ import annotations

import pytest

from services.core.media import SegmentDescription, Speech, Word
from services.core.store.pages import Page
from services.nimbus.views import files as described
from services.nimbus.views.descriptions import View
from services.nimbus.views.files import DescribedFiles
from tests.contract.store_steps import WORKER, Store, vector

TYPE = "media-descriptions"


@pytest.fixture
def described_files(store: Store) -> DescribedFiles:
    return DescribedFiles(
        collections=store.collections,
        members=store.members,
        descriptions=store.descriptions,
        files=store.files,
        thumbnails=store.thumbnails,
    )


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many characters a page holds; of the 32 MiB that it really is, each test writes and reads most."""
    monkeypatch.setattr(described, "MAX_PAGE_CHARACTERS", 100_000)
    return described.MAX_PAGE_CHARACTERS


async def _talks(store: Store, count: int, speech: str = "the tide") -> str:
    collection = await store.collection()
    said = Speech(speech, 0.0, 1.0, "Ann", (Word("the", 0.0, 0.4),))
    for number in range(count):
        file = await store.ready(f"{number}.mp4")
        member = await store.members.add(store.tenant, collection.id, file.id)
        job, segments = await store.begin(member.description_id)
        for segment in segments:
            content = SegmentDescription(title=f"Part {segment.position} of {number}", speech=(said,))
            await store.descriptions.write_segment(job, WORKER, segment, content, speech, [vector("v")])
        await store.jobs.finish(job, WORKER)
    return collection.id


def _view(**more: bool) -> View:
    return View.of(TYPE, [], response_format="json", **more)


async def test_a_list_takes_as_many_statements_for_nine_files_as_for_two(store, described_files, statements):
    collection_id = await _talks(store, 9)
    counts = []
    for limit in (2, 9):
        statements.clear()
        listing = await described_files.list(store.tenant, TYPE, collection_id, Page(limit=limit), _view())
        assert len(listing.items) == limit
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 8


async def test_long_files_are_read_a_few_at_a_time(store, described_files, statements, monkeypatch):
    collection_id = await _talks(store, 5)
    counts, titles = [], []
    for most in (100, 4, 1):
        monkeypatch.setattr(described, "SEGMENTS_AT_ONCE", most)
        statements.clear()
        listing = await described_files.list(store.tenant, TYPE, collection_id, Page(), _view())
        counts.append(sum("segment_descriptions.content" in statement for statement in statements))
        titles.append([item.data["segment_summary"] for item in listing.items])
    assert [count - counts[0] for count in counts] == [0, 2, 4]
    assert titles[0] == titles[1] == titles[2] and len(titles[0]) == 5
    monkeypatch.setattr(described, "SEGMENTS_AT_ONCE", 100)
    statements.clear()
    await described_files.list(store.tenant, TYPE, collection_id, Page(), _view(include_words=True))
    assert sum("segment_descriptions.content" in statement for statement in statements) == counts[2], (
        "words: file by file"
    )


async def test_each_file_of_a_list_has_its_own_segments_in_order_and_words_where_they_are_wanted(
    store, described_files
):
    collection_id = await _talks(store, 3)
    for view in (_view(), _view(include_words=True)):
        listing = await described_files.list(store.tenant, TYPE, collection_id, Page(sort="asc"), view)
        titles = [[part["title"] for part in item.data["segment_summary"]] for item in listing.items]
        assert titles == [[f"Part 0 of {number}", f"Part 1 of {number}"] for number in range(3)]
        assert {len(part.get("words", ())) for item in listing.items for part in item.data["speech"]} == {
            int(view.include_words)
        }


async def test_a_page_ends_where_its_descriptions_would_be_too_much_and_the_next_goes_on(store, described_files, bound):
    collection_id = await _talks(store, 3, speech="x" * (bound // 5))  # two fit
    first, second = [
        await described_files.list(store.tenant, TYPE, collection_id, Page(offset=offset, sort="asc"), _view())
        for offset in (0, 2)
    ]
    assert [item.file.filename for item in first.items + second.items] == ["0.mp4", "1.mp4", "2.mp4"]
    assert (len(first.items), first.limit, first.total) == (2, 2, 3)
    assert (len(second.items), second.limit, second.total) == (1, 50, 3)
    by_key = await described_files.list(
        store.tenant, TYPE, collection_id, Page(after=first.next_after, sort="asc"), _view()
    )
    assert (by_key.items, by_key.next_after, by_key.total) == (second.items, "", 3)


async def test_a_file_that_is_too_much_by_itself_is_a_page_of_its_own(store, described_files, bound):
    collection_id = await _talks(store, 2, speech="x" * (bound // 2 + 1))
    listing = await described_files.list(store.tenant, TYPE, collection_id, Page(), _view())
    assert (len(listing.items), listing.total, listing.limit) == (1, 2, 1)
