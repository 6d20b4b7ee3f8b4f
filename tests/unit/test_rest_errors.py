"""Every reason has one text and one object, and the status goes with both."""

from __future__ import annotations

import json

import pytest
from starlette.datastructures import Headers

from services.core.errors import ArcusError, Reason
from services.rest.errors import error_reply

CLOUDGLUE = Headers({"x-sdk-client": "cloudglue-python"})
TYPES = ("invalid_request_error", "requests", "insufficient_quota", "server_error")  # what OpenAI's clients know


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_told_in_both_forms(reason: Reason) -> None:
    error = ArcusError(reason, "It can't be.", field="input[0].role")
    text, told = error_reply(error, CLOUDGLUE), error_reply(error, Headers())
    assert json.loads(text.body) == {"error": "It can't be."}
    body = json.loads(told.body)["error"]
    assert body == {"message": "It can't be.", "type": body["type"], "param": "input[0].role", "code": body["code"]}
    assert body["type"] in TYPES and body["code"]
    if body["type"] != "insufficient_quota":
        assert (body["type"] == "server_error") == (error.wire.http >= 500)
    else:
        assert error.wire.http in (402, 509) and told.headers["x-should-retry"] == "false"
    assert text.status_code == told.status_code == error.wire.http
    assert text.headers.get("retry-after") == told.headers.get("retry-after")
    assert ("retry-after" in told.headers) == (error.retry_after_seconds is not None)
