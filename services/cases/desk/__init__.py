"""Where decisions meet the database: load with a lock, decide, seal, save, emit; all in the caller's one transaction.

Handlers, pages, the API and the ticker all come through here, so that there is one way for a case to change.
"""

from __future__ import annotations

from services.cases.desk.access import AccessDesk
from services.cases.desk.drafts import Draft, DraftDesk
from services.cases.desk.files import CaseFiles
from services.cases.desk.intake import IntakeDesk, Origin
from services.cases.desk.tasks import TaskDesk
from services.cases.desk.work import CaseDesk
from shared.privacy import Keys
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units

__all__ = ["CaseFiles", "Desk", "Draft", "Origin"]


class Desk:
    """The parts of the desk, on the same files.

    Args:
        keys: seal and open personal words. units, deadlines: reference data.
    """

    def __init__(self, keys: Keys, units: Units, deadlines: Deadlines) -> None:
        self.files = CaseFiles(keys, units, deadlines)
        self.drafts = DraftDesk(keys)
        self.intake = IntakeDesk(self.files)
        self.cases = CaseDesk(self.files)
        self.tasks = TaskDesk(self.files)
        self.access = AccessDesk(self.files)
