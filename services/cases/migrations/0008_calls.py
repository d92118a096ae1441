"""Who was called about an emergency and who answered, as notify says it, and what agreements let partners have.

What is said of a report waits for its case.
"""

from alembic import op

from shared.messaging.tables import create_sharing

revision = "cases0008"
down_revision = "cases0007"


def upgrade() -> None:
    """Add the tables."""
    create_sharing(op.get_bind())
    op.execute(
        """
        CREATE TABLE called (
            ladder_id text NOT NULL, sequence integer NOT NULL, concern_id text, case_id text,
            at timestamptz NOT NULL, kind text NOT NULL, who text NOT NULL, data jsonb NOT NULL,
            told boolean NOT NULL DEFAULT false,     -- whether it stands in a case's timeline
            PRIMARY KEY (ladder_id, sequence)
        )
        """
    )
    op.execute("CREATE INDEX called_waiting ON called (concern_id) WHERE NOT told")
