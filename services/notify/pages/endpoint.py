"""One endpoint: how it does, what it is told, its delivery log, and sending a period of it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, ValidationError

from services.notify.api.answers import found
from services.notify.desk.endpoints import Bounds
from services.notify.desk.replays import Period
from services.notify.domain import PERSONAL, DeliveryState
from services.notify.pages.room import NOTIFY, PAGE, Room
from services.notify.store.log import Hour, Sought
from shared.contracts.errors import Rejected, Violation, violations_of
from shared.identity import Principal, SignedIn
from shared.reference.calendar import LOCAL
from shared.web.forms import form_of
from shared.web.pages import language_of

_DAYS: Final = {"1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30)}
# How far back the chart goes -> the hours that a bar of it stands for: some thirty of them fit a phone.
_CHARTS: Final = {7: 6, 30: 24, 90: 72}
_HIGH: Final = 60


def routes(room: Room) -> APIRouter:
    """Pages below `/notify/subscriptions/{id}`."""
    router = APIRouter()

    @router.get("/subscriptions/{identifier}")
    async def show(
        request: Request,
        principal: SignedIn,
        identifier: str,
        state: Literal["", "pending", "succeeded", "failed"] = "",
        event: Annotated[str, Query(max_length=120)] = "",
        since: Annotated[str, Query(max_length=30)] = "",
        until: Annotated[str, Query(max_length=30)] = "",
        before: AwareDatetime | None = None,
        done: str = "",
        replayed: int | None = None,
        health: int = 7,
    ) -> Response:
        asked = {"state": state, "event": event, "since": since, "until": until}
        return await _page(
            room,
            request,
            principal,
            identifier,
            asked=asked,
            before=before,
            days=health if health in _CHARTS else 7,
            done=done,
            replayed=replayed,
        )

    @router.post("/subscriptions/{identifier}/replay")
    async def replay(request: Request, principal: SignedIn, identifier: str) -> Response:
        form = await form_of(request)
        try:
            period = _period(form, room.pages.clock())
            with found():
                count = await room.desks.replays.period(principal, identifier, period)
        except Rejected as rejected:
            return await _page(
                room, request, principal, identifier, status=422, again=form, violations=rejected.violations
            )
        return RedirectResponse(f"{NOTIFY}/subscriptions/{identifier}?replayed={count}", 303)

    _add_proof(router, room)

    @router.post("/subscriptions/{identifier}/limits")
    async def limit(
        request: Request,
        principal: SignedIn,
        identifier: str,
        ordered: Annotated[bool, Form()] = False,
        at_once: Annotated[str, Form(max_length=10)] = "",
        per_second: Annotated[str, Form(max_length=10)] = "",
    ) -> Response:
        asked = {"ordered": ordered, "at_once": at_once or None, "per_second": per_second.replace(",", ".") or None}
        try:
            bounds = Bounds.model_validate(asked)
        except ValidationError as error:
            wrong = violations_of(error, "")
            return await _page(room, request, principal, identifier, status=422, violations=wrong)
        with found():
            await room.desks.endpoints.limit(principal, identifier, bounds)
        return RedirectResponse(f"{NOTIFY}/subscriptions/{identifier}?done=limits", 303)

    return router


def _add_proof(router: APIRouter, room: Room) -> None:
    @router.post("/subscriptions/{identifier}/verify")
    async def verify(
        request: Request, principal: SignedIn, identifier: str, code: Annotated[str, Form(max_length=20)] = ""
    ) -> Response:
        try:
            with found():
                await room.desks.proving.prove(principal, await room.desks.endpoints.find(principal, identifier), code)
        except Rejected as rejected:
            return await page(room, request, principal, identifier, rejected.violations)
        return RedirectResponse(f"{NOTIFY}/subscriptions/{identifier}?done=verified", 303)

    @router.post("/subscriptions/{identifier}/proof")
    async def ask_again(request: Request, principal: SignedIn, identifier: str) -> Response:
        try:
            with found():
                await room.desks.proving.again(principal, await room.desks.endpoints.find(principal, identifier))
        except Rejected as rejected:
            return await page(room, request, principal, identifier, rejected.violations)
        return RedirectResponse(f"{NOTIFY}/subscriptions/{identifier}?done=proof", 303)


async def page(
    room: Room, request: Request, principal: Principal, identifier: str, violations: Sequence[Violation]
) -> Response:
    """An endpoint's page after something that was refused."""
    return await _page(room, request, principal, identifier, status=422, violations=violations)


