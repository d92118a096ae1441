"""What a line that speaks of several things stands for: each of them, to be opened by itself. And what is urgent,
unread, still open or about one case is found at once."""

from __future__ import annotations

from alembic import op

revision = "notify0006"
down_revision = "notify0005"


def upgrade() -> None:
    """Make the table and the indexes."""
    op.execute("CREATE INDEX notice_urgent ON notice (audience, created_at DESC) WHERE urgent")
    op.execute("CREATE INDEX notice_case ON notice (upper(case_code)) WHERE case_code IS NOT NULL")
    op.execute("CREATE INDEX notice_read_by ON notice_read (person, notice_id)")
    # What is still open is a handful, however many ladders there were.
    op.execute("CREATE INDEX ladder_open ON ladder (began_at DESC) WHERE state IN ('open', 'exhausted')")
    op.execute(
        """
        CREATE TABLE notice_line (
            notice_id uuid NOT NULL REFERENCES notice ON DELETE CASCADE, message_id uuid NOT NULL, case_id text,
            case_code text, due timestamptz, path text NOT NULL, at timestamptz NOT NULL,
            PRIMARY KEY (notice_id, message_id)
        )
        """
    )
