"""What was understood of the files of a collection, as media descriptions and as rich transcripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.core.errors import invalid, not_found
from services.core.library.collections import Collections
from services.core.library.descriptions import DescribedSegment, Description, Descriptions
from services.core.library.files import File, Files
from services.core.library.members import Member, Members
from services.core.library.thumbnails import Thumbnail, Thumbnails
from services.core.media import Span
from services.core.store.pages import CreatedRange, Listing, Page, fitting
from services.nimbus.views.chapters import chapters_of
from services.nimbus.views.descriptions import View, description_data, numbered

Json = dict[str, Any]
MAX_PAGE_CHARACTERS = 32 * 1024**2  # as stored, with the times of words: some twelve talks of two hours
SEGMENTS_AT_ONCE = 1_000  # of one query, unless one file has more: PostgreSQL's rows are made in the event loop


@dataclass(frozen=True)
class Extras:
    """What a caller may want besides. `link`: makes the links to pictures, where those are wanted."""

    link: Callable[[Thumbnail], str] | None = None
    chapters: bool = False
    shots: bool = False


@dataclass(frozen=True)
class DescribedFile:
    """`data`: the description as the API shows it, so far as it is made; in a list, what was asked for to be made of it."""

    member: Member
    file: File
    data: Any


class DescribedFiles:
    def __init__(
        self,
        *,
        collections: Collections,
        members: Members,
        descriptions: Descriptions,
        files: Files,
        thumbnails: Thumbnails,
    ) -> None:
        self._collections = collections
        self._members = members
        self._descriptions = descriptions
        self._files = files
        self._thumbnails = thumbnails

    async def get(
        self,
        tenant_id: str,
        collection_type: str,
        collection_id: str,
        file_id: str,
        view: View,
        extras: Extras = Extras(),
    ) -> DescribedFile:
        """Raises NOT_FOUND, and INVALID_ARGUMENT for a collection of another type."""
        member = await self._members.get(tenant_id, collection_id, file_id)
        await self._check_type(tenant_id, collection_type, collection_id)
        file = (await self._files.get_many(tenant_id, [file_id])).get(file_id)
        if file is None:
            raise not_found("File", file_id)
        id, with_words = member.description_id, view.reads_words
        description = await self._descriptions.find(id)
        segments = (await self._descriptions.described_many([id], with_words=with_words)).get(id, [])
        pictures: dict[str, str] = {}
        if extras.link is not None and member.segment_thumbnails:
            found = await self._thumbnails.of_segments(tenant_id, [item.segment.id for item in segments])
            pictures = {id: extras.link(thumbnail) for id, thumbnail in found.items()}
        data = await asyncio.to_thread(description_data, description, segments, view, pictures)
        if extras.chapters:
            marks = file.media_info.chapters if file.media_info else ()
            data |= numbered("chapters", chapters_of(marks, segments), view)
        if extras.shots and (shots := await self._shots(member, segments)):
            data |= numbered(
                "shots", [{"start_time": shot.start_time, "end_time": shot.end_time} for shot in shots], view
            )
        return DescribedFile(member, file, data)

    async def list(
        self,
        tenant_id: str,
        collection_type: str,
        collection_id: str,
        page: Page,
        view: View,
        added: CreatedRange = CreatedRange(),
        write: Callable[[Json], Any] = dict,
    ) -> Listing[DescribedFile]:
        """Without the files that were deleted meanwhile. Raises as `get`. `write` makes the data of each, beside the event loop.

        A page ends before its descriptions are more than MAX_PAGE_CHARACTERS together, though never before its first
        file; its `limit` is then how many files it goes over.
        """
        listing = await self._members.list(
            tenant_id, collection_id, page, added_after=added.after, added_before=added.before
        )
        await self._check_type(tenant_id, collection_type, collection_id)
        sizes = await self._descriptions.sizes([member.description_id for member in listing.items])
        told = [sizes.get(member.description_id, 0) for member in listing.items]
        listing = listing.cut(fitting(told, len(told), MAX_PAGE_CHARACTERS))
        files = await self._files.get_many(tenant_id, [member.file_id for member in listing.items])
        members = [member for member in listing.items if member.file_id in files]
        ids = [member.description_id for member in members]
        found = await self._descriptions.find_many(ids)
        shown: list[DescribedFile] = []
        # Words of many files at once would hold up the loop while Python looks through them for garbage.
        for some in _read_together(members, found, 1 if view.reads_words else SEGMENTS_AT_ONCE):
            segments = await self._descriptions.described_many(
                [member.description_id for member in some], with_words=view.reads_words
            )
            shown += await asyncio.to_thread(_shown, some, files, found, segments, view, write)
            del segments  # before the next ones are read: what is there twice is looked through twice
        return listing.shown(shown)

    async def _check_type(self, tenant_id: str, collection_type: str, collection_id: str) -> None:
        collection = await self._collections.get(tenant_id, collection_id)
        if collection.collection_type != collection_type:
            raise invalid(
                f"This collection holds {collection.collection_type}, not {collection_type}.", field="collection_id"
            )

    async def _shots(self, member: Member, segments: Sequence[DescribedSegment]) -> Sequence[Span]:
        """The segments, where they are shots; else the shots that were found of this file for another collection."""
        if member.segmentation_config.get("strategy") == "shot-detector":
            return [item.segment.span for item in segments]
        return await self._descriptions.shots(member.file_id)


def _read_together(
    members: Sequence[Member], descriptions: Mapping[str, Description], most: int
) -> Iterator[Sequence[Member]]:
    """Some at a time, of at most so many segments unless one file has more."""
    some: list[Member] = []
    segments = 0
    for member in members:
        description = descriptions.get(member.description_id)
        segments += description.segments_total if description else 0
        if some and segments > most:
            yield some
            some, segments = [], description.segments_total if description else 0
        some.append(member)
    if some:
        yield some


def _shown(
    members: Sequence[Member],
    files: Mapping[str, File],
    descriptions: Mapping[str, Description],
    segments: Mapping[str, Sequence[DescribedSegment]],
    view: View,
    write: Callable[[Json], Any],
) -> list[DescribedFile]:
    """Each segment of each file passes here: beside the event loop."""
    return [
        DescribedFile(
            member,
            files[member.file_id],
            write(
                description_data(
                    descriptions.get(member.description_id), segments.get(member.description_id, []), view, {}
                )
            ),
        )
        for member in members
    ]
