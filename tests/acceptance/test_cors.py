"""Pages of other origins: nothing is allowed unless the setting names them."""

from __future__ import annotations

import httpx
import pytest

from tests.acceptance.live_front import Account, Front, front_settings

PAGE = "https://app.example"
ASKS = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
}
ALLOWED = "access-control-allow-origin"


@pytest.fixture(scope="module")
def open_to_page(tmp_path_factory: pytest.TempPathFactory):
    settings = front_settings(
        tmp_path_factory.mktemp("cors"), engine_address="127.0.0.1:1", cors_origins=f"{PAGE}/, http://localhost:3000"
    )
    running = Front(settings).start()
    yield running
    running.stop()


def test_by_default_no_page_elsewhere_may_call(account: Account):
    with account.http as http:
        assert http.options("/v1/responses", headers=ASKS).status_code == 405
        assert ALLOWED not in http.get("/v1/files", headers={"Origin": PAGE}).headers


def test_a_page_that_is_named_may_ask_and_reads_answers_and_refusals(open_to_page: Front):
    account = open_to_page.account()
    before = httpx.options(f"{open_to_page.url}/v1/responses", headers=ASKS)  # without a key, as browsers ask
    assert (before.status_code, before.headers[ALLOWED]) == (200, PAGE)
    assert "authorization" in before.headers["access-control-allow-headers"].lower()
    with account.http as http:
        for path, status in (("/v1/files", 200), ("/v1/files/unknown", 404)):
            reply = http.get(path, headers={"Origin": PAGE})
            assert (reply.status_code, reply.headers[ALLOWED]) == (status, PAGE)
            assert "x-request-id" in reply.headers["access-control-expose-headers"].lower()
        refused = http.get("/v1/files", headers={"Origin": PAGE, "Authorization": "Bearer cg-wrong"})
        assert (refused.status_code, refused.headers[ALLOWED]) == (401, PAGE)


def test_a_page_that_is_not_named_may_not(open_to_page: Front):
    other = {**ASKS, "Origin": "https://evil.example"}
    reply = httpx.options(f"{open_to_page.url}/v1/responses", headers=other)
    assert reply.status_code == 400 and ALLOWED not in reply.headers
