"""What every page of the service needs: names, words, the desks, and the list of notices as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from fastapi import Request

from services.notify.desk.desks import Desks
from services.notify.domain import audiences_of
from services.notify.store import ladders
from services.notify.store import notices as inbox
from services.notify.texts import Fields, Preview, Texts
from services.notify.views import ladder_name
from shared.database import Database
from shared.identity import Principal, Role
from shared.reference.notify_rules import NotifyRules
from shared.web.i18n import Language
from shared.web.pages import Pages, language_of
from shared.web.shell import LANGUAGE_COOKIE

PAGE: Final = 50
# Of what must be acknowledged, so many above the list; all of it has a page.
MOST_WAITING: Final = 5
NOTIFY: Final = "/notify"
# As each calls itself.
LANGUAGES: Final[tuple[tuple[Language, str], ...]] = (("vi", "Tiếng Việt"), ("en", "English"))


def is_undecided(request: Request) -> bool:
    """Whether a page's language is nobody's choice yet."""
    return LANGUAGE_COOKIE not in request.cookies and "lang" not in request.query_params


def speak(request: Request, chosen: Language | None) -> Language:
    """Answer in a language, where the request says none. Out: the one it is answered in."""
    if chosen is not None and is_undecided(request):
        request.state.language = chosen
    return language_of(request)


class Room:
    """What pages are made with.

    Args:
        desks: do the work. pages: turn templates into answers. units: commune code -> name.
        push_key: what browsers subscribe to push with.
    """

    def __init__(
        self,
        desks: Desks,
        pages: Pages,
        texts: Texts,
        database: Database,
        units: Mapping[str, str],
        push_key: str,
    ) -> None:
        self.push_key = push_key
        self.desks = desks
        self.pages = pages
        self.texts = texts
        self.database = database
        self.units = units

    async def notices(
        self,
        principal: Principal,
        language: Language,
        wanted: inbox.Filter = inbox.EVERYTHING,
        *,
        before: datetime | None = None,
    ) -> tuple[str, datetime | None]:
        """A person's list as HTML, and where the next page begins. What is urgent and unread comes first, and before
        all what somebody must acknowledge."""
        mine = audiences_of(principal, tuple(self.units))
        whole = before is None and not wanted.narrows
        apart = not (wanted.unread and wanted.urgent)
        seen = self.pages.clock()
        async with self.database.transaction() as connection:
            pressing = []
            if apart and before is None:
                pressing = await inbox.notices(
                    connection, principal.id, mine, replace(wanted, pressing=True), limit=PAGE
                )
            others = replace(wanted, pressing=False) if apart else wanted
            rows = await inbox.notices(connection, principal.id, mine, others, before=before, limit=PAGE + 1)
            count = await inbox.unread_count(connection, principal.id, mine)
            about = {row.ladder_id for row in [*pressing, *rows] if row.ladder_id}
            open_ladders = await ladders.open_ones(connection, about) if about else set()
        waiting = await self.desks.personal.emergencies(principal, open_only=True) if whole else []
        if principal.role is Role.OPERATOR:  # keeps the platform up, and does not act for a child
            waiting = []
        html = self.pages.fragment(
            "notices.html",
            language,
            waiting=[(one, ladder_name(one.ladder, language)) for one in waiting[:MOST_WAITING]],
            more_waiting=max(len(waiting) - MOST_WAITING, 0),
            pressing=self._alike(pressing, language),
            most_pressing=len(pressing) == PAGE,
            notices=self._alike(rows[:PAGE], language),
            narrowed=wanted.narrows,
            count=count,
            most_counted=inbox.MOST_COUNTED,
            open_ladders=open_ladders,
            seen=seen,
        )
        return html, rows[PAGE - 1].created_at if len(rows) > PAGE else None

    async def speak(self, request: Request, principal: Principal) -> Language:
        """Out: the language of a page. What somebody chose on this device holds; on a new one, how they want to be
        told."""
        return speak(request, await self.desks.personal.language(principal.id) if is_undecided(request) else None)

    def previews(
        self, event_type: str, base_url: str, unit: str | None, about: str = "child-in-danger"
    ) -> list[tuple[str, Preview]]:
        """What people read of an event type, in each language by its own name; empty where there are no words for it.
        In: `unit`: where, by code; `about`: of a call of an emergency, the ladder."""
        found = (
            (name, self.texts.preview(event_type, code, base_url, self.pages.unit_name(unit, code), about))
            for code, name in LANGUAGES
        )
        return [(name, preview) for name, preview in found if preview is not None]

    async def live(self, principal: Principal, language: Language) -> str:
        """The first page of a person's list, as an open page receives it."""
        return (await self.notices(principal, language))[0]

    def _alike(self, rows: Sequence[inbox.Notice], language: Language) -> list[dict[str, object]]:
        """What says the same is shown once, with all of it to open."""
        groups: dict[tuple[object, ...], list[inbox.Notice]] = {}
        for row in rows:
            title = self.title(row, language)
            groups.setdefault((title, row.unit, row.due, row.urgent, row.settled, row.read_at is None), []).append(row)
        return [
            {
                "notice": alike[0],
                "title": said[0],
                "alike": alike,
                "due": self.texts.by_when(alike[0].event_type, alike[0].due),
            }
            for said, alike in groups.items()
        ]

    def title(self, row: inbox.Notice, language: Language) -> str:
        """What a notice says, in words; of an emergency first what it is."""
        place = self.pages.unit_name(row.unit, language)
        fields = Fields(row.event_type, row.case_id, place, row.due, row.case_code, row.count)
        said = self.texts.title(fields, language)
        rule = NotifyRules.load().named(row.rule or "") if row.ladder_id else None
        return said if rule is None else f"{rule.vi if language == 'vi' else rule.en} · {said}"
