"""The object store: uploads and thumbnails, in a folder or in S3, GCS or Azure, through obstore."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlparse

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from services.core.errors import ArcusError, Reason
from services.core.store.local_copies import LocalCopies

BUFFER_BYTES = 8 * 1024**2
SPACE_CHECK_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class StoredObject:
    size_bytes: int
    sha256: str


class Objects:
    """Objects by key ("tenants/…/original"). Keys that share a folder can be deleted together."""

    def __init__(self, url: str, *, min_free_bytes: int = 0) -> None:
        self._min_free_bytes = min_free_bytes
        parsed = urlparse(url)
        self._folder: Path | None = None
        if parsed.scheme == "file":
            self._folder = Path(unquote(parsed.path))
            self._folder.mkdir(parents=True, exist_ok=True)
            self._store: ObjectStore = LocalStore(self._folder, mkdir=True)
        else:
            self._store = from_url(url)
        self._copies = LocalCopies(self._load)

    async def put(self, key: str, value: bytes) -> None:
        self._check_space()
        with _mapped():
            await obstore.put_async(self._store, key, value)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes], *, max_bytes: int) -> StoredObject:
        """Writes chunks as they come, holding at most one buffer. Raises TOO_LARGE or STORAGE_FULL; leaves nothing then."""
        self._check_space()
        digest = hashlib.sha256()
        size_bytes = checked_bytes = 0
        writer = obstore.open_writer_async(self._store, key, buffer_size=BUFFER_BYTES, max_concurrency=1)
        try:
            with _mapped():
                async with writer:
                    async for chunk in chunks:
                        size_bytes += len(chunk)
                        if size_bytes > max_bytes:
                            raise ArcusError(
                                Reason.TOO_LARGE,
                                f"The upload is larger than the limit of {max_bytes} bytes; send a smaller file.",
                            )
                        if size_bytes - checked_bytes >= SPACE_CHECK_BYTES:
                            checked_bytes = size_bytes
                            self._check_space()
                        digest.update(chunk)
                        await writer.write(chunk)
        except BaseException:
            await self.delete_prefix(key.rsplit("/", 1)[0])
            raise
        return StoredObject(size_bytes, digest.hexdigest())

    async def get(self, key: str) -> bytes:
        with _mapped():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        """The object as a file that a decoder can seek in; a copy, for a while, where the store is remote."""
        if self._folder is not None:
            path = self._folder / key
            if not path.exists():
                raise ArcusError(Reason.NOT_FOUND, f"Object not found: {key}")
            yield path
            return
        async with self._copies.opened(key) as path:
            yield path

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

    async def _load(self, key: str, file: IO[bytes]) -> None:
        with _mapped():
            async for chunk in (await obstore.get_async(self._store, key)).stream(min_chunk_size=BUFFER_BYTES):
                await asyncio.to_thread(file.write, chunk)

    def _check_space(self) -> None:
        if self._folder is not None and shutil.disk_usage(self._folder).free < self._min_free_bytes:
            raise ArcusError(
                Reason.STORAGE_FULL,
                "The disk is nearly full; free space on the server or delete files, then try again.",
            )


class _mapped:
    """Turns object store errors into ArcusError, in this one place."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise ArcusError(Reason.NOT_FOUND, "Object not found.") from error
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArcusError(Reason.STORAGE_FULL) from error
        if isinstance(error, obstore.exceptions.BaseError):
            full = "no space left" in str(error).lower()
            raise ArcusError(Reason.STORAGE_FULL if full else Reason.STORAGE_UNAVAILABLE) from error
