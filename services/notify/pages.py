"""The pages of notify: inbox, subscriptions with their delivery log, and the operators' view.

They show what the office gives out and decide nothing; every one works without JavaScript.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, ValidationError

from services.notify import inbox
from services.notify.acts import Change, Office, Wanted
from services.notify.api import found
from services.notify.domain import DeliveryState, audiences_of
from services.notify.live import LiveInbox
from services.notify.texts import Fields, Texts, case_name
from shared.contracts.errors import Rejected, violations_of
from shared.database import Database
from shared.identity import ALL_UNITS, Operator, Principal, SignedIn
from shared.web.i18n import Language
from shared.web.pages import Pages, language_of

_PAGE = 50
_DAYS = {"1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30)}
# What leaves no trace on disk: pages that show a secret.
_ONCE = {"Cache-Control": "no-store"}
_NOTIFY = "/notify"
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# The notices that a button is about: those that are shown as one.
_SOME = f"^(?:{_ID}(?: {_ID}){{0,{_PAGE - 1}}})?$"


class Shown:
    """Renders what pages and the live inbox share."""

    def __init__(self, pages: Pages, texts: Texts, database: Database, units: Mapping[str, str]) -> None:
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
            rows = await inbox.notices(connection, principal.id, mine, unread=unread, before=before, limit=_PAGE + 1)
        groups: dict[tuple[object, ...], list[inbox.Notice]] = {}
        for row in rows[:_PAGE]:
            title = self.title(row, language)
            groups.setdefault((title, row.unit, row.due, row.urgent, row.read_at is None), []).append(row)
        shown = [{"notice": alike[0], "title": alike_as[0], "alike": alike} for alike_as, alike in groups.items()]
        return (
            self.pages.fragment("notices.html", language, notices=shown),
            rows[_PAGE - 1].created_at if len(rows) > _PAGE else None,
        )

    async def live(self, principal: Principal, language: Language) -> str:
        """The first page of a person's list, as an open page receives it."""
        return (await self.notices(principal, language))[0]

    def title(self, row: inbox.Notice, language: Language) -> str:
        """What a notice says, in words."""
        fields = Fields(row.event_type, row.case_id, self.pages.unit_name(row.unit), row.due, row.case_code)
        return self.texts.title(fields, language)


def page_routes(shown: Shown, office: Office, live: LiveInbox) -> APIRouter:
    """Routes below `/notify`."""
    router = APIRouter(include_in_schema=False)
    _inbox_pages(router, shown, live)
    _subscription_pages(router, shown, office)
    _change_pages(router, shown, office)
    _log_pages(router, shown, office)
    return router


def _inbox_pages(router: APIRouter, shown: Shown, live: LiveInbox) -> None:
    units = tuple(shown.units)

    @router.get("/")
    async def show_inbox(
        request: Request, principal: SignedIn, unread: bool = False, before: AwareDatetime | None = None
    ) -> Response:
        language = language_of(request)
        listed, after = await shown.notices(principal, language, unread=unread, before=before)
        async with shown.database.transaction() as connection:
            count = await inbox.unread_count(connection, principal.id, audiences_of(principal, units))
        following = {"before": after.isoformat() if after else "", **({"unread": "true"} if unread else {})}
        return shown.pages.render(
            request,
            "inbox.html",
            listed=listed,
            unread=unread,
            count=count,
            # Only the newest page of everything changes by itself.
            topic=None if unread or before else live.topic(principal, language),
            first=f"{_NOTIFY}/" + ("?unread=true" if unread else "") if before else None,
            following=f"{_NOTIFY}/?{urlencode(following)}" if after else None,
        )

    @router.get("/live")
    async def stream(request: Request, principal: SignedIn) -> Response:
        return live.stream(request, principal, language_of(request))

    @router.get("/open/{identifier}")
    async def open_notice(principal: SignedIn, identifier: UUID) -> Response:
        mine = audiences_of(principal, units)
        async with shown.database.transaction() as connection:
            path = await inbox.path_of(connection, mine, str(identifier))
            if path is not None:
                now = shown.pages.clock()
                await inbox.mark_read(connection, principal.id, mine, [str(identifier)], now)
        return RedirectResponse(path or f"{_NOTIFY}/", 303)

    @router.post("/read")
    async def mark_read(
        principal: SignedIn,
        notice: Annotated[str, Form(pattern=_SOME)] = "",
        undo: Annotated[str, Form(pattern=_SOME)] = "",
    ) -> Response:
        async with shown.database.transaction() as connection:
            if undo:
                await inbox.mark_unread(connection, principal.id, undo.split())
            else:
                mine = audiences_of(principal, units)
                await inbox.mark_read(connection, principal.id, mine, notice.split() or None, shown.pages.clock())
        return RedirectResponse(f"{_NOTIFY}/", 303)


