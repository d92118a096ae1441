"""What somebody has read is known by how far they have read, and by exceptions from it, and not by a row a notice; and
messages are found by their type, so that a rare one is found in a long log."""

from __future__ import annotations

from alembic import op

revision = "notify0009"
down_revision = "notify0008"

_STATEMENTS = (
    # Of an audience that somebody belongs to, all until then is read but what stands in `notice_unread`; after it only
    # what stands in `notice_read` is.
    """
    CREATE TABLE read_mark (
        person text NOT NULL, audience text NOT NULL, until timestamptz NOT NULL, marked_at timestamptz NOT NULL,
        PRIMARY KEY (person, audience)
    )
    """,
    "CREATE INDEX read_mark_audience ON read_mark (audience)",
    """
    CREATE TABLE notice_unread (
        person text NOT NULL, notice_id uuid NOT NULL REFERENCES notice ON DELETE CASCADE,
        PRIMARY KEY (person, notice_id)
    )
    """,
    "CREATE INDEX notice_unread_of ON notice_unread (notice_id)",
    "CREATE INDEX message_type ON message (event_type, at)",
)


def upgrade() -> None:
    """Add the tables and the index."""
    for statement in _STATEMENTS:
        op.execute(statement)
