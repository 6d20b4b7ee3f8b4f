"""The object store: uploads and thumbnails, in a folder or in S3, GCS or Azure, through obstore."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote, urlparse

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from services.core.errors import ArcusError, Reason
from services.core.store.free_space import FreeSpace, Writing
from services.core.store.local_copies import MAX_COPIES, LocalCopies

if TYPE_CHECKING:
    from obstore import AsyncWritableFile

BUFFER_BYTES = 8 * 1024**2
LISTED_AT_ONCE = 1000  # objects; S3 tells no more in one reply
UNWRITTEN_BYTES = 2 * BUFFER_BYTES  # of one upload: a buffer that fills while another is written


AGAIN = "restore it from a backup, or delete the file and upload it again."
GONE = f"What was stored of it is gone; {AGAIN}"


class LostObjectError(ArcusError):
    """An object that was stored is not there, or not whole: no new try brings it back. The message is for users."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.NOT_FOUND, message)


@dataclass(frozen=True)
class StoredObject:
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ListedObject:
    """modified_at: Unix milliseconds; tag: another one once the content is another, empty where the store tells none."""

    key: str
    size_bytes: int
    modified_at: int
    tag: str


class Objects:
    """Objects by key ("tenants/…/original"). Keys that share a folder can be deleted together."""

    def __init__(self, url: str, *, min_free_bytes: int = 0, kept_copies: int = MAX_COPIES) -> None:
        """`kept_copies`: local copies of remote objects that are kept for a while once nobody uses them."""
        parsed = urlparse(url)
        self._folder: Path | None = None
        self._space: FreeSpace | None = None
        if parsed.scheme == "file":
            self._folder = Path(unquote(parsed.path))
            self._folder.mkdir(parents=True, exist_ok=True)
            self._store: ObjectStore = LocalStore(self._folder, mkdir=True)
            self._space = FreeSpace(self._folder, min_free_bytes)
        else:
            self._store = from_url(url)
        self._copies = LocalCopies(self._load, max_copies=kept_copies)

    async def put(self, key: str, value: bytes) -> None:
        if self._space is not None:
            self._space.check()
        with _mapped():
            await _to_its_end(obstore.put_async(self._store, key, value))

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], *, max_bytes: int) -> StoredObject:
        """Writes chunks as they come, holding at most one buffer. Raises TOO_LARGE or STORAGE_FULL; leaves nothing then."""
        with self._space.writing() if self._space is not None else nullcontext() as space:
            return await self._put_stream(key, chunks, max_bytes, space)

    async def _put_stream(
        self, key: str, chunks: AsyncIterator[bytes], max_bytes: int, space: Writing | None
    ) -> StoredObject:
        digest = hashlib.sha256()
        size_bytes = 0
        writer = obstore.open_writer_async(self._store, key, buffer_size=BUFFER_BYTES, max_concurrency=1)
        try:
            with _mapped():
                async for chunk in chunks:
                    size_bytes += len(chunk)
                    if size_bytes > max_bytes:
                        raise ArcusError(
                            Reason.TOO_LARGE,
                            f"The upload is larger than the limit of {max_bytes} bytes; send a smaller file.",
                        )
                    if space is not None:
                        space.hold(min(size_bytes, UNWRITTEN_BYTES))
                        space.check()
                    digest.update(chunk)
                    await _to_its_end(writer.write(chunk))
                await _to_its_end(writer.close())
        except BaseException as error:
            await _to_its_end(self._take_back(writer, key, error))
            raise
        return StoredObject(size_bytes, digest.hexdigest())

    async def _take_back(self, writer: AsyncWritableFile, key: str, error: BaseException) -> None:
        with suppress(OSError):  # it was closed already
            await writer.__aexit__(type(error), error, None)
        await self.delete_prefix(key.rsplit("/", 1)[0])

    async def get(self, key: str) -> bytes:
        with _mapped():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    async def chunks(self, key: str) -> AsyncIterator[bytes]:
        """The object's bytes, about one buffer at a time. Raises LostObjectError."""
        with _mapped():
            async for chunk in (await obstore.get_async(self._store, key)).stream(min_chunk_size=BUFFER_BYTES):
                yield bytes(chunk)

    async def measure(self, key: str) -> StoredObject:
        """Reads the whole object. Raises LostObjectError."""
        digest, size_bytes = hashlib.sha256(), 0
        async for chunk in self.chunks(key):
            size_bytes += len(chunk)
            await asyncio.to_thread(digest.update, chunk)
        return StoredObject(size_bytes, digest.hexdigest())

    async def list(self, folder: str = "") -> AsyncIterator[ListedObject]:
        """Every object of a folder and of those in it, as it is when its page is read; in no order."""
        with _mapped():
            async for page in obstore.list(self._store, folder or None, chunk_size=LISTED_AT_ONCE):
                for item in page:
                    modified_at = int(item["last_modified"].timestamp() * 1000)
                    yield ListedObject(item["path"], item["size"], modified_at, item["e_tag"] or "")

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        """The object as a file that a decoder can seek in; a copy, for a while, where the store is remote."""
        if self._folder is not None:
            path = self._folder / key
            self._present(path)
            yield path
            return
        async with self._copies.opened(key) as path:
            yield path

    async def check(self, key: str, size_bytes: int, sha256: str) -> None:
        """Raises LostObjectError where an object is not what was stored. In a folder its bytes are read; a remote store
        vouches for those of what has the right size."""
        if self._folder is not None:
            path = self._folder / key
            self._present(path)
            found_bytes = path.stat().st_size
        else:
            with _mapped():
                found_bytes = (await obstore.head_async(self._store, key))["size"]
        if found_bytes != size_bytes:
            raise LostObjectError(f"What is stored of it is {found_bytes} bytes of {size_bytes}; {AGAIN}")
        if self._folder is not None and await asyncio.to_thread(file_sha256, path) != sha256:
            raise LostObjectError(f"What is stored of it was changed or damaged; {AGAIN}")

    async def delete(self, key: str) -> None:
        """Deletes one object. Safe to repeat."""
        try:
            with _mapped():
                await obstore.delete_async(self._store, key)
        except ArcusError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    async def delete_prefix(self, prefix: str) -> None:
        """Deletes every object of a folder. Safe to repeat."""
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder / prefix, ignore_errors=True)
            return
        with _mapped():
            async for page in obstore.list(self._store, prefix + "/"):
                await obstore.delete_async(self._store, [item["path"] for item in page])

    async def count(self, prefix: str) -> int:
        """How many objects a folder holds."""
        with _mapped():
            return sum([len(page) async for page in obstore.list(self._store, prefix + "/")])

    async def _load(self, key: str, file: IO[bytes]) -> None:
        async for chunk in self.chunks(key):
            await asyncio.to_thread(file.write, chunk)

    def _present(self, path: Path) -> None:
        """Raises LostObjectError, or STORAGE_UNAVAILABLE where the whole folder is away."""
        if path.exists():
            return
        if self._folder is not None and not self._folder.exists():
            raise ArcusError(Reason.STORAGE_UNAVAILABLE)
        raise LostObjectError(GONE)


async def _to_its_end(writing: Awaitable[object]) -> None:
    """Waits for a write, and for one that is cancelled too: obstore's threads go on with it, and what they wrote after
    a deletion would stay."""
    task = asyncio.ensure_future(writing)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _mapped:
    """Turns object store errors into ArcusError, in this one place."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise LostObjectError(GONE) from error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArcusError(Reason.STORAGE_FULL) from error
        if isinstance(error, OSError | obstore.exceptions.BaseError) and "read-only file system" in str(error).lower():
            raise ArcusError(
                Reason.STORAGE_UNAVAILABLE,
                "The disk of stored objects is read-only; nothing can be stored until it is not.",
            ) from error
        if isinstance(error, obstore.exceptions.BaseError):
            full = "no space left" in str(error).lower()
            raise ArcusError(Reason.STORAGE_FULL if full else Reason.STORAGE_UNAVAILABLE) from error
