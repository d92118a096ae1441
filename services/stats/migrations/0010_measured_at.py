"""A commune's quality of records says when it was measured."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; empty where the registry did not tell the hour."""
    op.execute("ALTER TABLE quality ADD COLUMN measured_at timestamptz")
