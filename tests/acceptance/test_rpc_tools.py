"""What gRPC's tools and clients in other languages do: reflection by both names, pings, and bytes that are no message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2 as reflection

from services.rpc.server import SERVICES
from tests.acceptance.live_front import Account

VERSIONS = ("v1", "v1alpha")


def reflect(channel: grpc.Channel, version: str, **question: Any) -> Any:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection.ServerReflectionResponse.FromString,
    )
    (reply,) = call(iter([reflection.ServerReflectionRequest(**question)]), timeout=10)
    return reply


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_that_is_listed_can_be_described(account: Account, version: str):
    with account.channel() as channel:
        listed = [item.name for item in reflect(channel, version, list_services="").list_services_response.service]
        assert {*SERVICES, *(f"grpc.reflection.{name}.ServerReflection" for name in VERSIONS)} <= set(listed)
        for name in listed:
            told = reflect(channel, version, file_containing_symbol=name).file_descriptor_response
            files = [descriptor_pb2.FileDescriptorProto.FromString(data) for data in told.file_descriptor_proto]
            (service,) = (item for file in files for item in file.service if f"{file.package}.{item.name}" == name)
            for method in service.method:
                for symbol in (f"{name}.{method.name}", method.input_type[1:], method.output_type[1:]):
                    reply = reflect(channel, version, file_containing_symbol=symbol)
                    assert reply.HasField("file_descriptor_response"), symbol


@pytest.mark.parametrize("symbol", ["arcus.v1.FileService.Nothing", "arcus.v1.Nothing", "Nothing", "", "."])
def test_a_symbol_that_is_not_there_is_not_found(account: Account, symbol: str):
    with account.channel() as channel:
        reply = reflect(channel, "v1", file_containing_symbol=symbol)
    assert reply.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def call_of(account: Account, channel: grpc.Channel, path: str, requests: Any) -> grpc.StatusCode:
    kind = channel.stream_unary if isinstance(requests, Iterator) else channel.unary_unary
    try:
        kind(f"/arcus.v1.{path}")(requests, metadata=account.metadata, timeout=20)
    except grpc.RpcError as error:
        assert "Exception" not in error.details() and "Error" not in error.details()
        return error.code()
    return grpc.StatusCode.OK


def test_bytes_that_are_no_message_are_refused(account: Account):
    with account.channel() as channel:
        for path in ("FileService/Get", "ResponseService/Create", "SearchService/Search"):
            assert call_of(account, channel, path, b"\xff\xff\xff\xff") is grpc.StatusCode.INVALID_ARGUMENT
        bad = iter([b"\x0a\xff"])
        assert call_of(account, channel, "FileService/Upload", bad) is grpc.StatusCode.INVALID_ARGUMENT
        assert call_of(account, channel, "FileService/List", b"") is grpc.StatusCode.OK


def test_a_client_that_pings_while_its_call_is_silent_is_not_cut_off(account: Account):
    """As often as clients in Go and Java may be set to; grpcio's own bound ends the third ping."""
    options = [("grpc.keepalive_time_ms", 1_100), ("grpc.http2.max_pings_without_data", 0)]

    def messages() -> Iterator[bytes]:
        time.sleep(6)  # the silence that is tried
        yield b""

    with grpc.insecure_channel(f"127.0.0.1:{account.front.grpc_port}", options=options) as channel:
        assert call_of(account, channel, "FileService/Upload", messages()) is grpc.StatusCode.INVALID_ARGUMENT
