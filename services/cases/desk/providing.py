"""The desk's services: what agencies say they gave to the child of a case."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.cases import store
from services.cases.desk.files import CaseFiles
from services.cases.desk.intake import Origin
from services.cases.domain import providing
from services.cases.domain.model import SYSTEM, Case, refuse
from shared.contracts.agency import ServiceProvided
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope


class ServiceDesk:
    """Takes down what was given.

    Args:
        files: where cases and reports are kept.
    """

    def __init__(self, files: CaseFiles) -> None:
        self.files = files

    async def provided(self, scope: Scope, data: ServiceProvided, origin: Origin, *, said_at: datetime) -> None:
        """A sector gave a service, first told or corrected. In: `said_at`, when its sender says that it told so.

        Raises: `Rejected` (case-unknown, sector-not-involved, case-closed, service-kind, provided-on-in-future).
        """
        provider = None if data.provider is None else await self.files.open(scope, data.provider, str)
        notes = None if data.notes is None else await self.files.open(scope, data.notes, str)
        case = await self._case(scope, data.case_id)
        providing.require_part(await store.takes_part(scope.connection, case.id, origin.sector))
        said = providing.Given(
            kind=data.service,
            on=data.provided_on,
            sector=origin.sector,
            provider=provider,
            notes=notes,
            said_by=stable_id("service", origin.source, origin.id),
            said_at=said_at,
        )
        decision = providing.report(case, said, self.files.world(scope.now))
        await self.files.save(scope, case, decision, replace(SYSTEM, id=f"agency/{origin.sector}"), seen=False)

    async def _case(self, scope: Scope, case_id: str) -> Case:
        """The case, or the one it was merged into: its sender need not know of that."""
        case = await store.lock_case(scope.connection, case_id)
        while case is not None and case.merged_into is not None:
            case = await store.lock_case(scope.connection, case.merged_into)
        if case is None:
            raise refuse(
                "data.case_id",
                "case-unknown",
                "Không có vụ việc mang mã này.",
                "There is no case with this identifier.",
            )
        return case
