"""A notice says what has to be done by its date, so that it counts down no more once that is done or needed no more."""

from __future__ import annotations

from alembic import op

revision = "notify0012"
down_revision = "notify0011"

_STATEMENTS = (
    # `matter`: the task, deadline, plan or offer that is to be done by `due`. `happened_at`: what was done before it
    # settles nothing. Neither is known of what was written before. A matter may be asked for and settled again and
    # again: each time stays, so that what was settled once stays as it was.
    "ALTER TABLE notice ADD COLUMN matter text, ADD COLUMN happened_at timestamptz",
    "CREATE INDEX notice_matter ON notice (matter) WHERE matter IS NOT NULL",
    "ALTER TABLE notice_line ADD COLUMN matter text, ADD COLUMN happened_at timestamptz",
    "CREATE INDEX notice_line_matter ON notice_line (matter) WHERE matter IS NOT NULL",
    """
    CREATE TABLE settled_matter (
        matter text NOT NULL, at timestamptz NOT NULL, how text NOT NULL CHECK (how IN ('done', 'needless')),
        PRIMARY KEY (matter, at)
    )
    """,
    "CREATE INDEX settled_matter_at ON settled_matter (at)",
)


def upgrade() -> None:
    """Add the columns and the table."""
    for statement in _STATEMENTS:
        op.execute(statement)