async def _page(
    room: Room,
    request: Request,
    principal: Principal,
    identifier: str,
    *,
    status: int = 200,
    asked: dict[str, str] | None = None,
    before: datetime | None = None,
    days: int = 7,
    **more: Any,
) -> Response:
    asked = asked or {"state": "", "event": "", "since": "", "until": ""}
    now, language = room.pages.clock(), language_of(request)
    with found():
        row = await room.desks.endpoints.find(principal, identifier)
        entries = await room.desks.log.entries(principal, identifier, _sought(asked, before), PAGE + 1)
        figures = await room.desks.log.figures(principal, identifier)
        hours = await room.desks.log.hours(principal, identifier, now - timedelta(days=days))
        replays = await room.desks.replays.listed(principal, identifier)
        within = await room.desks.endpoints.within(principal, identifier)
        standing = await room.desks.proving.standing(principal, row)
    base = f"{NOTIFY}/subscriptions/{row.id}"
    kept = {name: value for name, value in asked.items() if value}
    last = entries[PAGE - 1].created_at.isoformat() if len(entries) > PAGE else ""
    types = sorted({entry.event_type for entry in entries} | ({asked["event"]} if asked["event"] else set()))
    context = {"violations": (), "done": "", "replayed": None, "again": {}, **more}
    return room.pages.render(
        request,
        "subscription.html",
        status=status,
        row=row,
        address=room.desks.endpoints.address(principal, row),
        public_key=room.desks.endpoints.public_key(principal, row),
        within=within,
        standing=standing,
        personal=row.channel in PERSONAL,
        entries=[(entry, room.texts.explanation(entry.event_type, language)) for entry in entries[:PAGE]],
        types=[(name, room.texts.explanation(name, language)) for name in types],
        figures=figures,
        bars=bars(hours, now, days),
        days=days,
        charts=list(_CHARTS),
        replays=replays,
        asked=asked,
        keeping=room.desks.endpoints.keeping(),
        base=base,
        first=f"{base}?{urlencode(kept)}" if before else None,
        following=f"{base}?{urlencode({**kept, 'before': last})}" if last else None,
        **context,
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """Some hours of an endpoint: its attempts, how long they took, and how high they stand in the picture."""

    begins: datetime
    succeeded: int
    failed: int
    typical_ms: int
    slowest_ms: int
    good_high: float
    bad_high: float


def bars(hours: Sequence[Hour], now: datetime, days: int) -> list[Bar]:
    """The last days as bars, oldest first, none left out; the highest is as high as the picture."""
    width, day = timedelta(hours=_CHARTS[days]), min(_CHARTS[days], 24)
    here = now.astimezone(LOCAL)
    end = here.replace(hour=here.hour - here.hour % day, minute=0, second=0, microsecond=0) + timedelta(hours=day)
    begins = [end - width * number for number in range(timedelta(days=days) // width, 0, -1)]
    counted = []
    for begin in begins:
        within = [one for one in hours if begin <= one.hour < begin + width]
        good, bad = sum(one.succeeded for one in within), sum(one.failed for one in within)
        took = sum(one.typical_ms * (one.succeeded + one.failed) for one in within) // max(good + bad, 1)
        counted.append((begin, good, bad, took, max((one.slowest_ms for one in within), default=0)))
    most = max((good + bad for _, good, bad, *_ in counted), default=0) or 1
    return [
        Bar(begin, good, bad, took, slowest, _high(good, most), _high(bad, most))
        for begin, good, bad, took, slowest in counted
    ]


def _high(count: int, most: int) -> float:
    """What was there is seen, however little."""
    return max(round(_HIGH * count / most, 1), 2.0) if count else 0.0


def _sought(asked: dict[str, str], before: datetime | None) -> Sought:
    state: DeliveryState | None = asked["state"] or None  # type: ignore[assignment]
    until = moment_in(asked["until"])
    ends = min((moment for moment in (before, until) if moment is not None), default=None)
    return Sought(state, asked["event"] or None, moment_in(asked["since"]), ends)


def _period(form: dict[str, str], now: datetime) -> Period:
    """What is to be sent again. Raises: `Rejected` where a period of one's own has no beginning, or ends before it."""
    everything = form.get("what") == "everything"
    if form.get("days") != "own":
        return Period(since=now - _DAYS.get(form.get("days", ""), _DAYS["1"]), everything=everything)
    since, until = moment_in(form.get("since", "")), moment_in(form.get("until", ""))
    if since is None or (until is not None and until <= since):
        raise Rejected([Violation("since", "period-invalid", *_PERIOD)])
    return Period(since=since, until=until, everything=everything)


def moment_in(text: str) -> datetime | None:
    """A moment as a field of a form says it, by the clocks of Viet Nam; None where it says none."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=LOCAL).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_PERIOD = (
    "Hãy ghi lúc bắt đầu; lúc kết thúc, nếu có, phải sau lúc bắt đầu.",
    "Say when the period begins; its end, if there is one, comes after.",
)
