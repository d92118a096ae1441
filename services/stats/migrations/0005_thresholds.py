"""Which thresholds are crossed, so that each is told once; values of indicators that are no whole numbers."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table, widen the column."""
    op.execute("ALTER TABLE indicator ALTER COLUMN value TYPE double precision")
    op.execute(
        """CREATE TABLE crossing (
               watch text NOT NULL, subject text NOT NULL, sequence integer NOT NULL,
               since timestamptz NOT NULL, seen_at timestamptz NOT NULL, PRIMARY KEY (watch, subject)
           )"""
    )
