"""What is decided about many reports and cases one after another, written together: one round trip for all tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case
from services.cases.store.calls import WAITS, tell_calls, waiting_for
from services.cases.store.concerns import ConcernFile, concern_rows
from services.cases.store.files import case_rows
from services.cases.store.finding import Tokens, finding_rows
from services.cases.store.statements import write
from services.cases.store.timeline import Line, line_rows


@dataclass(slots=True)
class Writes:
    """Waits to be written, later over earlier. Whoever reads what may be among it flushes first.

    `cases`: each as it was (None: it is new) and as it is. `tokens`: by file that is new. `told`: cases with the report
    for which calls may have been kept.
    """

    cases: list[tuple[Case | None, Case]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    concerns: list[ConcernFile] = field(default_factory=list)
    tokens: dict[str, Sequence[Tokens]] = field(default_factory=dict)
    told: list[tuple[str, str | None]] = field(default_factory=list)

    async def flush(self, connection: AsyncConnection) -> None:
        """Write all of it."""
        rows = [
            *case_rows(self.cases),
            line_rows(self.lines),
            finding_rows(self.tokens),
            concern_rows(self.concerns),
        ]
        asked = waiting_for(self.told) if self.told else None
        if await write(connection, rows, WAITS if asked else "SELECT NULL", asked):
            await tell_calls(connection, self.told)
        for kept in (self.cases, self.lines, self.concerns, self.tokens, self.told):
            kept.clear()
