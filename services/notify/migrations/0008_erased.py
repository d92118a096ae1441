"""Children that were erased by law, by number only: content sealed before is heard on another topic, perhaps later."""

from __future__ import annotations

from alembic import op

revision = "notify0008"
down_revision = "notify0007"


def upgrade() -> None:
    """Add them."""
    op.execute("CREATE TABLE erased_child (child_id text PRIMARY KEY, at timestamptz NOT NULL)")
