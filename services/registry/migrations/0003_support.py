"""Until when a child counts as supported: twelve months from the last service that was given in one of its cases."""

from alembic import op

revision = "registry0003"
down_revision = "registry0002"


def upgrade() -> None:
    """Add the columns: whether it was told, and until when. Children with services of before are due at once: the
    ticker works theirs out and tells of them."""
    op.execute(
        """ALTER TABLE child ADD COLUMN supported boolean NOT NULL DEFAULT false, ADD COLUMN supported_until date"""
    )
    op.execute(
        """WITH RECURSIVE one AS (
               SELECT c.child_id AS id FROM child_case AS c JOIN child_service AS s USING (case_id)
               WHERE c.child_id IS NOT NULL AND s.given
               UNION SELECT child.merged_into FROM child JOIN one USING (id) WHERE child.merged_into IS NOT NULL)
           UPDATE child SET supported_until = '-infinity' FROM one WHERE one.id = child.id AND merged_into IS NULL"""
    )
    op.execute("CREATE INDEX child_supported ON child (supported_until) WHERE supported_until IS NOT NULL")
