"""Keys of tenants over their life: what they may, when they end, and what is told of them."""

import asyncio
import dataclasses

import pytest
from alembic import command
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from services.core.clock import now_ms
from services.core.errors import ArcusError, Reason
from services.core.store.pages import Page
from services.core.store.schema import api_keys
from services.core.store.tenant_schema import audit_records, kept_since
from services.core.tenants.audit import Actor, Audit
from services.core.tenants.keys import MAX_OVERLAP_MS, USE_MS, Keys
from services.core.tenants.known_keys import LOOKUP_KEYS
from services.core.tenants.plans import Limits, Plans, Rates
from services.core.tenants.scopes import ALL_SCOPES, Scope, scopes_of
from services.core.tenants.tenants import Tenants
from tests.contract.test_store_migrations import _go
from tests.waiting import PAUSE_SECONDS

HOUR = 3_600_000


async def refusal(keys: Keys, key: str) -> ArcusError:
    with pytest.raises(ArcusError) as caught:
        await keys.authenticate(key)
    return caught.value


async def refusal_in_time(keys: Keys, key: str) -> ArcusError:
    """That of a front which may have let the key in a moment ago."""
    async with asyncio.timeout(30):
        while True:
            try:
                await keys.authenticate(key)
            except ArcusError as error:
                return error
            await asyncio.sleep(PAUSE_SECONDS)


async def test_a_key_has_the_scopes_that_it_was_given(store):
    key, made = await store.keys.issue(store.tenant, name="dashboard", scopes=frozenset({Scope.READ, Scope.ASK}))
    caller = await store.keys.authenticate(key)
    assert (caller.tenant_id, caller.key_id, caller.scopes) == (store.tenant, made.id, {Scope.READ, Scope.ASK})
    assert (made.name, made.scopes, made.tenant) == ("dashboard", "read ask", "first")
    caller.require(Scope.ASK)
    for scope in (Scope.INGEST, None):
        with pytest.raises(ArcusError, match=r"needs a key with the scope .*ingest; this one has: read ask") as caught:
            caller.require(scope)
        assert caught.value.reason is Reason.PERMISSION_DENIED
    assert (await store.keys.authenticate(await store.keys.create("third"))).scopes == ALL_SCOPES
    for names in ((), ("admin",), ("read", "")):
        with pytest.raises(ArcusError, match="choose some of read, ask, ingest"):
            scopes_of(names)
    with pytest.raises(ArcusError, match="Tenant not found"):
        await store.keys.issue("nobody")


async def test_each_refusal_says_why_on_every_front(store):
    other_front = Keys(store.database)
    made = [await store.keys.issue(store.tenant) for _ in range(2)]
    for key, _ in made:
        await other_front.authenticate(key)  # which it remembers for a while
    (blocked, revoked), tenants = made, Tenants(store.database, {})
    await store.keys.block(blocked[1].id)
    await store.keys.revoke(revoked[1].id)
    for keys in (store.keys, other_front):
        for key, reason, word in (
            (blocked[0], Reason.PERMISSION_DENIED, "blocked"),
            (revoked[0], Reason.UNAUTHENTICATED, "revoked"),
        ):
            error = await refusal_in_time(keys, key)
            assert error.reason is reason and word in error.message
    await store.keys.unblock(blocked[1].id)
    assert (await store.keys.authenticate(blocked[0])).key_id == blocked[1].id
    third_front = Keys(store.database)
    await third_front.authenticate(blocked[0])
    await tenants.suspend(store.tenant)
    for keys in (store.keys, third_front):
        assert "suspended" in (await refusal_in_time(keys, blocked[0])).message
    assert await Keys(store.database).authenticate(await store.keys.create("second"))
    await tenants.resume(store.tenant)
    assert await Keys(store.database).authenticate(blocked[0])


