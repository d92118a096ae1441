"""What was said of calls waits for a case by the report or by the case: both are looked up."""

from alembic import op

revision = "cases0010"
down_revision = "cases0009"


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX called_of_case ON called (case_id) WHERE NOT told")
