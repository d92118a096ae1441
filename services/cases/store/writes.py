"""What is decided about many reports and cases one after another, written together: a round trip a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case
from services.cases.store.calls import tell_calls
from services.cases.store.concerns import ConcernFile, save_concerns
from services.cases.store.files import save_cases
from services.cases.store.finding import Tokens, keep_tokens
from services.cases.store.timeline import Line


@dataclass(slots=True)
class Writes:
    """Waits to be written in the order in which it came. Whoever reads what may be among it flushes first.

    `cases`: each as it was (None: it is new) and as it is. `tokens`: by file. `told`: cases with the report for which
    calls may have been kept.
    """

    cases: list[tuple[Case | None, Case]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    concerns: list[ConcernFile] = field(default_factory=list)
    tokens: dict[str, Sequence[Tokens]] = field(default_factory=dict)
    told: list[tuple[str, str | None]] = field(default_factory=list)

    async def flush(self, connection: AsyncConnection) -> None:
        """Write all of it."""
        if self.cases:
            await save_cases(connection, self.cases, self.lines)
        await keep_tokens(connection, self.tokens)
        await save_concerns(connection, self.concerns)
        await tell_calls(connection, self.told)
        for kept in (self.cases, self.lines, self.concerns, self.tokens, self.told):
            kept.clear()