async def test_a_key_expires_on_time_though_it_is_remembered(store):
    now = now_ms()
    keys = Keys(store.database, clock=lambda: now)
    key, made = await keys.issue(store.tenant, expires_at=now + HOUR)
    now += HOUR - 1
    assert await keys.authenticate(key)
    now += 1
    error = await refusal(keys, key)
    assert error.reason is Reason.UNAUTHENTICATED and "expired" in error.message
    assert (await keys.get(made.id)).state(now) == "expired"
    with pytest.raises(ArcusError, match="expires_at is in the past"):
        await keys.issue(store.tenant, expires_at=now)


async def test_a_key_is_rotated_with_an_overlap(store):
    now = now_ms()
    keys = Keys(store.database, clock=lambda: now)
    old_key, old = await keys.issue(store.tenant, name="robot", scopes=frozenset({Scope.INGEST}), expires_at=now + HOUR)
    now += 1000
    new_key, new = await keys.rotate(old.id, overlap_ms=60_000)
    same = {"name", "scopes", "tenant_id", "tenant"}
    old_fields, new_fields = dataclasses.asdict(old), dataclasses.asdict(new)
    assert {name: new_fields[name] for name in same} == {name: old_fields[name] for name in same}
    assert (new.expires_at, (await keys.get(old.id)).expires_at) == (now + HOUR, now + 60_000)
    now += 59_999
    callers = [await keys.authenticate(key) for key in (old_key, new_key)]
    assert [caller.key_id for caller in callers] == [old.id, new.id]
    now += 1
    assert "expired" in (await refusal(keys, old_key)).message
    assert await keys.authenticate(new_key)
    with pytest.raises(ArcusError, match="is expired; make a new one"):
        await keys.rotate(old.id, overlap_ms=0)
    for overlap_ms in (-1, MAX_OVERLAP_MS + 1):
        with pytest.raises(ArcusError, match="from 0 to 30 days"):
            await keys.rotate(new.id, overlap_ms=overlap_ms)
    with pytest.raises(ArcusError, match="not found"):
        await keys.rotate("nothing", overlap_ms=0)


async def test_uses_are_noted_once_a_minute_and_never_by_the_request(store, statements):
    now = now_ms()
    keys = Keys(store.database, clock=lambda: now)
    key, made = await keys.issue(store.tenant)
    await keys.authenticate(key)
    statements.clear()
    for _ in range(100):
        await keys.authenticate(key)
    assert statements == []
    await keys.note_uses()
    assert len([sent for sent in statements if sent.startswith("UPDATE")]) == 1
    assert (await keys.get(made.id)).last_used_at == now
    first, now = now, now + USE_MS - 1
    await keys.authenticate(key)
    await keys.note_uses()  # as another front does, less than a minute later
    assert (await keys.get(made.id)).last_used_at == first
    now += 1
    await keys.authenticate(key)
    await keys.note_uses()
    assert (await keys.get(made.id)).last_used_at == now
    statements.clear()
    await keys.note_uses()
    assert statements == [], "nothing was used"


async def test_a_flood_of_wrong_keys_shares_its_queries_and_shuts_out_no_right_one(store, statements):
    right = await store.keys.create("third")
    statements.clear()
    wrong = [f"cg-wrong-{number}" for number in range(4 * LOOKUP_KEYS)]
    found = await asyncio.gather(*(store.keys.authenticate(key) for key in [*wrong, right]), return_exceptions=True)
    assert all(isinstance(error, ArcusError) for error in found[:-1]) and not isinstance(found[-1], ArcusError)
    assert len(statements) <= 2 + len(wrong) // LOOKUP_KEYS + 1


