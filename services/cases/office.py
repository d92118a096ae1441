"""The desk with its database and clock: what pages and the API work through, one transaction a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.cases.desk import Desk, Origin
from services.cases.domain.model import refuse
from services.cases.reading import actor_of
from services.cases.store import ConcernFile, find_concern, lock_report
from shared.contracts.agency import ConcernReported
from shared.database import Database
from shared.identity import Principal
from shared.messaging.inbox import content_of, recognise
from shared.messaging.outbox import stable_id
from shared.messaging.router import Clock, Scope

# The sector under which a commune's or the province's own report is counted: the default lead of a case.
_LEAD = "dolisa"


@dataclass(frozen=True, slots=True)
class Office:
    """What a request needs."""

    desk: Desk
    database: Database
    clock: Clock

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[Scope]:
        """One transaction; what was emitted is written before it commits."""
        async with self.database.transaction() as connection:
            scope = Scope("cases", connection, self.clock())
            yield scope
            await scope.flush()

    async def report(
        self, scope: Scope, report: ConcernReported, principal: Principal, report_id: str, *, dated: bool = True
    ) -> ConcernFile:
        """A report that a person typed in: taken in as an agency's event would be. Sent twice, it is one report.

        In: `dated`: somebody said when it was received; else that moment is the sending's, and no part of what is said.
        Raises: `Rejected` (report-sent-already, and those of the intake).
        """
        actor = actor_of(principal)
        origin = Origin(actor.sector or _LEAD, f"/services/cases/reports/{actor.id}", report_id, actor.id)
        concern_id = stable_id("concern", origin.source, origin.id)
        await lock_report(scope.connection, concern_id)
        known = await find_concern(scope.connection, concern_id)
        keys = self.desk.files.keys
        content = content_of(keys, report, without=() if dated else ("received_at",))
        seen = await recognise(scope.connection, keys, origin.source, origin.id, content)
        if known is None:
            return await self.desk.intake.take_in(scope, report, origin)
        if seen == "other":
            # What is new in it may be that the child is in danger: nobody may believe that it was heard.
            raise refuse(
                "report_id",
                "report-sent-already",
                f"Báo tin {known.concern.code} đã gửi trước đó với nội dung khác, nên nội dung này chưa được gửi. "
                "Xin xem lại rồi gửi thành một báo tin mới.",
                f"Report {known.concern.code} was sent before with other content, so this content was not sent. Please "
                "look at it again and send it as a new report.",
            )
        return known


def coarse(value: Any) -> dict[str, Any]:
    """A facts model as JSON."""
    dumped: dict[str, Any] = value.model_dump(mode="json")
    return dumped
