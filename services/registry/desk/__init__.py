"""What can be done to the registry, by events and by people alike; each act works inside the caller's transaction."""

from services.registry.desk.following import today
from services.registry.desk.lifecycle import Lifecycle
from services.registry.desk.linking import emit_link, sector_of
from services.registry.desk.records import Desk, Taken, VersionConflictError
from services.registry.desk.sampling import Samples

__all__ = ["Desk", "Lifecycle", "Samples", "Taken", "VersionConflictError", "emit_link", "sector_of", "today"]
