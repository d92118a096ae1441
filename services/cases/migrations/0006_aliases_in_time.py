"""Whom a child's id stands for changes by merges and their undoing, heard in any order: when each was said."""

from alembic import op

revision = "cases0006"
down_revision = "cases0005"


def upgrade() -> None:
    """Whatever is said from now is later than what was heard until now."""
    op.execute("ALTER TABLE child_alias ADD COLUMN said_at timestamptz NOT NULL DEFAULT '-infinity'")
