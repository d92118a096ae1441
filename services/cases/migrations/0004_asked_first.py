"""Whoever broke a glass without cause asks first for a while: until when."""

from alembic import op

revision = "cases0004"
down_revision = "cases0003"


def upgrade() -> None:
    """Add the moment; verdicts given before it bar nobody."""
    op.execute("ALTER TABLE glass ADD COLUMN barred_until timestamptz")
