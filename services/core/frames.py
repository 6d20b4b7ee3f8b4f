"""Messages over a connection of one's own: each is a frame, its length as uint32 little-endian and so many bytes."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from struct import Struct
from typing import Any

from google.protobuf.message import DecodeError

MAX_FRAME_BYTES = 16 * 1024**2
MAX_UNSENT_BYTES = 16 * 1024**2  # that a peer has yet to read
CALLS = 256  # under way on one connection
REPLICA_HEADER = "x-arcus-replica"
LENGTH = Struct("<I")
# A host that acknowledges nothing for so long is gone, and its connection with it.
GONE_MS = 6_000
IDLE_SECONDS, PROBE_SECONDS, PROBES = 10, 2, 3


class Frames(asyncio.Protocol, ABC):
    """`took` gets each frame; `lost` is called once, at the end. A peer that keeps no bound is aborted."""

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self.max_frame_bytes = max_frame_bytes
        self.is_full = False  # more is unsent than the kernel takes at once
        self.is_open = False
        self._transport: Any = None
        self._buffer = bytearray()

    @abstractmethod
    def took(self, frame: bytes) -> None:
        """Raises DecodeError or ValueError where the frame is none that may come; the connection then ends."""

    @abstractmethod
    def lost(self) -> None: ...

    def send(self, frame: bytes) -> None:
        """Does nothing where the connection is lost."""
        if not self.is_open:
            return
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()
            return
        self._transport.write(LENGTH.pack(len(frame)) + frame)

    def abort(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.is_open = True
        given: Any = transport.get_extra_info("socket")
        options = [
            (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
            (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
            (socket.IPPROTO_TCP, "TCP_KEEPIDLE", IDLE_SECONDS),
            (socket.IPPROTO_TCP, "TCP_KEEPINTVL", PROBE_SECONDS),
            (socket.IPPROTO_TCP, "TCP_KEEPCNT", PROBES),
            (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", GONE_MS),
        ]
        for level, name, value in options:
            if hasattr(socket, name):  # not every system has all
                given.setsockopt(level, getattr(socket, name), value)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._buffer.clear()
        self.lost()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        start = 0
        while self.is_open and len(buffer) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(buffer, start)
            end = start + LENGTH.size + length
            if length > self.max_frame_bytes:
                self.abort()
            elif end > len(buffer):
                break
            else:
                frame = bytes(memoryview(buffer)[start + LENGTH.size : end])
                start = end
                self._take(frame)
        del buffer[:start]

    def _take(self, frame: bytes) -> None:
        try:
            self.took(frame)
        except (DecodeError, ValueError):
            self.abort()
