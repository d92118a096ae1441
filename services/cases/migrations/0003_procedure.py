"""The law's whole procedure: one file of statements a part of the house, in `schema/`."""

from pathlib import Path

from alembic import op

revision = "cases0003"
down_revision = "cases0002"

_PARTS = ("cases", "concerns", "tasks", "team", "drafts", "attachments", "finding", "lists", "clocks")


def upgrade() -> None:
    """Add everything."""
    for part in _PARTS:
        for statement in (Path(__file__).parent / "schema" / f"{part}.sql").read_text("utf-8").split(";\n"):
            if statement.strip():
                op.execute(statement)
