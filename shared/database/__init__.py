"""The database of a service: engine, transaction, migrations at start."""

from shared.database.engine import LOST, Database, is_conflict, is_passing, is_unstorable

__all__ = ["LOST", "Database", "is_conflict", "is_passing", "is_unstorable"]
