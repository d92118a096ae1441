"""Verifying at home on a phone: choose whom to go to, child by child with plain forms, and what works offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib import resources
from typing import Any, Final

import orjson
from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import views
from services.registry.domain.fieldwork import ASKED, MAY_END, Asked
from services.registry.pages.room import Room
from services.registry.rounds import HAMLET, Outcome, Place, Round
from services.registry.seeing import Editor, NotThereError
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal
from shared.messaging.outbox import new_id
from shared.web.forms import chosen_in, form_of, number_in
from shared.web.pages import language_of

SCOPE: Final = "/registry/field"
PHONE: Final = f"{SCOPE}/phone"
# What the page needs without a network, besides itself.
_ASSETS: Final = (
    "vongtay.css",
    "vongtay.js",
    "mark.svg",
    "registry/field/field.css",
    "registry/field/phone.js",
    "registry/field/device.js",
    "registry/field/sending.js",
)


@dataclass(frozen=True, slots=True)
class _Filled:
    """A form as it was sent, for showing it again."""

    said: Mapping[str, str] = field(default_factory=dict)
    fixes: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    moved_to: str = ""
    method: str = "home-visit"


class FieldPages:
    """Rounds.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room
        self._worker = resources.files("services.registry").joinpath("static/field/worker.js").read_text("utf-8")

    async def start(self, request: Request, principal: Editor) -> Response:
        """Whom to go to."""
        return await self._start(request, principal, request.query_params.get("unit", ""))

    async def begin(self, request: Request, principal: Editor) -> Response:
        """Begin a round."""
        values = await form_of(request)
        try:
            made = await self.room.rounds.begin(
                principal, values.get("kind", ""), values.get("unit"), values.get("hamlet", "")
            )
        except Rejected as refused:
            return await self._start(request, principal, values.get("unit", ""), refused.violations)
        return RedirectResponse(f"{SCOPE}/lists/{made.id}", 303)

    async def overview(self, request: Request, principal: Editor, list_id: str) -> Response:
        """A round: how far it is, who is left."""
        try:
            found = await self.room.rounds.round(principal, list_id)
        except NotThereError:
            raise HTTPException(404) from None
        return self.room.render(request, "registry/field_list.html", round=found, listed=found.listed)

    async def child(self, request: Request, principal: Editor, list_id: str, number: int) -> Response:
        """One child."""
        found, place = await self._place(principal, list_id, number)
        return self._child(request, found, place, _Filled())

    async def answer(self, request: Request, principal: Editor, list_id: str, number: int) -> Response:
        """What was found at one child's home; then the next child."""
        found, place = await self._place(principal, list_id, number)
        values = await form_of(request)
        filled = _filled(values, await chosen_in(request, "fix.circumstances"))
        outcome = await self.room.rounds.answer(principal, self._sent(values, found, place, filled))
        if outcome.outcome == "taken":
            following = found.after(number)
            if following is None or following == number:
                return RedirectResponse(f"{SCOPE}/lists/{list_id}?said=done", 303)
            return RedirectResponse(f"{SCOPE}/lists/{list_id}/{following}?said=taken", 303)
        found, place = await self._place(principal, list_id, number)
        if outcome.outcome == "conflict":
            mine: dict[str, str] = {clash.field: clash.mine for clash in outcome.clashes}
            said = {**filled.said, **dict.fromkeys(mine, "wrong")}
            filled = _Filled(said, {**filled.fixes, **mine}, filled.note, filled.moved_to, filled.method)
        return self._child(request, found, place, filled, outcome)

    async def phone(self, request: Request) -> Response:
        """The page that goes on without a network. It holds nothing about anybody: that lies locked on the device."""
        return self.room.render(
            request,
            "registry/field_phone.html",
            unit_options=self.room.unit_options(None),
            methods=self._methods(),
            blank=dict.fromkeys(ASKED, ""),
            may_end=MAY_END,
        )

    async def worker(self, request: Request) -> Response:
        """The script that answers for the server while it is out of reach, and the list of what it keeps."""
        assets = [self.room.pages.assets.url(name) for name in _ASSETS]
        shell = f"{PHONE}?lang={language_of(request)}"
        page = (await self.phone(request)).body
        version = sha256(b"\n".join([*(url.encode() for url in assets), bytes(page)])).hexdigest()[:16]
        config = orjson.dumps({"version": version, "shell": shell, "scope": SCOPE, "assets": assets}).decode()
        return Response(
            f"const CONFIG = {config};\n{self._worker}",
            media_type="text/javascript",
            headers={
                "Service-Worker-Allowed": SCOPE,
                "Cache-Control": "no-cache",
                "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'",
            },
        )

    async def _place(self, principal: Principal, list_id: str, number: int) -> tuple[Round, Place]:
        try:
            return await self.room.rounds.place(principal, list_id, number)
        except NotThereError:
            raise HTTPException(404) from None

    async def _start(
        self, request: Request, principal: Principal, unit: str, violations: Sequence[Violation] = ()
    ) -> Response:
        options = self.room.unit_options(principal)
        codes = [code for code, _ in options]
        chosen = unit if unit in codes else (codes[0] if len(codes) == 1 else None)
        return self.room.render(
            request,
            "registry/field.html",
            choices=await self.room.rounds.choices(principal, chosen),
            unit=chosen,
            unit_options=options,
            hamlet_kind=HAMLET,
            violations=violations,
        )

    def _child(
        self, request: Request, found: Round, place: Place, filled: _Filled, outcome: Outcome | None = None
    ) -> Response:
        texts = place.texts
        return self.room.render(
            request,
            "registry/field_child.html",
            round=found,
            place=place,
            texts=texts,
            seen=orjson.dumps(texts).decode(),
            answer_id=outcome.id if outcome else new_id(),
            said_of=filled.said,
            fixes={**texts, **filled.fixes},
            filled=asdict(filled),
            methods=self._methods(),
            may_end=MAY_END,
            clashes={clash.field: clash.mine for clash in outcome.clashes} if outcome else {},
            violations=outcome.violations if outcome else (),
            unit_options=self.room.unit_options(None),
            following=found.after(place.number),
        )

    def _methods(self) -> Sequence[str]:
        """How a record can be verified today."""
        return self.room.keeper.rules.periods.on(self.room.today()).methods

    def _sent(self, values: Mapping[str, str], found: Round, place: Place, filled: _Filled) -> dict[str, Any]:
        now = self.room.pages.clock()
        result = values.get("result", "met")
        said, fixes = dict(filled.said), filled.fixes
        if result == "all":
            result, said, fixes = "met", dict.fromkeys(ASKED, "right"), {}
        try:
            seen = orjson.loads(values.get("seen", "{}"))
        except orjson.JSONDecodeError:
            seen = {}
        return {
            "id": values.get("answer_id", ""),
            "list_id": found.listed.id,
            "child_id": place.child_id,
            "version": number_in(values.get("version", "")) or 0,
            "result": result,
            "given_at": now.isoformat(),
            "sent_at": now.isoformat(),
            "method": filled.method,
            "seen": seen,
            "said": said,
            "fixes": fixes,
            "moved_to": filled.moved_to or None,
            "note": filled.note,
        }


