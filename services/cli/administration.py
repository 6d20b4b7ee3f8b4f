"""`arcus keys`: with the system running or not, on the database itself."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from services.cli.terminal import visible_line
from services.core.clock import now_ms
from services.core.errors import invalid

if TYPE_CHECKING:
    from services.core.store.pages import Listing, Page

Item = TypeVar("Item")
keys_app = typer.Typer(no_args_is_help=True, help="API keys of tenants.")
DataDir = Annotated[Path, typer.Option(envvar="ARCUS_DATA_DIR", help="Folder of the database and the objects.")]
KeyId = Annotated[str, typer.Argument(help="Id of the key, as 'arcus keys list' tells it.")]
HERE = Path(".arcus")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@keys_app.command("create")
def create_key(
    tenant: Annotated[str, typer.Option(help="Name; made if absent.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="read, ask or ingest, several times; all if absent.")] = None,
    expires_in: Annotated[str, typer.Option(help="As 90d, 12h, 30m or 45s; never if absent.")] = "",
    data_dir: DataDir = HERE,
) -> None:
    """Make a key for a tenant and print it: it cannot be shown again."""
    from services.cli.credentials import with_keys
    from services.core.tenants.scopes import ALL_SCOPES, scopes_of

    scopes = scopes_of(scope) if scope else ALL_SCOPES
    expires_at = now_ms() + milliseconds("--expires-in", expires_in) if expires_in else None
    print(with_keys(data_dir, lambda keys: keys.create(tenant, name=name, scopes=scopes, expires_at=expires_at)))


@keys_app.command("list")
def list_keys(data_dir: DataDir = HERE) -> None:
    """List keys: id, tenant, first characters, name, scopes, last use, state."""
    from services.cli.credentials import with_keys

    now = now_ms()
    for key in with_keys(data_dir, lambda keys: every(keys.list)):
        name = f"{visible_line(key.name)}  " if key.name else ""
        print(
            f"{key.id}  {visible_line(key.tenant)}  {key.hint}  {name}{key.scopes.replace(' ', ',')}  {key.state(now)}"
        )


@keys_app.command("rotate")
def rotate_key(
    id: KeyId,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid: as 1h, 30m, 7d or 0s.")] = "1h",
    data_dir: DataDir = HERE,
) -> None:
    """Make a key like another and print it; the other one expires when the overlap is over."""
    from services.cli.credentials import with_keys

    overlap_ms = milliseconds("--overlap", overlap)
    key, _ = with_keys(data_dir, lambda keys: keys.rotate(id, overlap_ms=overlap_ms))
    print(key)


@keys_app.command("block")
def block_key(id: KeyId, data_dir: DataDir = HERE) -> None:
    """Let a key in no more, until it is unblocked."""
    from services.cli.credentials import with_keys

    with_keys(data_dir, lambda keys: keys.block(id))
    print("blocked")


@keys_app.command("unblock")
def unblock_key(id: KeyId, data_dir: DataDir = HERE) -> None:
    """Let a blocked key in again."""
    from services.cli.credentials import with_keys

    with_keys(data_dir, lambda keys: keys.unblock(id))
    print("unblocked")


@keys_app.command("revoke")
def revoke_key(
    id: Annotated[str, typer.Argument(help="Id of the key; or -, to read the key itself from standard input.")],
    data_dir: DataDir = HERE,
) -> None:
    """Revoke a key for ever; running fronts refuse it within two seconds."""
    from services.cli.credentials import with_keys

    if id.startswith("cg-"):
        raise invalid("A key on a command line can be read by others: give its id, or - and the key on standard input.")
    given = sys.stdin.readline().strip() if id == "-" else id
    with_keys(data_dir, lambda keys: keys.revoke(given))
    print("revoked")


@keys_app.command("limits")
def limit_key(
    id: KeyId,
    limits: Annotated[
        list[str] | None,
        typer.Argument(help="As requests_per_minute=60; NAME= for none of its own. Others stay."),
    ] = None,
    data_dir: DataDir = HERE,
) -> None:
    """Set a key's own limits, within its tenant's, and print them; running fronts go by them within two seconds."""
    from services.cli.credentials import with_keys
    from services.core.tenants.keys import ApiKey, Keys

    async def change(keys: Keys) -> ApiKey:
        key = await keys.get(id)
        return await keys.limit(id, changed_limits(key.limits, limits)) if limits else key

    print(json.dumps(with_keys(data_dir, change).limits or {}))


async def every(listed: Callable[[Page], Awaitable[Listing[Item]]]) -> list[Item]:
    """All pages of a list, oldest first."""
    from services.core.store.pages import MAX_LIMIT, Page

    found: list[Item] = []
    after = ""
    while True:
        listing = await listed(Page(limit=MAX_LIMIT, after=after, sort="asc"))
        found += listing.items
        after = listing.next_after
        if not after:
            return found


def changed_limits(own: Mapping[str, Any] | None, given: list[str]) -> dict[str, Any] | None:
    """Limits with those of NAME=VALUE set, and those of NAME= taken away. Raises INVALID_ARGUMENT for other words."""
    limits = dict(own or {})
    for word in given:
        name, equals, value = word.partition("=")
        try:
            limits[name] = json.loads(value) if value else None
        except (ValueError, RecursionError):
            equals = ""
        if not equals:
            raise invalid(
                f"'{visible_line(word)}' is no limit; write it as requests_per_minute=600, shadow=true, "
                "NAME=null for none, or NAME= to take it away."
            )
        if not value:
            del limits[name]
    return limits or None


def milliseconds(option: str, text: str) -> int:
    """Of a duration such as 90d. Raises INVALID_ARGUMENT that names the option."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise invalid(f"{option}: '{visible_line(text)}' is no duration; write it as 90d, 12h, 30m or 45s.")
    return int(match[1]) * SECONDS[match[2]] * 1000
