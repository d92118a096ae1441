"""What agreements let partners have: told by notify, so that the registry seals it to them."""

from alembic import op

from shared.messaging.tables import create_sharing

revision = "registry0004"
down_revision = "registry0003"


def upgrade() -> None:
    """Add the table."""
    create_sharing(op.get_bind())
