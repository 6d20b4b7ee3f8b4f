"""The gRPC server: every service of arcus.v1 behind the gate, with health and reflection."""

from __future__ import annotations

import grpc
from arcus.v1 import (
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
from grpc_reflection.v1alpha import reflection

from services.core.errors import ArcusError, Reason
from services.nimbus.backend import Backend
from services.rpc.chat import ChatService
from services.rpc.collections import CollectionService
from services.rpc.files import FileService
from services.rpc.gate import Gate
from services.rpc.health import HealthService
from services.rpc.responses import ResponseService
from services.rpc.search import SearchService
from services.rpc.segments import SegmentService

MAX_RECEIVED_BYTES = 8 * 1024**2  # as the HTTP API's largest JSON body
MAX_SENT_BYTES = 64 * 1024**2
MAX_CALLS = 4096
SERVICES = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (files_pb2, "FileService"),
        (collections_pb2, "CollectionService"),
        (responses_pb2, "ResponseService"),
        (chat_pb2, "ChatService"),
        (search_pb2, "SearchService"),
        (segments_pb2, "SegmentService"),
    )
)


def create_server(backend: Backend, address: str) -> tuple[grpc.aio.Server, int]:
    """A server that is bound to host:port (port 0 picks one) but not started, and its port.

    `await server.start()` serves; `await server.stop(grace_seconds)` refuses new calls and lets running ones end.
    Raises INVALID_ARGUMENT when the address can't be bound.
    """
    server = grpc.aio.server(
        interceptors=[Gate(backend.keys, backend.tenant_limit)],
        maximum_concurrent_rpcs=MAX_CALLS,
        options=[
            ("grpc.max_receive_message_length", MAX_RECEIVED_BYTES),
            ("grpc.max_send_message_length", MAX_SENT_BYTES),
            ("grpc.so_reuseport", 0),  # a second front on the same port is told so
        ],
    )
    files_pb2_grpc.add_FileServiceServicer_to_server(FileService(backend), server)
    collections_pb2_grpc.add_CollectionServiceServicer_to_server(CollectionService(backend), server)
    responses_pb2_grpc.add_ResponseServiceServicer_to_server(ResponseService(backend), server)
    chat_pb2_grpc.add_ChatServiceServicer_to_server(ChatService(backend), server)
    search_pb2_grpc.add_SearchServiceServicer_to_server(SearchService(backend), server)
    segments_pb2_grpc.add_SegmentServiceServicer_to_server(SegmentService(backend), server)
    health_pb2_grpc.add_HealthServicer_to_server(HealthService(backend.database, SERVICES), server)
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection((*SERVICES, health, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise ArcusError(
            Reason.INVALID_ARGUMENT,
            f"Can't listen on {address}; set ARCUS_GRPC_PORT to a free port.",
            field="grpc_port",
        ) from error
    return server, port
