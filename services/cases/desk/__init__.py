"""Where decisions meet the database: load with a lock, decide, seal, save, emit; all in the caller's one transaction.

Handlers, pages, the API and the ticker all come through here, so that there is one way for a case to change.
"""

from __future__ import annotations

from services.cases.desk.access import AccessDesk
from services.cases.desk.attachments import AttachmentDesk
from services.cases.desk.calls import CallDesk
from services.cases.desk.drafts import Draft, DraftDesk
from services.cases.desk.files import CaseFiles
from services.cases.desk.finding import FindingDesk
from services.cases.desk.incidents import IncidentDesk
from services.cases.desk.intake import Arrived, IntakeDesk, Origin
from services.cases.desk.pairs import PairDesk
from services.cases.desk.providing import ServiceDesk
from services.cases.desk.tasks import TaskDesk
from services.cases.desk.work import Answered, CaseDesk
from services.cases.settings import CasesSettings
from shared.privacy import Keys
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units

__all__ = ["Answered", "Arrived", "CaseFiles", "Desk", "Draft", "Origin"]


class Desk:
    """The parts of the desk, on the same files.

    Args:
        keys: seal and open personal words. units, deadlines: reference data. limits: of what people attach.
    """

    def __init__(self, keys: Keys, units: Units, deadlines: Deadlines, limits: CasesSettings | None = None) -> None:
        self.files = CaseFiles(keys, units, deadlines)
        self.drafts = DraftDesk(keys)
        self.finding = FindingDesk(keys)
        self.intake = IntakeDesk(self.files, self.finding)
        self.calls = CallDesk()
        self.incidents = IncidentDesk(self.files)
        self.cases = CaseDesk(self.files, PairDesk(self.files))
        self.tasks = TaskDesk(self.files)
        self.access = AccessDesk(self.files)
        self.services = ServiceDesk(self.files)
        self.attachments = AttachmentDesk(self.files, limits or CasesSettings())