def _subscription_pages(router: APIRouter, shown: Shown, office: Office) -> None:
    @router.get("/subscriptions")
    async def show_subscriptions(request: Request, principal: SignedIn, deleted: UUID | None = None) -> Response:
        rows = await office.mine(principal)
        return shown.pages.render(
            request,
            "subscriptions.html",
            rows=[(row, office.address(principal, row)) for row in rows],
            channels=office.channels_for(principal),
            deleted=deleted,
        )

    @router.get("/subscriptions/new")
    async def show_form(request: Request, principal: SignedIn) -> Response:
        return _form(shown, office, request, principal)

    @router.post("/subscriptions")
    async def create(
        request: Request,
        principal: SignedIn,
        channel: Annotated[str, Form()] = "",
        name: Annotated[str, Form()] = "",
        target: Annotated[str, Form()] = "",
        event_types: Annotated[list[str] | None, Form()] = None,
        units: Annotated[list[str] | None, Form()] = None,
        language: Annotated[str, Form()] = "vi",
    ) -> Response:
        chosen = {
            "channel": channel,
            "name": name,
            "target": target,
            "event_types": event_types or [],
            "units": units or None,
            "language": language,
        }
        try:
            created = await office.create(principal, Wanted.model_validate(chosen))
        except ValidationError as error:
            return _form(shown, office, request, principal, 422, chosen=chosen, violations=violations_of(error, ""))
        except Rejected as rejected:
            return _form(shown, office, request, principal, 422, chosen=chosen, violations=rejected.violations)
        if created.secret is None:
            return RedirectResponse(f"{_NOTIFY}/subscriptions/{created.id}", 303)
        return shown.pages.render(
            request, "secret.html", headers=_ONCE, status=201, identifier=created.id, secret=created.secret, new=True
        )


def _change_pages(router: APIRouter, shown: Shown, office: Office) -> None:
    @router.post("/subscriptions/{identifier}/rotate")
    async def rotate(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            secret = await office.rotate(principal, identifier)
        return shown.pages.render(
            request, "secret.html", headers=_ONCE, status=201, identifier=identifier, secret=secret, new=False
        )

    @router.post("/subscriptions/{identifier}/test")
    async def send_test(principal: SignedIn, identifier: str) -> Response:
        with found():
            await office.send_test(principal, identifier)
        return RedirectResponse(f"{_NOTIFY}/subscriptions/{identifier}?done=test", 303)

    @router.post("/subscriptions/{identifier}/replay")
    async def replay_failed(principal: SignedIn, identifier: str, days: Annotated[str, Form()] = "1") -> Response:
        since = shown.pages.clock() - _DAYS.get(days, _DAYS["1"])
        with found():
            count = await office.replay_failed(principal, identifier, since)
        return RedirectResponse(f"{_NOTIFY}/subscriptions/{identifier}?replayed={count}", 303)

    @router.post("/subscriptions/{identifier}/{change}")
    async def change(principal: SignedIn, identifier: str, change: Change) -> Response:
        with found():
            row = await office.change(principal, identifier, change)
        after = f"?deleted={row.id}" if change == "delete" else f"/{row.id}"
        return RedirectResponse(f"{_NOTIFY}/subscriptions{after}", 303)


def _form(
    shown: Shown, office: Office, request: Request, principal: Principal, status: int = 200, **more: Any
) -> Response:
    language = language_of(request)
    types = [(name, shown.texts.explanation(name, language)) for name in office.event_types(principal)]
    groups = {
        publisher: [pair for pair in types if pair[0].startswith(publisher + ".")]
        for publisher in ("cases", "registry", "stats")
    }
    units = [(code, name) for code, name in shown.units.items() if principal.may_see(code)]
    empty: dict[str, Any] = {
        "channel": "webhook",
        "name": "",
        "target": "",
        "event_types": [],
        "units": None,
        "language": language,
    }
    context = {"chosen": empty, "violations": (), **more}
    return shown.pages.render(
        request,
        "subscription_new.html",
        status=status,
        channels=office.channels_for(principal),
        groups={name: pairs for name, pairs in groups.items() if pairs},
        units=sorted(units, key=lambda pair: pair[1]),
        everywhere=principal.units == ALL_UNITS,
        **context,
    )


def _log_pages(router: APIRouter, shown: Shown, office: Office) -> None:
    @router.get("/subscriptions/{identifier}")
    async def show_subscription(
        request: Request,
        principal: SignedIn,
        identifier: str,
        state: DeliveryState | None = None,
        before: AwareDatetime | None = None,
        done: str = "",
        replayed: int | None = None,
    ) -> Response:
        with found():
            row = await office.find(principal, identifier)
            entries = await office.entries(principal, identifier, state, before, _PAGE + 1)
            figures = await office.figures(principal, identifier)
        language = language_of(request)
        base = f"{_NOTIFY}/subscriptions/{row.id}"
        last = entries[_PAGE - 1].created_at.isoformat() if len(entries) > _PAGE else ""
        kept = {"state": state} if state else {}
        return shown.pages.render(
            request,
            "subscription.html",
            row=row,
            address=office.address(principal, row),
            entries=[(entry, shown.texts.explanation(entry.event_type, language)) for entry in entries[:_PAGE]],
            figures=figures,
            state=state,
            done=done,
            replayed=replayed,
            base=base,
            first=f"{base}?{urlencode(kept)}" if before else None,
            following=f"{base}?{urlencode({**kept, 'before': last})}" if last else None,
        )

    @router.get("/deliveries/{identifier}")
    async def show_delivery(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            row, entry, attempts = await office.entry(principal, identifier)
        return shown.pages.render(
            request,
            "delivery.html",
            row=row,
            entry=entry,
            explanation=shown.texts.explanation(entry.event_type, language_of(request)),
            attempts=attempts,
            # Shown with line breaks; what is sent and signed has none.
            body=orjson.dumps(orjson.loads(entry.body), option=orjson.OPT_INDENT_2).decode(),
            case=case_name(entry.case_code, entry.case_id),
        )

    @router.post("/deliveries/{identifier}/replay")
    async def replay(principal: SignedIn, identifier: str) -> Response:
        with found():
            await office.replay(principal, identifier)
        return RedirectResponse(f"{_NOTIFY}/deliveries/{identifier}", 303)

    @router.get("/queue")
    async def show_queue(request: Request, _operator: Operator) -> Response:
        queue, troubles = await office.operations()
        return shown.pages.render(request, "queue.html", queue=queue, troubles=troubles)
