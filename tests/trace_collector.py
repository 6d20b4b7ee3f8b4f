"""A collector of traces, as OTLP over gRPC reaches one."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.of_service: dict[str, list[Span]] = defaultdict(list)
        self._server = grpc.server(ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Export(self, request: pb.ExportTraceServiceRequest, context: object) -> pb.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            service = next(item for item in resource.resource.attributes if item.key == "service.name")
            for scope in resource.scope_spans:
                self.spans += scope.spans
                self.of_service[service.value.string_value] += scope.spans
        return pb.ExportTraceServiceResponse()

    def names(self, service: str, trace_id: str) -> set[str]:
        """Of the spans that a service sent of a trace."""
        return {span.name for span in list(self.of_service[service]) if span.trace_id.hex() == trace_id}

    def stop(self) -> None:
        self._server.stop(0)


def attributes(span: Span) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}
