"""What people call a case, as its events say it since contracts carry the code."""

from alembic import op

revision = "notify0002"
down_revision = "notify0001"


def upgrade() -> None:
    """Add it; what was kept before has none."""
    op.execute("ALTER TABLE message ADD COLUMN case_code text")
    op.execute("ALTER TABLE notice ADD COLUMN case_code text")
