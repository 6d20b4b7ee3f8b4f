"""Every reason is told on every wire."""

from __future__ import annotations

import http
import pickle

import grpc
import pytest

from services.core.errors import WIRE, ArcusError, MediaError, Reason

UNREGISTERED = (499, 509)  # nginx', and Cloudglue's


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_wire_form(reason: Reason) -> None:
    wire = WIRE[reason]
    assert wire.http in UNREGISTERED or http.HTTPStatus(wire.http) >= 400
    assert wire.grpc in grpc.StatusCode.__members__
    assert wire.message


def test_overload_says_when_to_come_back() -> None:
    for reason in (Reason.LIMIT_EXCEEDED, Reason.ENGINE_UNAVAILABLE, Reason.STORAGE_UNAVAILABLE):
        assert ArcusError(reason).retry_after_seconds


def test_an_error_crosses_a_process_boundary_whole() -> None:
    for error in (ArcusError(Reason.NOT_FOUND, "gone", field="id"), MediaError("not a video")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert (copy.reason, copy.message, copy.field) == (error.reason, error.message, error.field)