async def test_what_is_changed_leaves_one_row_that_names_who_and_holds_no_key(store):
    actor = Actor("of-an-admin", "192.0.2.7", "req_1")
    key, made = await store.keys.issue(store.tenant, name="robot", actor=actor)
    new_key, new = await store.keys.rotate(made.id, overlap_ms=1000, actor=actor)
    await store.keys.block(new.id, actor)
    await store.keys.unblock(new.id, actor)
    await store.keys.revoke(new.id, actor)
    await Tenants(store.database, {}).suspend(store.tenant, actor)
    with pytest.raises(ArcusError):
        await store.keys.block("nothing", actor)
    records = (await Audit(store.database).list(Page(sort="asc"))).items
    mine = [record for record in records if record.actor_key_id == "of-an-admin"]
    assert [(record.action, record.target_id) for record in mine] == [
        ("key.create", made.id),
        ("key.create", new.id),
        ("key.rotate", made.id),
        ("key.block", new.id),
        ("key.unblock", new.id),
        ("key.revoke", new.id),
        ("tenant.suspend", store.tenant),
    ]
    assert {(record.address, record.request_id) for record in mine} == {("192.0.2.7", "req_1")}
    assert mine[3].before is not None and mine[3].after is not None
    assert mine[3].before["blocked_at"] is None and mine[3].after["blocked_at"]
    assert not any(text in str(records) for text in (key, new_key, key[7:], new_key[7:]))
    (only,) = (await Audit(store.database).list(Page(), target_id=store.tenant)).items[:1]
    assert only.action == "tenant.suspend"


async def test_the_audit_is_only_appended_to_but_for_what_is_too_old_to_keep(store):
    def row(at: int) -> dict:
        named = dict.fromkeys(("action", "target_type", "target_id", "address", "request_id"), "x")
        return {"at": at, **named}

    async with store.database.write() as connection:
        await connection.execute(insert(audit_records), [row(1), row(2), row(3)])
    old = audit_records.c.at <= 3
    for statement in (update(audit_records).values(address="forged"), delete(audit_records).where(old)):
        with pytest.raises(DBAPIError, match="append-only"):
            async with store.database.write() as connection:
                await connection.execute(statement)
    async with store.database.write() as connection:
        await connection.execute(insert(kept_since).values(table_name="audit_records", at=3))
        await connection.execute(delete(audit_records).where(audit_records.c.at < 3))
    with pytest.raises(DBAPIError, match="append-only"):
        async with store.database.write() as connection:
            await connection.execute(delete(audit_records).where(old))
    async with store.database.read() as connection:
        kept = (await connection.execute(select(audit_records.c.at).where(old))).scalars().all()
    assert kept == [3]


async def test_keys_from_before_scopes_have_all_of_them_and_no_end(store):
    key = await store.keys.create("third")
    async with store.database.write() as connection:
        await connection.run_sync(_go, command.downgrade, "0013")
    await store.database.migrate()
    caller = await Keys(store.database).authenticate(key)
    assert (caller.scopes, caller.expires_at) == (ALL_SCOPES, None)
    async with store.database.read() as connection:
        assert (await connection.execute(select(api_keys.c.name).where(api_keys.c.id == caller.key_id))).scalar() == ""


async def test_a_tenant_is_given_one_of_the_plans_and_limits_of_its_own(store):
    plans = {"default": Limits(), "large": Limits(requests_per_minute=6000, stored_bytes=10)}
    tenants, told = Tenants(store.database, plans), Plans(store.database, plans)
    before = await tenants.get(store.tenant)
    changed = await tenants.update(store.tenant, {"plan": "large", "limits": {"stored_bytes": None}})
    assert (
        changed
        == await tenants.get(store.tenant)
        == dataclasses.replace(before, plan="large", limits={"stored_bytes": None})
    )
    _, made = await store.keys.issue(store.tenant)
    limited = await store.keys.limit(made.id, {"requests_in_progress": 2})
    assert limited == await store.keys.get(made.id) == dataclasses.replace(made, limits={"requests_in_progress": 2})
    allowed = await told.of(store.tenant, made.id)
    assert (allowed.tenant, allowed.key) == (Limits(requests_per_minute=6000), Rates(requests_in_progress=2))
    with pytest.raises(ArcusError, match="'huge': there are default, large"):
        await tenants.update(store.tenant, {"plan": "huge"})
    assert (await tenants.update(store.tenant, {"plan": None})).limits == {"stored_bytes": None}, "what is absent stays"
    assert await tenants.update(store.tenant, {"limits": None}) == before
    assert (await tenants.get(store.other)).plan is None
