"""Where a service keeps the wrapped data keys it has made or heard of."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Table, Text

PRIVACY_KEY = Table(
    "privacy_key",
    MetaData(),
    Column("kid", Text, primary_key=True),
    Column("wrapped", LargeBinary),  # null: erased
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
