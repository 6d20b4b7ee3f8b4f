"""Uploads that are plainly not media, told from their first bytes or from what the client says of them."""

from __future__ import annotations

from services.core.errors import ArcusError, Reason

SNIFF_BYTES = 512
SIGNATURES = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"{\\rtf", "an RTF document"),
)
PAGES = (b"<!doctype html", b"<html", b"<head", b"<script", b"<svg")
NOT_MEDIA_TYPES = ("text/", "application/pdf", "application/json", "application/xml", "application/zip")
NOT_MEDIA_NAMES = (
    "txt md csv json xml html htm pdf zip gz doc docx xls xlsx ppt pptx srt vtt py js css yaml yml log".split()
)


def refuse_other_kinds(filename: str, content_type: str, start: bytes) -> None:
    """Raises UNSUPPORTED_MEDIA. What is not clearly something else passes: the probe decides. `start`: first bytes."""
    kind = next((noun for magic, noun in SIGNATURES if start.startswith(magic)), None)
    if kind is None and start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        kind = "a web page"
    suffix = filename.rpartition(".")[2].lower()
    if kind is None and content_type.startswith(NOT_MEDIA_TYPES) and suffix in NOT_MEDIA_NAMES:
        kind = f"of type {content_type}"
    if kind is not None:
        raise ArcusError(
            Reason.UNSUPPORTED_MEDIA,
            f"{filename!r} is {kind}, not a video, audio or image file; send one of those.",
            field="file",
        )
