"""The administration over gRPC: what it changes, that each change is told of, and that it says what HTTP says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
from arcus.v1 import admin_pb2 as pb
from arcus.v1 import lists_pb2
from arcus.v1.admin_pb2_grpc import AdminServiceStub
from google.protobuf.json_format import MessageToDict

from services.core.tenants.plans import CACHE_SECONDS
from services.rpc.values import struct_of
from tests.acceptance.live_front import Front
from tests.waiting import until

Call = Callable[..., Any]
ADMIN = pb.DESCRIPTOR.services_by_name["AdminService"]


@pytest.fixture(scope="module")
def admin_key(front: Front) -> str:
    return front.call(front.backend.admin_keys.create("of the test"))[0]


@pytest.fixture
def call(front: Front, admin_key: str) -> Iterator[Call]:
    with grpc.insecure_channel(f"127.0.0.1:{front.grpc_port}") as channel:
        stub, metadata = AdminServiceStub(channel), [("authorization", f"Bearer {admin_key}")]
        yield lambda name, request: getattr(stub, name)(request, metadata=metadata, timeout=30)


def make_tenant(call: Call) -> pb.Tenant:
    return call("CreateTenant", pb.CreateTenantRequest(name=f"tenant-{uuid4().hex[:8]}"))


def files_status(front: Front, key: str) -> int:
    return httpx.get(f"{front.url}/v1/files", headers={"Authorization": f"Bearer {key}"}, timeout=60).status_code


def test_a_tenant_and_its_keys_from_their_beginning_to_their_end(front: Front, call: Call):
    tenant = make_tenant(call)
    named = pb.ListTenantsRequest(name=tenant.name)
    assert list(call("ListTenants", named).tenants) == [tenant] and not tenant.HasField("limits")
    limits = struct_of({"requests_per_minute": 600, "queued_jobs": None})
    changed = call("UpdateTenant", pb.UpdateTenantRequest(tenant_id=tenant.id, limits=limits))
    assert changed.limits == limits and call("GetTenant", pb.GetTenantRequest(tenant_id=tenant.id)) == changed
    emptied = call("UpdateTenant", pb.UpdateTenantRequest(tenant_id=tenant.id, limits=struct_of({}), plan=""))
    assert emptied == tenant

    key = call("CreateKey", pb.CreateKeyRequest(tenant_id=tenant.id, name="laptop", scopes=["read"]))
    assert (
        key.key.startswith(key.hint.rstrip("…")) and list(key.scopes) == ["read"] and key.state == pb.KEY_STATE_ACTIVE
    )
    assert files_status(front, key.key) == 200
    own = call("UpdateKey", pb.UpdateKeyRequest(key_id=key.id, limits=struct_of({"requests_per_minute": 60})))
    assert own.limits["requests_per_minute"] == 60 and not own.HasField("key")
    blocked = call("BlockKey", pb.BlockKeyRequest(key_id=key.id))
    assert blocked.state == pb.KEY_STATE_BLOCKED and files_status(front, key.key) == 403
    assert call("UnblockKey", pb.UnblockKeyRequest(key_id=key.id)).state == pb.KEY_STATE_ACTIVE
    made = call("RotateKey", pb.RotateKeyRequest(key_id=key.id, overlap_seconds=0))
    assert made.key != key.key and call("GetKey", pb.GetKeyRequest(key_id=key.id)).state == pb.KEY_STATE_EXPIRED
    assert {each.id for each in call("ListKeys", pb.ListKeysRequest(tenant_id=tenant.id)).keys} == {key.id, made.id}

    assert call("SuspendTenant", pb.SuspendTenantRequest(tenant_id=tenant.id)).suspended_at
    until(lambda: files_status(front, made.key) == 403, "keys of a suspended tenant are refused", 10 * CACHE_SECONDS)
    assert not call("ResumeTenant", pb.ResumeTenantRequest(tenant_id=tenant.id)).HasField("suspended_at")
    assert call("RevokeKey", pb.RevokeKeyRequest(key_id=made.id)).state == pb.KEY_STATE_REVOKED
    report = call("DeleteTenant", pb.DeleteTenantRequest(tenant_id=tenant.id, confirm=tenant.name))
    assert report.tenant_id == tenant.id and report.kept["audit_records"] > 3
    again = call("GetTenantDeletion", pb.GetTenantDeletionRequest(tenant_id=tenant.id))
    assert again.deleted_at == report.deleted_at and again.rows.keys() == report.rows.keys()


def test_each_change_leaves_one_row_in_the_audit(call: Call):
    """Every call that only tells is named here: another one that leaves no row fails."""
    telling = {name for name in ADMIN.methods_by_name if name.startswith(("Get", "List"))}
    tenant, doomed = make_tenant(call), make_tenant(call)
    key, rotated, revoked = (call("CreateKey", pb.CreateKeyRequest(tenant_id=tenant.id)) for _ in range(3))
    spare = call("CreateAdminKey", pb.CreateAdminKeyRequest(name="spare"))
    limits = struct_of({"requests_per_minute": 9})
    changes = {
        "CreateTenant": (pb.CreateTenantRequest(name=uuid4().hex), ["tenant.create"]),
        "UpdateTenant": (pb.UpdateTenantRequest(tenant_id=tenant.id, limits=limits), ["tenant.update"]),
        "SuspendTenant": (pb.SuspendTenantRequest(tenant_id=tenant.id), ["tenant.suspend"]),
        "ResumeTenant": (pb.ResumeTenantRequest(tenant_id=tenant.id), ["tenant.resume"]),
        "DeleteTenant": (pb.DeleteTenantRequest(tenant_id=doomed.id, confirm=doomed.id), ["tenant.delete"]),
        "CreateKey": (pb.CreateKeyRequest(tenant_id=tenant.id), ["key.create"]),
        "UpdateKey": (pb.UpdateKeyRequest(key_id=key.id, limits=limits), ["key.update"]),
        "RotateKey": (pb.RotateKeyRequest(key_id=rotated.id), ["key.rotate", "key.create"]),
        "BlockKey": (pb.BlockKeyRequest(key_id=key.id), ["key.block"]),
        "UnblockKey": (pb.UnblockKeyRequest(key_id=key.id), ["key.unblock"]),
        "RevokeKey": (pb.RevokeKeyRequest(key_id=revoked.id), ["key.revoke"]),
        "CreateAdminKey": (pb.CreateAdminKeyRequest(name="another"), ["admin_key.create"]),
        "RevokeAdminKey": (pb.RevokeAdminKeyRequest(key_id=spare.id), ["admin_key.revoke"]),
    }
    assert set(changes) == set(ADMIN.methods_by_name) - telling
    for name, (request, actions) in changes.items():
        before = call("ListAudit", pb.ListAuditRequest()).total
        reply = call(name, request)
        told = call("ListAudit", pb.ListAuditRequest(page=lists_pb2.Page(limit=len(actions))))
        assert told.total == before + len(actions), name
        assert [record.action for record in told.records] == actions, name
        for record in told.records:
            assert record.actor_key_id and record.address == "127.0.0.1" and record.request_id.startswith("req_")
            assert record.after["id"] == record.target_id
            assert (getattr(reply, "key", "") or "no key") not in str(told)


def test_it_tells_what_http_tells(front: Front, call: Call, admin_key: str):
    tenant = make_tenant(call)
    call("CreateKey", pb.CreateKeyRequest(tenant_id=tenant.id, name="k", expires_at=2**42))
    headers = {"Authorization": f"Bearer {admin_key}"}
    with httpx.Client(base_url=f"{front.url}/admin/v1", headers=headers, timeout=60) as http:
        for path, message in (
            (f"/tenants/{tenant.id}", call("GetTenant", pb.GetTenantRequest(tenant_id=tenant.id))),
            (f"/keys?tenant_id={tenant.id}", call("ListKeys", pb.ListKeysRequest(tenant_id=tenant.id)).keys[0]),
            ("/admin-keys?limit=1", call("ListAdminKeys", pb.ListAdminKeysRequest()).keys[0]),
            (f"/audit?target_id={tenant.id}", call("ListAudit", pb.ListAuditRequest(target_id=tenant.id)).records[0]),
        ):
            told = http.get(path).raise_for_status().json()
            told = told["data"][0] if "data" in told else told
            said = MessageToDict(message, preserving_proto_field_name=True)
            expected = {name: value for name, value in told.items() if value is not None and name != "object"}
            assert said.keys() == expected.keys(), path
            for name, value in expected.items():
                plain = said[name].removeprefix("KEY_STATE_").lower() if name == "state" else said[name]
                assert plain == value or plain == str(value), (path, name)
        used = call("ListUsage", pb.ListUsageRequest(group_by=["tenant"], page=lists_pb2.Page(limit=100)))
        assert [bucket.tenant_id for bucket in used.buckets] == [
            bucket["tenant_id"] for bucket in http.get("/usage?group_by=tenant&limit=100").json()["data"]
        ]


@pytest.mark.parametrize(
    ("name", "request_message", "words"),
    [
        ("CreateTenant", pb.CreateTenantRequest(), "1 to 200 characters"),
        ("UpdateTenant", pb.UpdateTenantRequest(plan="golden"), "golden"),
        ("UpdateTenant", pb.UpdateTenantRequest(limits=struct_of({"wishes": 3})), "wishes"),
        ("UpdateTenant", pb.UpdateTenantRequest(), "nothing to change"),
        ("DeleteTenant", pb.DeleteTenantRequest(confirm="x"), "to confirm"),
        ("CreateKey", pb.CreateKeyRequest(scopes=["own"]), "scopes"),
        ("ListUsage", pb.ListUsageRequest(bucket_width="1y"), "bucket_width"),
        ("ListUsage", pb.ListUsageRequest(group_by=["mood"]), "group_by"),
        ("ListTenants", pb.ListTenantsRequest(page=lists_pb2.Page(limit=1000)), "limit"),
    ],
)
def test_bad_input_says_what_to_change(call: Call, name: str, request_message: Any, words: str):
    request = type(request_message).FromString(request_message.SerializeToString())
    if "tenant_id" in request.DESCRIPTOR.fields_by_name and not name.startswith("List"):
        request.tenant_id = make_tenant(call).id
    with pytest.raises(grpc.RpcError) as refused:
        call(name, request)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT and words in refused.value.details()


def test_what_is_not_there_is_not_found(call: Call):
    for name, method in ADMIN.methods_by_name.items():
        for field in ("tenant_id", "key_id"):
            if field in method.input_type.fields_by_name and not name.startswith("List"):
                request = method.input_type._concrete_class(**{field: "nothing"})
                if name in ("UpdateTenant", "UpdateKey"):
                    request.limits.update({"requests_per_minute": 1})
                with pytest.raises(grpc.RpcError) as refused:
                    call(name, request)
                assert refused.value.code() is grpc.StatusCode.NOT_FOUND, (name, refused.value.details())
