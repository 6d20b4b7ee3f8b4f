"""Triggers that refuse to change the rows of a table, and to delete those that are to be kept, on both databases."""

from __future__ import annotations

from collections.abc import Iterator


def append_only(table: str, *, is_sqlite: bool) -> Iterator[str]:
    """The statements that make a table so, which has a column `at`. Rows before its `kept_since` may be deleted."""
    kept = f"OLD.at >= COALESCE((SELECT at FROM kept_since WHERE table_name = '{table}'), 0)"
    refusal = f"{table} is append-only"
    if is_sqlite:
        for event, condition in (("UPDATE", ""), ("DELETE", f"WHEN {kept} ")):
            yield (
                f"CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table} {condition}"
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    yield (
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'DELETE' AND NOT ({kept}) THEN RETURN OLD; END IF; "
        f"RAISE EXCEPTION '{refusal}'; END $$"
    )
    yield (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()"
    )
    yield (
        f"CREATE TRIGGER {table}_not_truncated BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )


def not_append_only(table: str, *, is_sqlite: bool) -> Iterator[str]:
    """What takes that back, once the table is gone."""
    if not is_sqlite:
        yield f"DROP FUNCTION {table}_append_only()"
