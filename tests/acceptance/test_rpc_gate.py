import asyncio
import json

import grpc
import pytest
from arcus.v1 import admin_pb2
from arcus.v1 import chat_pb2 as chat
from arcus.v1 import collections_pb2 as collections
from arcus.v1 import files_pb2 as files
from arcus.v1 import responses_pb2 as responses
from arcus.v1 import search_pb2 as search
from arcus.v1 import segments_pb2 as segments
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.empty_pb2 import Empty
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from services.core.errors import WIRE, ArcusError, Reason
from services.core.tenants.limits import TenantLimit
from services.rpc.errors import status_of
from services.rpc.gate import Gate, tenant
from services.rpc.server import create_server
from tests.acceptance.live_front import from_elsewhere
from tests.acceptance.rpc_front import (
    MAX_REQUESTS,
    Client,
    Described,
    RpcFront,
    asks,
    chats,
    open_front,
    upload_messages,
)

ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
ENDLESS = json.dumps({"messages": 1000, "interval_seconds": 0.05})
NOT_FOUND, OK, UNAUTHENTICATED = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
async def front(tmp_path):
    async with open_front(tmp_path) as front:
        yield front


def requests_for(at: Described) -> dict:
    """Each RPC with the ids of another tenant, and how it must end: NOT_FOUND, or OK with nothing of that tenant.

    The administration takes no key of a tenant.
    """
    file, collection = {"file_id": at.file_id}, {"collection_id": at.collection_id}
    both = {**file, **collection}
    return {
        **{f"{ADMIN.full_name}/{name}": (Empty(), UNAUTHENTICATED) for name in ADMIN.methods_by_name},
        "arcus.v1.FileService/Upload": (None, OK),
        "arcus.v1.FileService/Get": (files.GetFileRequest(**file), NOT_FOUND),
        "arcus.v1.FileService/List": (files.ListFilesRequest(), OK),
        "arcus.v1.FileService/Update": (files.UpdateFileRequest(**file, filename="stolen.mp4"), NOT_FOUND),
        "arcus.v1.FileService/Delete": (files.DeleteFileRequest(**file), NOT_FOUND),
        "arcus.v1.FileService/ListThumbnails": (files.ListThumbnailsRequest(**file), NOT_FOUND),
        "arcus.v1.CollectionService/Create": (
            collections.CreateCollectionRequest(name="talks", collection_type=1),  # type: ignore[arg-type]
            OK,
        ),
        "arcus.v1.CollectionService/Get": (collections.GetCollectionRequest(**collection), NOT_FOUND),
        "arcus.v1.CollectionService/List": (collections.ListCollectionsRequest(), OK),
        "arcus.v1.CollectionService/Update": (
            collections.UpdateCollectionRequest(**collection, name="stolen"),
            NOT_FOUND,
        ),
        "arcus.v1.CollectionService/Delete": (collections.DeleteCollectionRequest(**collection), NOT_FOUND),
        "arcus.v1.CollectionService/AddFile": (collections.AddFileRequest(**both), NOT_FOUND),
        "arcus.v1.CollectionService/GetFile": (collections.GetCollectionFileRequest(**both), NOT_FOUND),
        "arcus.v1.CollectionService/ListFiles": (collections.ListCollectionFilesRequest(**collection), NOT_FOUND),
        "arcus.v1.CollectionService/RemoveFile": (collections.RemoveFileRequest(**both), NOT_FOUND),
        "arcus.v1.CollectionService/GetMediaDescription": (
            collections.GetMediaDescriptionRequest(**both),
            NOT_FOUND,
        ),
        "arcus.v1.CollectionService/ListMediaDescriptions": (
            collections.ListMediaDescriptionsRequest(**collection),
            NOT_FOUND,
        ),
        "arcus.v1.CollectionService/GetEntities": (collections.GetEntitiesRequest(**both), NOT_FOUND),
        "arcus.v1.CollectionService/ListEntities": (collections.ListEntitiesRequest(**collection), NOT_FOUND),
        "arcus.v1.SegmentService/ListSegmentations": (segments.ListSegmentationsRequest(**file), NOT_FOUND),
        "arcus.v1.SegmentService/List": (segments.ListSegmentsRequest(**file), NOT_FOUND),
        "arcus.v1.SegmentService/Get": (segments.GetSegmentRequest(**file, segment_id=at.segment_id), NOT_FOUND),
        "arcus.v1.SegmentService/Update": (
            segments.UpdateSegmentRequest(**file, segment_id=at.segment_id, metadata={"by": "the second"}),
            NOT_FOUND,
        ),
        "arcus.v1.SearchService/Search": (
            search.SearchRequest(scope="segment", collections=[at.collection_id], query="tide"),
            NOT_FOUND,
        ),
        "arcus.v1.SearchService/Get": (search.GetSearchRequest(search_id=at.search_id), NOT_FOUND),
        "arcus.v1.SearchService/List": (search.ListSearchesRequest(), OK),
        "arcus.v1.CollectionService/GetRichTranscript": (
            collections.GetRichTranscriptRequest(**both),
            NOT_FOUND,
        ),
        "arcus.v1.CollectionService/ListRichTranscripts": (
            collections.ListRichTranscriptsRequest(**collection),
            NOT_FOUND,
        ),
        "arcus.v1.ResponseService/Create": (asks("What moves the tide?", at.collection_id), NOT_FOUND),
        "arcus.v1.ResponseService/Stream": (asks("What moves the tide?", at.collection_id), NOT_FOUND),
        "arcus.v1.ResponseService/Get": (responses.GetResponseRequest(response_id=at.response_id), NOT_FOUND),
        "arcus.v1.ResponseService/Follow": (responses.FollowResponseRequest(response_id=at.response_id), NOT_FOUND),
        "arcus.v1.ResponseService/Cancel": (responses.CancelResponseRequest(response_id=at.response_id), NOT_FOUND),
        "arcus.v1.ResponseService/List": (responses.ListResponsesRequest(), OK),
        "arcus.v1.ResponseService/ListInputItems": (
            responses.ListInputItemsRequest(response_id=at.response_id),
            NOT_FOUND,
        ),
        "arcus.v1.ResponseService/Delete": (responses.DeleteResponseRequest(response_id=at.response_id), OK),
        "arcus.v1.ChatService/Create": (chats("What moves the tide?", at.collection_id), NOT_FOUND),
        "arcus.v1.ChatService/Stream": (chats("What moves the tide?", at.collection_id), NOT_FOUND),
        "arcus.v1.ChatService/Get": (chat.GetChatCompletionRequest(chat_id=at.chat_id), NOT_FOUND),
        "arcus.v1.ChatService/List": (chat.ListChatCompletionsRequest(), OK),
        "arcus.v1.ChatService/Delete": (chat.DeleteChatCompletionRequest(chat_id=at.chat_id), OK),
    }


