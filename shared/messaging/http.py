"""What every service answers over HTTP besides its own pages: posted events, and its state and repair for operators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, Request
from fastapi.responses import JSONResponse, Response

from shared.contracts.errors import Rejected, Violation
from shared.database import is_passing
from shared.identity import Operator, Permission, Principal, permit
from shared.messaging.intake import MAX_EVENTS, Intake
from shared.messaging.repair import Repair

MAX_BODY_BYTES = 16_000_000
_Publisher = Annotated[Principal, Depends(permit(Permission.PUBLISH_EVENTS))]
Status = Callable[[], Awaitable[dict[str, Any]]]


def service_routes(intake: Intake, repair: Repair, status: Status) -> APIRouter:
    """Routes below a service's path: `events`, `ops/…`."""
    router = APIRouter()

    @router.post("/events")
    async def post_events(request: Request, principal: _Publisher) -> Response:
        """One CloudEvent (an object) or many (an array, in order): an answer for each, in the same order."""
        if principal.sector is None:
            return _refusal(403, Violation("token", "no-sector", "Mã truy cập không thuộc ngành nào.", "No sector."))
        try:
            document, single = await _document(request)
        except Rejected as rejected:
            return _refusal(413 if rejected.violations[0].rule == "too-large" else 400, *rejected.violations)
        try:
            answers = await intake.accept(document, principal.sector)
        except Exception as error:
            if not is_passing(error):
                raise
            waiting = Violation(
                "event", "try-again", "Hệ thống tạm bận, hãy gửi lại.", "Busy for a moment; send again."
            )
            return _refusal(503, waiting, headers={"Retry-After": "5"})
        rows = [answer.as_dict() for answer in answers]
        if single:
            return JSONResponse(rows[0], status_code=422 if rows[0]["outcome"] == "rejected" else 200)
        return JSONResponse({"answers": rows})

    @router.get("/ops/status")
    async def show_status(_operator: Operator) -> dict[str, Any]:
        """Consumers, lag, outbox, parked keys and dead letters in numbers."""
        return await status()

    @router.get("/ops/deadletters")
    async def list_dead_letters(_operator: Operator) -> list[dict[str, Any]]:
        """Unsettled dead letters, newest first; contents stay sealed."""
        return await repair.dead_letters()

    @router.post("/ops/deadletters/{identifier}/{act}")
    async def settle_dead_letter(identifier: int, act: str, _operator: Operator) -> Response:
        """Replay or discard a dead letter."""
        try:
            if act == "replay":
                return JSONResponse({"outcome": await repair.replay_dead_letter(identifier)})
            if act == "discard":
                await repair.discard_dead_letter(identifier)
                return JSONResponse({"outcome": "discarded"})
        except LookupError:
            return _refusal(404, Violation("id", "not-found", "Không có sự kiện lỗi này.", "No such dead letter."))
        except Rejected as rejected:
            return _refusal(422, *rejected.violations)
        return _refusal(404, Violation("act", "act-unknown", "Chỉ có replay, discard.", "Only replay, discard."))

    @router.get("/ops/parked")
    async def list_parked(_operator: Operator) -> list[dict[str, Any]]:
        """Parked keys and how many records wait behind each."""
        return await repair.parked()

    @router.post("/ops/parked/release")
    async def release_parked(
        topic: Annotated[str, Body()], key: Annotated[str, Body()], _operator: Operator
    ) -> dict[str, bool]:
        """Try a parked key's records again now, in order; the key as the list names it."""
        return {"released": await repair.release_named(topic, key)}

    return router


async def _document(request: Request) -> tuple[list[object], bool]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise Rejected([Violation("body", "too-large", "Nội dung quá lớn.", "The body is too large.")])
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Rejected([Violation("body", "json", "Không phải JSON hợp lệ.", "No valid JSON.")]) from None
    if not isinstance(document, list):
        return [document], True
    if len(document) > MAX_EVENTS:
        words = (f"Mỗi lần gửi tối đa {MAX_EVENTS} sự kiện.", f"At most {MAX_EVENTS} events in one post.")
        raise Rejected([Violation("body", "too-large", *words)])
    return document, False


def _refusal(status: int, *violations: Violation, headers: dict[str, str] | None = None) -> Response:
    rows = [violation.as_dict() for violation in violations]
    return JSONResponse({"outcome": "rejected", "violations": rows}, status_code=status, headers=headers)
