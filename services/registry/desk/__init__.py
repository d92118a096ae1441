"""What can be done to the registry, by events and by people alike; each act works inside the caller's transaction."""

from services.registry.desk.records import Desk, Taken, VersionConflictError, emit_link, sector_of, today

__all__ = ["Desk", "Taken", "VersionConflictError", "emit_link", "sector_of", "today"]
