"""How I am called: channels, language, digest and quiet hours, and what that means right now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from services.notify.api.personal import Chosen
from services.notify.desk.personal import Personal
from services.notify.domain.preferences import CHANNELS, Preferences
from services.notify.pages.room import NOTIFY, Room
from services.notify.pages.subscriptions import typed_channels
from services.notify.views import CHANNEL_NAMES, TIMING_WHYS, URGENCY_NAMES, WEEKDAYS
from shared.contracts.errors import violations_of
from shared.identity import Principal, SignedIn
from shared.reference.notify_limits import NotifyLimits
from shared.web.forms import chosen_in, form_of
from shared.web.pages import language_of

# Quiet hours of which beginning and end are the same: there are none.
_NEVER = "00:00"


def routes(room: Room, personal: Personal) -> APIRouter:
    """`/notify/preferences`."""
    router = APIRouter()

    @router.get("/preferences")
    async def show(request: Request, principal: SignedIn, done: bool = False) -> Response:
        chosen = await personal.preferences(principal)
        if await personal.language(principal.id) is None:
            chosen = replace(chosen, language=language_of(request))
        return await _page(room, personal, request, principal, _filled(chosen, personal.limits()), done=done)

    @router.post("/preferences")
    async def choose(request: Request, principal: SignedIn) -> Response:
        form = {**await form_of(request), "channels": await chosen_in(request, "channels")}
        try:
            chosen = Chosen.model_validate(_asked(form))
        except ValidationError as error:
            # What a form leaves out is as it was; a box that it leaves out is not ticked.
            known = _filled(await personal.preferences(principal), personal.limits())
            values = {**known, "plain_sms": "", **form}
            wrong = violations_of(error, "")
            return await _page(room, personal, request, principal, values, status=422, violations=wrong)
        await personal.choose(principal, chosen.preferences())
        # The pages speak the same language from now on, those of the other services too.
        return RedirectResponse(f"{NOTIFY}/preferences?done=true&lang={chosen.language}", 303)

    return router


async def _page(
    room: Room,
    personal: Personal,
    request: Request,
    principal: Principal,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    **more: Any,
) -> Response:
    contacts = [
        (row, room.desks.endpoints.address(principal, row))
        for row in await room.desks.endpoints.mine(principal)
        if row.person is not None
    ]
    context = {"violations": (), "done": False, **more}
    return room.pages.render(
        request,
        "preferences.html",
        status=status,
        values=values,
        channels=CHANNELS,
        names=CHANNEL_NAMES,
        weekdays=WEEKDAYS,
        contacts=contacts,
        silent=any(row.state != "active" for row, _ in contacts),
        reached={row.channel for row, _ in contacts if row.state == "active" and row.verified_at is not None},
        had=room.desks.subscribing.channels_for(principal),
        may_add=bool(typed_channels(room, principal)),
        outlook=await personal.outlook(principal),
        urgencies=URGENCY_NAMES,
        whys=TIMING_WHYS,
        limits=personal.limits(),
        kept_days=personal.kept_days(),
        **context,
    )


def _filled(chosen: Preferences, limits: NotifyLimits) -> dict[str, Any]:
    """What the form shows of what somebody chose; where they chose nothing, the house's way."""
    quiet = "house" if chosen.quiet is None else ("none" if chosen.quiet[0] == chosen.quiet[1] else "own")
    begins, ends = chosen.quiet if chosen.quiet is not None and quiet == "own" else limits.quiet
    return {
        "language": chosen.language,
        "channels": chosen.channels,
        "digest": chosen.digest,
        "digest_at": _clock(chosen.digest_at or limits.digest_time),
        "digest_weekday": str(chosen.digest_weekday or limits.digest_weekday),
        "quiet": quiet,
        "quiet_from": _clock(begins),
        "quiet_to": _clock(ends),
        "plain_sms": "true" if chosen.plain_sms else "",
    }


def _asked(form: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says, as the API takes it."""
    asked = {name: form[name] for name in ("language", "channels", "digest") if form.get(name)}
    asked |= {"channels": form.get("channels") or [], "plain_sms": bool(form.get("plain_sms"))}
    if form.get("digest") != "none":
        asked |= {"digest_at": form.get("digest_at") or None, "digest_weekday": form.get("digest_weekday") or None}
    if form.get("quiet") == "own":
        asked |= {"quiet_from": form.get("quiet_from") or None, "quiet_to": form.get("quiet_to") or None}
    elif form.get("quiet") == "none":
        asked |= {"quiet_from": _NEVER, "quiet_to": _NEVER}
    return asked


def _clock(at: time) -> str:
    return at.strftime("%H:%M")
