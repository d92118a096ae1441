"""What can be done to the registry, by events and by people alike; each act works inside the caller's transaction."""

from services.registry.desk.records import ZONE, Desk, Taken, VersionConflictError, emit_link, sector_of, today

__all__ = ["ZONE", "Desk", "Taken", "VersionConflictError", "emit_link", "sector_of", "today"]