async def reflected(front: RpcFront) -> dict:
    """Every method of arcus.v1 that the server's reflection tells of."""
    stub = reflection_pb2_grpc.ServerReflectionStub(front.client.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = [service.name for service in (await call.read()).list_services_response.service]
    assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= set(names)
    pool = descriptor_pool.Default()
    services = [pool.FindServiceByName(name) for name in names if name.startswith("arcus.")]
    return {f"{service.full_name}/{method.name}": method for service in services for method in service.methods}


async def ask(client: Client, name: str, method, request, metadata=None) -> tuple[grpc.StatusCode, str, list]:
    """Calls a method by its descriptor. Returns its status, its message and the replies."""
    kind = {(False, False): "unary_unary", (False, True): "unary_stream", (True, False): "stream_unary"}
    make = getattr(client.channel, kind[method.client_streaming, method.server_streaming])
    call = make(
        f"/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    if method.client_streaming:
        request = upload_messages("talk.mp4", [b"x" * 10])
    running = call(request, metadata=client.metadata if metadata is None else metadata, timeout=30)
    try:
        replies = [item async for item in running] if method.server_streaming else [await running]
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or "", []
    return OK, "", replies


async def test_a_second_tenant_finds_nothing_of_the_first_by_any_rpc(front: RpcFront):
    at = await front.described(front.client)
    methods, table = await reflected(front), requests_for(at)
    assert set(methods) == set(table), "an RPC is not tried"
    before = [await front.client.files("Get", files.GetFileRequest(file_id=at.file_id))]
    for name, (request, expected) in table.items():
        metadata = (*front.other.metadata, elsewhere()) if expected is UNAUTHENTICATED else None
        code, message, replies = await ask(front.other, name, methods[name], request, metadata)
        assert code is expected, f"{name}: {code} {message}"
        text = str(replies)
        assert not any(id in text for id in vars(at).values()), name
    assert before == [await front.client.files("Get", files.GetFileRequest(file_id=at.file_id))]
    await front.client.responses("Get", responses.GetResponseRequest(response_id=at.response_id))
    await front.client.chat("Get", chat.GetChatCompletionRequest(chat_id=at.chat_id))


async def test_every_rpc_needs_a_key(front: RpcFront):
    methods, table = await reflected(front), requests_for(Described("f", "c", "r", "s", "q", "h"))
    wrong = ((), (("authorization", "Bearer cg-wrong"),), (("authorization", "Basic x"),), (("authorization", ""),))
    for name, method in methods.items():
        for metadata in wrong:
            code, _, _ = await ask(front.client, name, method, table[name][0], (*metadata, elsewhere()))
            assert code is UNAUTHENTICATED, name
    assert (await front.client.files("List", files.ListFilesRequest())).total == 0


def elsewhere() -> tuple[str, str]:
    """Metadata by which a call with a wrong key comes from an address of its own: one that sends many of them is slowed."""
    return "x-forwarded-for", from_elsewhere()["X-Forwarded-For"]


def details_of(error: grpc.RpcError) -> dict:
    status = rpc_status.from_call(error)
    assert status is not None
    found = {}
    for detail in status.details:
        for kind in (ErrorInfo, RetryInfo):
            if detail.Is(kind.DESCRIPTOR):
                found[kind] = kind()
                detail.Unpack(found[kind])
    return found


async def test_an_error_tells_its_reason_and_field(front: RpcFront):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        new = collections.CreateCollectionRequest(name=" ", collection_type=1)  # type: ignore[arg-type]
        await front.client.collections("Create", new)
    info = details_of(caught.value)[ErrorInfo]
    assert (info.reason, info.domain, dict(info.metadata)) == ("INVALID_ARGUMENT", "arcus", {"field": "name"})


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_status_with_details(reason):
    status = status_of(ArcusError(reason, "é" * 5000))
    assert status.code is grpc.StatusCode[WIRE[reason].grpc] and len(status.details) <= 1000
    assert sum(len(value) for _, value in status.trailing_metadata) < 8000


async def test_a_tenant_with_too_much_in_progress_is_told_to_wait_and_others_are_served(front: RpcFront):
    at = await front.described(front.client)
    streams = []
    for _ in range(MAX_REQUESTS):
        stream = front.client.responses("Stream", asks("What moves the tide?", at.collection_id, script=ENDLESS))
        await stream.read()
        streams.append(stream)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await front.client.files("List", files.ListFilesRequest())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(caught.value)[RetryInfo].retry_delay.seconds == 1
    await front.other.files("List", files.ListFilesRequest())
    for stream in streams:
        stream.cancel()
    await front.wait_for_requests(front.client, 0)
    await front.client.files("List", files.ListFilesRequest())


async def test_what_nobody_expected_is_internal_and_tells_nothing(front: RpcFront):
    async def broken(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        raise RuntimeError(f"a secret of {tenant()}")

    server = grpc.aio.server(interceptors=[Gate(front.backend.keys, front.backend.admin_keys, TenantLimit(1))])
    handlers = {"Do": grpc.unary_unary_rpc_method_handler(broken, bytes)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Broken", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(2):  # the second shows that the first gave its place back
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/test.Broken/Do")(b"", metadata=front.client.metadata)
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert caught.value.details() == WIRE[Reason.INTERNAL].message
    await server.stop(0)


async def test_health_is_told_to_anyone(front: RpcFront):
    stub = health_pb2_grpc.HealthStub(front.client.channel)
    for name in ("", "arcus.v1.FileService", "arcus.v1.ResponseService"):
        reply = await stub.Check(health_pb2.HealthCheckRequest(service=name))
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="other"))
    assert caught.value.code() is NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


async def test_a_message_over_the_limit_is_refused(front: RpcFront):
    large = files.UpdateFileRequest(file_id="f", metadata={"a": "x" * 9 * 1024**2})
    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await front.client.files("Update", large)
    assert caught.value.code() is code


async def test_a_stopping_server_lets_a_running_answer_end(front: RpcFront):
    at = await front.described(front.client)
    script = json.dumps({"messages": 10, "interval_seconds": 0.05})
    stream = front.client.responses("Stream", asks("What moves the tide?", at.collection_id, script=script))
    last = await stream.read()
    stopping = asyncio.create_task(front.server.stop(20))
    while (event := await stream.read()) is not grpc.aio.EOF:
        last = event
    assert last.type == "response.completed"
    await stopping


async def test_a_port_in_use_is_named(front: RpcFront):
    with pytest.raises(ArcusError, match="ARCUS_GRPC_PORT"):
        create_server(front.backend, f"127.0.0.1:{front.port}")
