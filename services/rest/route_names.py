"""The names of routes in metrics: a method and a template, of which there are as many as there are routes."""

from __future__ import annotations

from re import Pattern
from typing import Any

from fastapi import FastAPI, routing
from starlette.routing import compile_path
from starlette.types import Scope

NO_ROUTE = "other"
# vLLM wants a FastAPI of before 0.137, whose routers' routes are the application's.
every_route: Any = getattr(routing, "iter_route_contexts", iter)


class RouteNames:
    """Knows no route until `read`."""

    def __init__(self) -> None:
        self._of_endpoints: dict[Any, tuple[frozenset[str], str]] = {}
        self._patterns: dict[str, Pattern[str]] = {}

    def read(self, app: FastAPI) -> None:
        """Once all routes are there. FastAPI makes them as they are first looked at: here, and not while requests wait."""
        routes = [each for each in every_route(app.routes) if getattr(each, "endpoint", None) is not None]
        self._of_endpoints = {each.endpoint: (frozenset(each.methods or ()), each.path or "") for each in routes}
        self._patterns = {path: compile_path(path)[0] for _, path in self._of_endpoints.values()}

    def of(self, scope: Scope) -> str:
        """Of a request that was handled, or refused before its route was looked for."""
        method, endpoint = scope["method"], scope.get("endpoint")
        found = self._of_endpoints.get(endpoint) if endpoint is not None else None
        methods, path = found or self._matched(method, scope["path"])
        return f"{method} {path}" if method in methods else NO_ROUTE

    def _matched(self, method: str, path: str) -> tuple[frozenset[str], str]:
        for methods, template in self._of_endpoints.values():
            if method in methods and self._patterns[template].match(path):
                return methods, template
        return frozenset(), ""
