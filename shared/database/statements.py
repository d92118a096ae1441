"""Statements in SQL, each made once: taking one apart costs SQLAlchemy more than a small one costs the database."""

from __future__ import annotations

from functools import lru_cache

import sqlalchemy
from sqlalchemy import TextClause


# Those put together from pieces come in a few forms each; of what is told to SQLAlchemy of one it makes another.
@lru_cache(1024)
def text(sql: str) -> TextClause:
    """SQLAlchemy's `text` for a statement that is used often; the same words give the same statement."""
    return sqlalchemy.text(sql)
