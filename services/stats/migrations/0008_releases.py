"""What is released to whoever sees aggregates only, written down once."""

from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = """
CREATE TABLE release (period text PRIMARY KEY, known_at timestamptz NOT NULL, at timestamptz NOT NULL);
CREATE TABLE release_count (
    period text NOT NULL REFERENCES release, measure text NOT NULL, circumstances text NOT NULL, by_what text NOT NULL,
    hub text NOT NULL, counts jsonb NOT NULL, PRIMARY KEY (measure, circumstances, by_what, period)
);
CREATE TABLE release_figure (
    period text NOT NULL REFERENCES release, indicator text NOT NULL, of_period text NOT NULL, value double precision,
    PRIMARY KEY (indicator, of_period)
)
"""
_FROZEN = ("release", "release_count", "release_figure")


def upgrade() -> None:
    """Create the tables; the database refuses to change them, as it does with closed periods."""
    for statement in _TABLES.split(";\n"):
        op.execute(statement)
    for table in _FROZEN:
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE TRUNCATE ON {table} EXECUTE FUNCTION frozen()")
        op.execute(
            f"""CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION frozen()"""
        )