def _filled(values: Mapping[str, str], circumstances: Sequence[str]) -> _Filled:
    """What a form says. The boxes of circumstances are one text of codes."""
    said: dict[str, str] = {}
    fixes: dict[str, str] = {}
    asked: tuple[Asked, ...] = ASKED
    for name in asked:
        if values.get(f"said.{name}") in views.SAID:
            said[name] = values[f"said.{name}"]
        if name == "circumstances":
            fixes[name] = ",".join(sorted(circumstances))
        else:
            fixes[name] = values.get(f"fix.{name}", "")
    return _Filled(
        said,
        {name: fixes[name] for name in fixes if said.get(name) == "wrong"},
        values.get("note", "").strip()[:300],
        values.get("moved_to", ""),
        values.get("method", "home-visit"),
    )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = FieldPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/field", pages.start, methods=["GET"])
    router.add_api_route("/field", pages.begin, methods=["POST"])
    router.add_api_route("/field/phone", pages.phone, methods=["GET"])
    router.add_api_route("/field/worker.js", pages.worker, methods=["GET"])
    router.add_api_route("/field/lists/{list_id}", pages.overview, methods=["GET"])
    router.add_api_route("/field/lists/{list_id}/{number}", pages.child, methods=["GET"])
    router.add_api_route("/field/lists/{list_id}/{number}", pages.answer, methods=["POST"])
    return router
