"""The administration over HTTP: what it changes, that it tells of each change, and that no tenant's key opens it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.core.library.deletions import Deletions
from services.core.tenants.plans import CACHE_SECONDS
from tests.acceptance.live_front import Account, Front, from_elsewhere
from tests.waiting import until

Json = dict[str, Any]


@pytest.fixture(scope="module")
def admin_key(front: Front) -> str:
    return front.call(front.backend.admin_keys.create("of the test"))[0]


@pytest.fixture
def admin(front: Front, admin_key: str) -> httpx.Client:
    return client(front, admin_key, "/admin/v1")


def client(front: Front, key: str, path: str = "/v1") -> httpx.Client:
    return httpx.Client(base_url=front.url + path, headers={"Authorization": f"Bearer {key}"}, timeout=60, verify=False)


def routes(front: Front) -> list[tuple[str, str]]:
    document = httpx.get(f"{front.url}/openapi.json", timeout=60).json()
    found = [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
    return sorted((method, path.removeprefix("/admin/v1")) for method, path in found if path.startswith("/admin/v1/"))


def make_tenant(admin: httpx.Client) -> Json:
    return admin.post("/tenants", json={"name": f"tenant-{uuid4().hex[:8]}"}).raise_for_status().json()


def make_key(admin: httpx.Client, tenant: Json, **more: Any) -> Json:
    return admin.post(f"/tenants/{tenant['id']}/keys", json=more).raise_for_status().json()


def test_a_tenant_is_made_given_a_key_suspended_and_let_in_again(front: Front, admin: httpx.Client) -> None:
    tenant = make_tenant(admin)
    assert admin.get(f"/tenants/{tenant['id']}").json() == tenant
    assert admin.get("/tenants", params={"name": tenant["name"]}).json()["data"] == [tenant]
    again = admin.post("/tenants", json={"name": tenant["name"]})
    assert again.status_code == 409 and "choose another" in again.json()["error"]["message"]
    key = make_key(admin, tenant, name="robot", scopes=["read", "ingest"])
    assert (key["scopes"], key["state"], key["tenant"]) == (["read", "ingest"], "active", tenant["name"])
    kept = {name: value for name, value in key.items() if name != "key"}
    assert admin.get(f"/keys/{key['id']}").json() == kept
    assert admin.get("/keys", params={"tenant_id": tenant["id"]}).json()["data"] == [kept]
    with client(front, key["key"]) as http:
        assert http.get("/files").status_code == 200
        assert admin.post(f"/tenants/{tenant['id']}/suspend").json()["suspended_at"]
        refused = http.get("/files")
        assert refused.status_code == 403 and "suspended" in refused.json()["error"]["message"]
        assert admin.post(f"/tenants/{tenant['id']}/resume").json() == tenant
        assert http.get("/files").status_code == 200


def test_a_tenant_is_deleted_once_it_is_confirmed_and_its_keys_are_refused(front: Front, admin: httpx.Client) -> None:
    tenant = make_tenant(admin)
    path = f"/tenants/{tenant['id']}"
    with client(front, make_key(admin, tenant)["key"]) as http:
        collection = http.post("/collections", json={"name": "c", "collection_type": "media-descriptions"})
        assert collection.status_code == 200
        for confirm in ("", "another"):
            refused = admin.delete(path, params={"confirm": confirm})
            assert refused.status_code == 400 and "its name or its id again" in refused.json()["error"]["message"]
        assert admin.get(path + "/deletion").status_code == 404
        report = admin.delete(path, params={"confirm": tenant["name"]}).raise_for_status().json()
        assert report["tenant_id"] == tenant["id"] and report["rows"]["tenants"] <= 1
        assert http.get("/files").status_code == 401
    assert admin.get(path).status_code == admin.delete(path, params={"confirm": tenant["id"]}).status_code == 404
    assert admin.post(f"{path}/keys", json={}).status_code == 404
    assert admin.get("/tenants", params={"name": tenant["name"]}).json()["data"] == []
    again = admin.post("/tenants", json={"name": tenant["name"]})
    assert again.status_code == 200, "the name is free"
    front.call(Deletions(front.backend.database).sweep())
    report = admin.get(path + "/deletion").json()
    assert report["is_complete"] and not any(report["rows"].values()) and set(report["objects"].values()) == {0}
    assert report["kept"]["audit_records"] == 2
    last = admin.get("/audit", params={"target_id": tenant["id"]}).json()["data"][0]
    assert (last["action"], last["before"]["name"]) == ("tenant.delete", tenant["name"])


def test_a_key_is_rotated_blocked_and_revoked(front: Front, admin: httpx.Client) -> None:
    tenant = make_tenant(admin)
    old = make_key(admin, tenant, name="robot", scopes=["read"])
    new = admin.post(f"/keys/{old['id']}/rotate", json={"overlap_seconds": 3600}).raise_for_status().json()
    with client(front, old["key"]) as before, client(front, new["key"]) as after:
        assert (before.get("/files").status_code, after.get("/files").status_code) == (200, 200)
        assert admin.get(f"/keys/{old['id']}").json()["expires_at"]
        for action, status, word in (("block", 403, "blocked"), ("unblock", 200, "")):
            assert admin.post(f"/keys/{new['id']}/{action}").status_code == 200
            reply = after.get("/files")
            assert reply.status_code == status and word in reply.text
        assert admin.delete(f"/keys/{new['id']}").json()["state"] == "revoked"
        refused = after.get("/files")
        assert refused.status_code == 401 and "revoked" in refused.json()["error"]["message"]
    rotated = admin.post(f"/keys/{new['id']}/rotate", json={})
    assert rotated.status_code == 400 and "is revoked; make a new one" in rotated.json()["error"]["message"]


def test_limits_of_tenants_and_keys_hold_within_seconds_and_the_audit_tells_them(
    front: Front, admin: httpx.Client
) -> None:
    tenant = make_tenant(admin)
    key, other = make_key(admin, tenant), make_key(admin, tenant)
    assert (tenant["plan"], tenant["limits"], key["limits"]) == (None, None, None)
    one = {"requests_per_minute": 1}
    with client(front, key["key"]) as http, client(front, other["key"]) as second:

        def lets_in(http: httpx.Client, status: int) -> None:  # the front isn't told: it looks, as all others do
            until(lambda: http.get("/files").status_code == status, f"it answers {status}", 30 + CACHE_SECONDS)

        assert (http.get("/files").status_code, second.get("/files").status_code) == (200, 200)
        limited = admin.put(f"/keys/{key['id']}", json={"limits": one}).raise_for_status().json()
        assert limited["limits"] == one and admin.get(f"/keys/{key['id']}").json()["limits"] == one
        lets_in(http, 429)
        assert second.get("/files").status_code == 200
        rotated = admin.post(f"/keys/{key['id']}/rotate", json={}).raise_for_status().json()
        assert rotated["limits"] == one, "a key takes the limits of the one that it replaces"
        limited = admin.put(f"/tenants/{tenant['id']}", json={"limits": one}).raise_for_status().json()
        assert limited == {**tenant, "limits": one} == admin.get(f"/tenants/{tenant['id']}").json()
        lets_in(second, 429)
        assert admin.put(f"/tenants/{tenant['id']}", json={"limits": None}).json() == tenant
        assert admin.put(f"/keys/{key['id']}", json={"limits": None}).json()["limits"] is None
        lets_in(second, 200)
        lets_in(http, 200)
    last, first = admin.get("/audit", params={"target_id": tenant["id"]}).json()["data"][:2]
    assert first["action"] == "tenant.update"
    assert ({**tenant, **first["before"]}, {**tenant, **first["after"]}) == (tenant, limited)
    assert (last["before"]["limits"], last["after"]["limits"]) == (one, None)


def test_an_admin_key_is_made_and_revoked_but_not_by_itself(front: Front, admin: httpx.Client) -> None:
    made = admin.post("/admin-keys", json={"name": "second"}).raise_for_status().json()
    with client(front, made["key"], "/admin/v1") as second:
        assert made["id"] in [key["id"] for key in second.get("/admin-keys", params={"limit": 100}).json()["data"]]
        itself = second.delete(f"/admin-keys/{made['id']}")
        assert itself.status_code == 400 and "can't revoke itself" in itself.json()["error"]["message"]
        assert admin.delete(f"/admin-keys/{made['id']}").json()["revoked_at"]
        assert second.get("/tenants").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("POST", "/tenants", {"name": " "}, "name has 1 to 200"),
        ("POST", "/tenants", {}, "name"),
        ("POST", "/tenants/{tenant}/keys", {"scopes": []}, "choose some of read, ask, ingest"),
        ("POST", "/tenants/{tenant}/keys", {"scopes": ["admin"]}, "choose some of read, ask, ingest"),
        ("POST", "/tenants/{tenant}/keys", {"expires_at": 1}, "is in the past"),
        ("POST", "/tenants/{tenant}/keys", {"expires_at": 2**70}, "expires_at"),
        ("POST", "/tenants/{tenant}/keys", {"name": "x" * 201}, "1 to 200"),
        ("DELETE", "/tenants/{tenant}", None, "its name or its id again"),
        ("PUT", "/tenants/{tenant}", {}, "give a plan, limits, or both"),
        ("PUT", "/tenants/{tenant}", {"plan": "huge"}, "there are none; ARCUS_PLANS names a file of them"),
        ("PUT", "/tenants/{tenant}", {"plan": 5}, "plan: "),
        ("PUT", "/tenants/{tenant}", {"limits": []}, "limits: "),
        (
            "PUT",
            "/tenants/{tenant}",
            {"limits": {"requests": 5}},
            "requests: no such limit; there are requests_in_prog",
        ),
        ("PUT", "/tenants/{tenant}", {"limits": {"queued_jobs": 0}}, "queued_jobs: input should be greater than or"),
        ("PUT", "/tenants/{tenant}", {"limits": {"kept_days": "30"}}, "kept_days: input should be a valid number"),
        ("PUT", "/keys/{key}", {}, "limits: Field required"),
        ("PUT", "/keys/{key}", {"limits": {"stored_bytes": 5}}, "stored_bytes: no such limit; there are requests_in_"),
        ("POST", "/keys/{key}/rotate", {"overlap_seconds": -1}, "from 0 to 30 days"),
        ("POST", "/keys/{key}/rotate", {"overlap_seconds": "1h"}, "overlap_seconds"),
        ("POST", "/admin-keys", {"name": ""}, "name has 1 to 200"),
        ("GET", "/keys?limit=0", None, "limit"),
        ("GET", "/audit?created_after=yesterday", None, "created_after"),
    ],
)
def test_bad_input_says_what_to_change(admin: httpx.Client, method: str, path: str, body: Any, words: str) -> None:
    tenant = make_tenant(admin)
    key = make_key(admin, tenant)
    reply = admin.request(method, path.format(tenant=tenant["id"], key=key["id"]), json=body)
    assert reply.status_code == 400 and words in reply.json()["error"]["message"], reply.text


def test_what_is_not_there_is_not_found(front: Front, admin: httpx.Client) -> None:
    for method, path in routes(front):
        if "{" in path:
            body: Json | None = {"POST": {}, "PUT": {"limits": {}}}.get(method)
            reply = admin.request(method, re.sub(r"{\w+}", "nothing", path), json=body)
            assert reply.status_code == 404, (method, path, reply.text)


def test_each_change_leaves_one_row_in_the_audit(front: Front, admin: httpx.Client) -> None:
    """Every route that is no GET must be here: one that is added without its row fails."""
    tenant, doomed = make_tenant(admin), make_tenant(admin)
    key, rotated, revoked = (make_key(admin, tenant) for _ in range(3))
    spare = admin.post("/admin-keys", json={"name": "spare"}).json()
    changes: dict[tuple[str, str], tuple[str, Json | None, list[str]]] = {
        ("POST", "/tenants"): ("", {"name": uuid4().hex}, ["tenant.create"]),
        ("POST", "/tenants/{tenant_id}/suspend"): (tenant["id"], None, ["tenant.suspend"]),
        ("POST", "/tenants/{tenant_id}/resume"): (tenant["id"], None, ["tenant.resume"]),
        ("POST", "/tenants/{tenant_id}/keys"): (tenant["id"], {}, ["key.create"]),
        ("PUT", "/tenants/{tenant_id}"): (tenant["id"], {"limits": {"queued_jobs": 9}}, ["tenant.update"]),
        ("DELETE", "/tenants/{tenant_id}"): (doomed["id"], None, ["tenant.delete"]),
        ("PUT", "/keys/{key_id}"): (key["id"], {"limits": {"requests_in_progress": 9}}, ["key.update"]),
        ("POST", "/keys/{key_id}/rotate"): (rotated["id"], {}, ["key.rotate", "key.create"]),
        ("POST", "/keys/{key_id}/block"): (key["id"], None, ["key.block"]),
        ("POST", "/keys/{key_id}/unblock"): (key["id"], None, ["key.unblock"]),
        ("DELETE", "/keys/{key_id}"): (revoked["id"], None, ["key.revoke"]),
        ("POST", "/admin-keys"): ("", {"name": "another"}, ["admin_key.create"]),
        ("DELETE", "/admin-keys/{key_id}"): (spare["id"], None, ["admin_key.revoke"]),
    }
    assert set(changes) == {route for route in routes(front) if route[0] != "GET"}
    for (method, path), (id, body, actions) in changes.items():
        before = admin.get("/audit").json()["total"]
        confirm = {"confirm": id} if path == "/tenants/{tenant_id}" else None
        reply = admin.request(method, re.sub(r"{\w+}", id, path), json=body, params=confirm)
        assert reply.status_code == 200, (path, reply.text)
        told = admin.get("/audit", params={"limit": 10}).json()
        assert told["total"] == before + len(actions), path
        records = told["data"][: len(actions)]
        assert [record["action"] for record in records] == actions, path
        for record in records:
            assert record["request_id"] == reply.headers["x-request-id"] and record["address"] == "127.0.0.1"
            assert record["actor_key_id"] and record["after"]["id"] == record["target_id"]
            assert reply.json().get("key", "no key") not in str(told)


def test_no_tenants_key_opens_the_administration_and_no_admin_key_a_tenant(
    front: Front, account: Account, admin: httpx.Client, admin_key: str
) -> None:
    tenant = make_tenant(admin)
    ids = {"tenant_id": tenant["id"], "key_id": make_key(admin, tenant)["id"]}
    before = admin.get("/audit").json()["total"]
    for key in (account.key, "cg-wrong"):
        with client(front, key, "/admin/v1") as http:
            for method, path in routes(front):
                body = {} if method == "POST" else None
                reply = http.request(method, path.format(**ids), json=body, headers=from_elsewhere())
                assert reply.status_code == 401 and "key" in reply.json()["error"]["message"], (method, path)
                assert not any(id in reply.text for id in ids.values())
    assert admin.get("/audit").json()["total"] == before
    document = httpx.get(f"{front.url}/openapi.json", timeout=60).json()
    with client(front, admin_key, "") as http:
        for path, methods in document["paths"].items():
            for method in methods if path.startswith("/v1/") and "thumbnail_id" not in path else ():
                reply = http.request(method.upper(), re.sub(r"{\w+}", "x", path), headers=from_elsewhere())
                assert reply.status_code == 401, (method, path)
