"""The whole record, its life, and what people do with many records at once: one file of statements a part."""

from pathlib import Path

from alembic import op

revision = "registry0002"
down_revision = "registry0001"

_PARTS = ("record", "matching", "lifecycle", "search", "imports", "exports", "quality", "field")


def upgrade() -> None:
    """Add everything."""
    for part in _PARTS:
        for statement in (Path(__file__).parent / "schema" / f"{part}.sql").read_text("utf-8").split(";\n"):
            if statement.strip():
                op.execute(statement)
