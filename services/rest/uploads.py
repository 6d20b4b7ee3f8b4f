"""Multipart uploads, parsed as they arrive: the file flows on in pieces and is never held whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.core.errors import ArcusError, Reason, invalid
from services.core.library.arriving import arriving
from services.core.library.media_kinds import SNIFF_BYTES, refuse_other_kinds
from services.rest.bodies import parse_json
from services.rest.filenames import filename_of, parameters

PIECE_BYTES = 1024**2
MAX_FIELD_BYTES = 256 * 1024
MAX_PARTS = 20
FORM_OVERHEAD_BYTES = MAX_PARTS * MAX_FIELD_BYTES
BOOLEANS = {"true": True, "false": False}  # Python's clients write True


class UploadForm:
    """A form with one part named `file`. Fields count whether they come before or after it."""

    def __init__(self, request: Request, *, max_upload_bytes: int) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise invalid("Send multipart/form-data with a part named 'file'.", field="file")
        length = request.headers.get("content-length", "")
        self.least_bytes = max(0, int(length) - FORM_OVERHEAD_BYTES) if length.isdecimal() else 0  # of the file
        if self.least_bytes > max_upload_bytes:
            raise ArcusError(
                Reason.TOO_LARGE,
                f"The upload is larger than the limit of {max_upload_bytes} bytes; send a smaller file.",
            )
        self.filename: str | None = None
        self._fields: dict[str, Any] = {}
        self._content_type = ""
        self._stream = arriving(request.stream(), len)
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = b"", b""
        self._name = ""
        self._field = bytearray()
        self._piece = bytearray()
        self._is_file_ended = self._is_ended = False
        callbacks: Any = {
            name: getattr(self, f"_{name}")
            for name in (
                "on_part_begin",
                "on_part_data",
                "on_part_end",
                "on_header_field",
                "on_header_value",
                "on_header_end",
                "on_headers_finished",
                "on_end",
            )
        }
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)
        except FormParserError as error:
            raise invalid(f"The form can't be read: {error}") from None

    @property
    def fields(self) -> dict[str, Any]:
        """What has arrived so far of metadata and segment_thumbnails."""
        return dict(self._fields)

    async def open_file(self) -> str:
        """Reads up to the file's first bytes. Returns its name. Raises INVALID_ARGUMENT, UNSUPPORTED_MEDIA."""
        while self.filename is None:
            if self._is_ended:
                raise invalid("The form has no part named 'file'.", field="file")
            await self._read()
        while len(self._piece) < SNIFF_BYTES and not self._is_file_ended:
            await self._read()
        if not self._piece:
            raise invalid("The file is empty.", field="file")
        refuse_other_kinds(self.filename, self._content_type, bytes(self._piece[:SNIFF_BYTES]))
        return self.filename

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file's bytes. Ends only when the whole form has arrived well-formed, fields after the file included."""
        while not self._is_file_ended:
            if len(self._piece) >= PIECE_BYTES:
                yield self._take()
            await self._read()
        if self._piece:
            yield self._take()
        while not self._is_ended:
            await self._read()

    def _take(self) -> bytes:
        piece = bytes(self._piece)
        self._piece.clear()
        return piece

    async def _read(self) -> None:
        try:
            chunk = await anext(self._stream)
            self._parser.write(chunk)
        except StopAsyncIteration:
            raise invalid("The form ended before its last part was complete; send it again.") from None
        except FormParserError as error:
            raise invalid(f"The form can't be read: {error}") from None

    # What the parser calls.

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise invalid(f"The form has more than {MAX_PARTS} parts.")
        self._headers = {}
        self._field.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name, self._header_value = b"", b""

    def _on_headers_finished(self) -> None:
        options = parameters(self._headers.get(b"content-disposition", b""))
        if "name" not in options:
            raise invalid("A part of the form has no name.")
        self._name = options["name"]
        if self._name != "file":
            return
        if self.filename is not None:
            raise invalid("The form has two parts named 'file'; upload one file at a time.", field="file")
        self.filename = filename_of(options)
        if not self.filename.strip():
            raise invalid("The part named 'file' has no filename.", field="file")
        self._content_type = self._headers.get(b"content-type", b"").decode("latin-1").strip().lower()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._piece += data[start:end]
            return
        self._field += data[start:end]
        if len(self._field) > MAX_FIELD_BYTES:
            raise invalid(f"{self._name} is larger than {MAX_FIELD_BYTES} bytes", field=self._name)

    def _on_part_end(self) -> None:
        match self._name:
            case "file":
                self._is_file_ended = True
            case "metadata" if self._field.strip():
                self._fields["metadata"] = _metadata(bytes(self._field))
            case "enable_segment_thumbnails":
                text = self._field.decode(errors="replace").strip().lower()
                if text not in BOOLEANS:
                    raise invalid("enable_segment_thumbnails must be true or false", field=self._name)
                self._fields["segment_thumbnails"] = BOOLEANS[text]

    def _on_end(self) -> None:
        self._is_ended = True


def _metadata(text: bytes) -> dict[str, Any]:
    value = parse_json(text, "metadata", field="metadata")
    if not isinstance(value, dict):
        raise invalid("metadata must be a JSON object, as text", field="metadata")
    return value
