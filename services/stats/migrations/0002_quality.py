"""How good communes' records of children are, day by day: shown beside figures."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """CREATE TABLE quality (
               unit text NOT NULL, day date NOT NULL, sequence integer NOT NULL, children bigint NOT NULL,
               verified bigint NOT NULL, due bigint NOT NULL, score double precision NOT NULL,
               PRIMARY KEY (unit, day))"""
    )
    op.execute("CREATE INDEX quality_day ON quality (day)")
