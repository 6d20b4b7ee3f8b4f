"""The gRPC server: every service of arcus.v1 behind the gate, with health and reflection."""

from __future__ import annotations

import grpc
from arcus.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    chat_pb2,
    chat_pb2_grpc,
    collections_pb2,
    collections_pb2_grpc,
    files_pb2,
    files_pb2_grpc,
    responses_pb2,
    responses_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    segments_pb2,
    segments_pb2_grpc,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import ArcusError, Reason
from services.core.library.arriving import Pace
from services.core.tenants.strangers import TrustedProxies
from services.nimbus.backend import Backend
from services.rpc.admin import AdminService
from services.rpc.chat import ChatService
from services.rpc.collections import CollectionService
from services.rpc.files import FileService
from services.rpc.gate import MESSAGE_SECONDS, Gate
from services.rpc.health import HealthService
from services.rpc.reflection import add_reflection
from services.rpc.responses import ResponseService
from services.rpc.search import SearchService
from services.rpc.segments import SegmentService
from services.rpc.writing import STALLED_SECONDS

MIN_RECEIVED_BYTES = 2 * 1024**2  # a chunk of an upload, and what stands around it
MAX_SENT_BYTES = 64 * 1024**2
MAX_CALLS = 4096
# Clients in Go and Java ping every 5 to 20 s, also while a call is silent; grpcio's own bound is one ping in 5 minutes.
LEAST_PING_MS, MAX_PING_STRIKES = 1_000, 5
MAX_CONNECTIONS = 1000
MAX_CONNECTION_STREAMS = 1000
METADATA_BYTES = 16 * 1024
HANDSHAKE_MS = 10_000
IDLE_MS = 300_000  # of a connection without calls; clients open it anew by themselves
KEEPALIVE_MS, KEEPALIVE_TIMEOUT_MS = 60_000, 20_000
SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (files_pb2, "FileService"),
        (collections_pb2, "CollectionService"),
        (responses_pb2, "ResponseService"),
        (chat_pb2, "ChatService"),
        (search_pb2, "SearchService"),
        (segments_pb2, "SegmentService"),
        (admin_pb2, "AdminService"),
    )
)


def create_server(
    backend: Backend,
    address: str,
    *,
    stalled_seconds: float = STALLED_SECONDS,
    message_seconds: float = MESSAGE_SECONDS,
    handshake_ms: int = HANDSHAKE_MS,
    max_connections: int = MAX_CONNECTIONS,
    pace: Pace = Pace(),
) -> tuple[grpc.aio.Server, int]:
    """A server that is bound to host:port (port 0 picks one) but not started, and its port.

    `await server.start()` serves; `await server.stop(grace_seconds)` refuses new calls and lets running ones end.
    A client that reads nothing of a response for `stalled_seconds` is given up, as is one whose request is not whole
    after `message_seconds`, an upload that does not keep the `pace`, and a connection that says nothing of HTTP/2 for
    `handshake_ms`.
    Raises INVALID_ARGUMENT when the address can't be bound.
    """
    server = grpc.aio.server(
        interceptors=[
            Gate(
                backend.keys,
                backend.admin_keys,
                backend.tenant_limit,
                limiter=backend.limiter,
                strangers=backend.strangers,
                proxies=TrustedProxies(backend.settings.trusted_proxies),
                max_question_bytes=backend.settings.max_question_bytes,
                message_seconds=message_seconds,
                metrics=backend.metrics,
            )
        ],
        maximum_concurrent_rpcs=MAX_CALLS,
        options=[
            ("grpc.max_receive_message_length", max(MIN_RECEIVED_BYTES, backend.settings.max_question_bytes)),
            ("grpc.max_send_message_length", MAX_SENT_BYTES),
            ("grpc.so_reuseport", 0),  # a second front on the same port is told so
            ("grpc.max_metadata_size", METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
            ("grpc.max_concurrent_streams", MAX_CONNECTION_STREAMS),
            ("grpc.max_allowed_incoming_connections", max_connections),
            ("grpc.server_handshake_timeout_ms", handshake_ms),
            ("grpc.max_connection_idle_ms", IDLE_MS),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
            ("grpc.http2.max_ping_strikes", MAX_PING_STRIKES),
        ],
    )
    files_pb2_grpc.add_FileServiceServicer_to_server(FileService(backend, pace=pace), server)
    collections_pb2_grpc.add_CollectionServiceServicer_to_server(CollectionService(backend), server)
    responses_pb2_grpc.add_ResponseServiceServicer_to_server(
        ResponseService(backend, stalled_seconds=stalled_seconds), server
    )
    chat_pb2_grpc.add_ChatServiceServicer_to_server(ChatService(backend), server)
    search_pb2_grpc.add_SearchServiceServicer_to_server(SearchService(backend), server)
    segments_pb2_grpc.add_SegmentServiceServicer_to_server(SegmentService(backend), server)
    admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminService(backend), server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthService(backend.database, backend.draining, SERVICES), server)
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    add_reflection((*SERVICES, health), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ArcusError(
            Reason.INVALID_ARGUMENT,
            f"Can't listen on {address}; set ARCUS_GRPC_PORT to a free port.",
            field="grpc_port",
        ) from error
    return server, port
