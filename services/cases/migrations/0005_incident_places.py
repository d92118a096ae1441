"""Where an incident happened is a code; words for it are sealed. What lies here in clear is sealed by the upkeep."""

from alembic import op

revision = "cases0005"
down_revision = "cases0004"


def upgrade() -> None:
    """Add code and sealed words beside the old column, which nothing is written to any more."""
    op.execute("ALTER TABLE incident ADD COLUMN place_code text, ADD COLUMN place_words jsonb")
    op.execute("CREATE INDEX incident_place ON incident (id) WHERE place IS NOT NULL")
