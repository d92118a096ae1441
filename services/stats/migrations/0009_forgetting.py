"""What was put aside is found by whom it is about, and says when its content went (decision 0036)."""

from __future__ import annotations

from alembic import op

from shared.messaging.tables import add_forgetting

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns."""
    add_forgetting(op.get_bind())
