"""Tasks may be cancelled: when."""

from alembic import op

revision = "cases0002"
down_revision = "cases0001"


def upgrade() -> None:
    """Add the moment; tasks of earlier cases were never cancelled."""
    op.execute("ALTER TABLE task ADD COLUMN cancelled_at timestamptz")
