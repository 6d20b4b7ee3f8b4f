"""grpc.health.v1: serving while the database answers and is whole, until the process is told to stop."""

from __future__ import annotations

import asyncio
import contextlib

import grpc
from grpc.aio import ServicerContext as Context
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse

from services.core.errors import ArcusError
from services.core.store.database import Database

CHECK_SECONDS = 5.0


class HealthService(health_pb2_grpc.HealthServicer):
    def __init__(self, database: Database, draining: asyncio.Event, services: tuple[str, ...]) -> None:
        self._database = database
        self._draining = draining
        self._services = ("", *services)

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> HealthCheckResponse:
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no service {request.service}.")
        return HealthCheckResponse(status=await self._status())

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Tells each change until the client goes away."""
        told = None
        while True:
            is_last = self._draining.is_set()  # before the status is: what comes between is told by one more turn
            known = request.service in self._services
            status = await self._status() if known else HealthCheckResponse.SERVICE_UNKNOWN
            if status != told:
                await context.write(HealthCheckResponse(status=status))
                told = status
            if is_last:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), CHECK_SECONDS)

    async def _status(self) -> HealthCheckResponse.ServingStatus:
        if self._draining.is_set():
            return HealthCheckResponse.NOT_SERVING
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._database.check()
        except (ArcusError, TimeoutError):
            return HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse.SERVING
