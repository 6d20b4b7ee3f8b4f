"""The words of a segment with its tenant as one of them, on PostgreSQL."""

from alembic import op

revision = "0026"
down_revision = "0025"

# It is as dear as the vector is, which lies beside the row: the planner, which knows nothing of that, would rather read all rows
# than an index where a tenant has a quarter of them. A function in SQL would be written out, and lose its cost.
FUNCTION = """CREATE FUNCTION arcus_words(words tsvector, tenant_id text) RETURNS tsvector
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
  BEGIN
    RETURN words || array_to_tsvector(ARRAY['@' || tenant_id]);
  END $$"""


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute(FUNCTION)


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION arcus_words")
