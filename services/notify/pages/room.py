"""What every page of the service needs: names, words, the office, and the list of notices as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from services.notify.domain import audiences_of
from services.notify.office import Office
from services.notify.store import notices as inbox
from services.notify.texts import Fields, Texts
from shared.database import Database
from shared.identity import Principal
from shared.reference.notify_rules import NotifyRules
from shared.web.i18n import Language
from shared.web.pages import Pages

PAGE: Final = 50
NOTIFY: Final = "/notify"


class Room:
    """What pages are made with.

    Args:
        office: does the work. pages: turn templates into answers. units: commune code -> name.
        push_key: what browsers subscribe to push with.
    """

    def __init__(
        self,
        office: Office,
        pages: Pages,
        texts: Texts,
        database: Database,
        units: Mapping[str, str],
        push_key: str,
    ) -> None:
        self.push_key = push_key
        self.office = office
        self.pages = pages
        self.texts = texts
        self.database = database
        self.units = units

    async def notices(
        self, principal: Principal, language: Language, *, unread: bool = False, before: datetime | None = None
    ) -> tuple[str, datetime | None]:
        """A person's list as HTML, and where the next page begins."""
        mine = audiences_of(principal, tuple(self.units))
        async with self.database.transaction() as connection:
            rows = await inbox.notices(connection, principal.id, mine, unread=unread, before=before, limit=PAGE + 1)
        groups: dict[tuple[object, ...], list[inbox.Notice]] = {}
        for row in rows[:PAGE]:
            title = self.title(row, language)
            groups.setdefault((title, row.unit, row.due, row.urgent, row.read_at is None), []).append(row)
        shown = [{"notice": alike[0], "title": alike_as[0], "alike": alike} for alike_as, alike in groups.items()]
        return (
            self.pages.fragment("notices.html", language, notices=shown),
            rows[PAGE - 1].created_at if len(rows) > PAGE else None,
        )

    async def live(self, principal: Principal, language: Language) -> str:
        """The first page of a person's list, as an open page receives it."""
        return (await self.notices(principal, language))[0]

    def title(self, row: inbox.Notice, language: Language) -> str:
        """What a notice says, in words; of an emergency first what it is."""
        fields = Fields(row.event_type, row.case_id, self.pages.unit_name(row.unit), row.due, row.case_code, row.count)
        said = self.texts.title(fields, language)
        rule = NotifyRules.load().named(row.rule or "") if row.ladder_id else None
        return said if rule is None else f"{rule.vi if language == 'vi' else rule.en} · {said}"
