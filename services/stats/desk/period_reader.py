"""What somebody may see of a closed period: figures as they are, those of the own communes, or what is published."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from services.stats.desk.periods import Periods
from services.stats.domain.closing import Audience, Edition
from services.stats.exporting import FILES, write
from services.stats.store.closings import Signed
from services.stats.views import Words
from shared.contracts.errors import refuse
from shared.identity import ALL_UNITS, NotAllowedError, Permission, Principal
from shared.web.i18n import Language, Texts

Wanted = Literal["exact", "published", ""]
# A paper takes a core for some tenths of a second.
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """An edition as somebody sees it. `own`: the figures of the communes that are theirs, as they are."""

    edition: Edition | None
    signed: Signed | None
    own: Edition | None


class PeriodReader:
    """Looks at closed periods for somebody.

    Args:
        periods: the desk. texts: what pages say.
    """

    def __init__(self, periods: Periods, texts: Texts) -> None:
        self._periods = periods
        self._texts = texts
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def audience(self, principal: Principal, wanted: Wanted) -> Audience:
        """Which edition somebody is shown. Raises `NotAllowedError` where they ask for more than they may see."""
        exact = self._periods.sees_exact(principal)
        if wanted == "exact" and not exact:
            raise NotAllowedError("The role has published figures only")
        return "exact" if exact and wanted != "published" else "published"

    async def see(self, principal: Principal, code: str, wanted: Wanted = "", revision: int | None = None) -> Seen:
        """A period for a page. Raises `NotAllowedError`."""
        if self.audience(principal, wanted) == "exact":
            signed = await self._periods.exact(code, revision)
            return Seen(signed.read() if signed else None, signed, None)
        signed = await self._periods.published(code)
        own = None
        if principal.units != ALL_UNITS and self._periods.sees_own(principal):
            exact = await self._periods.exact(code)
            own = exact.read().of_units(principal.units) if exact else None
        return Seen(signed.read() if signed else None, signed, own)

    async def signed(
        self, principal: Principal, code: str, wanted: Wanted, revision: int | None
    ) -> tuple[Signed, Audience]:
        """The bytes of an edition that somebody may take along, as they were signed.

        Raises `NotAllowedError`, `Rejected` (edition-unknown).
        """
        if not principal.may(Permission.EXPORT_STATISTICS):
            raise NotAllowedError("The role does not export figures")
        # A file leaves the house: without a word, it is what everybody may see.
        audience = self.audience(principal, wanted or "published")
        found = (
            await self._periods.exact(code, revision) if audience == "exact" else await self._periods.published(code)
        )
        if found is None:
            raise refuse(
                "period",
                "edition-unknown",
                "Kỳ này chưa được chốt, hoặc số công bố chưa đến ngày.",
                "This period is not closed, or not published yet.",
            )
        return found, audience

    async def file(
        self, principal: Principal, code: str, name: str, wanted: Wanted, revision: int | None, language: Language
    ) -> bytes:
        """An edition as a file of `FILES`; who took it is kept. Raises as `signed`."""
        signed, audience = await self.signed(principal, code, wanted, revision)
        # Reports are official papers: they speak Vietnamese, whatever the screen does.
        spoken: Language = "vi" if name.startswith("report.") else language
        async with self._gate:
            body = await asyncio.to_thread(write, FILES[name].name, signed.content, Words(self._texts, spoken))
        number = signed.read().edition if audience == "exact" else None
        await self._periods.log_export(principal, code, number, name)
        return body
