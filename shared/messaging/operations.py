"""A service's page for operators: how its events flow, what failed, and the two or three things to do about it.

It must never show what an event says: places, types, rules and numbers only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import Service
from shared.contracts.errors import Rejected
from shared.identity import Operator
from shared.messaging.http import Status
from shared.messaging.repair import MAX_ATTEMPTS, Repair
from shared.web.pages import Pages

Act = Literal["replay", "discard", "release"]
# What is shown of each list beside the other services; the service's own page shows more.
_FOREMOST = 5
# msgids: what came of an act, and the tone in which it is said.
OUTCOMES: dict[str, tuple[str, str]] = {
    "accepted": ("Sự kiện đã được xử lý.", "success"),
    "corrected": ("Sự kiện đã được xử lý như một bản sửa.", "success"),
    "duplicate": ("Sự kiện này đã được xử lý từ trước; không có gì thay đổi.", "info"),
    "parked": ("Sự kiện đang chờ sau các sự kiện cùng đối tượng.", "info"),
    "rejected": ("Sự kiện vẫn sai như trước; hãy sửa ở nơi gửi rồi gửi lại.", "danger"),
    "discarded": ("Sự kiện đã được bỏ, không xử lý nữa.", "success"),
    "released": ("Các sự kiện chờ của đối tượng này đã được xử lý theo đúng thứ tự.", "success"),
    "skipped": ("Dịch vụ này không xử lý loại sự kiện đó; sự kiện vẫn nằm ở đây.", "danger"),
    "failed-again": ("Chưa xong: vẫn lỗi, hoặc hệ thống đang tự thử lại. Không sự kiện nào mất.", "danger"),
    "forgotten": (
        "Nội dung sự kiện này không còn được giữ, không chạy lại được. Nơi gửi cần gửi lại nếu còn cần.",
        "danger",
    ),
    "settled": ("Người khác đã giải quyết sự kiện này.", "info"),
}


@dataclass(frozen=True, slots=True)
class StuckWork:
    """Work of a service that fails though events flow, and is tried again by itself: on what (a code, never a person),
    the name of the error, since when, how often it was tried, and when it is tried next."""

    code: str
    reason: str
    since: datetime
    attempts: int
    again: datetime


# What a service's own work is stuck on, the oldest first.
ListStuck = Callable[[AsyncConnection], Awaitable[Sequence[StuckWork]]]


class Operations:
    """The pages below a service's `/ops`.

    Args:
        service: whose. pages: renders. repair: brings failed events back. status: the service's state in numbers.
        stuck: lists the service's own work that is stuck.
    """

    def __init__(
        self,
        service: Service,
        pages: Pages,
        repair: Repair,
        status: Status,
        stuck: Callable[[], Awaitable[Sequence[StuckWork]]],
    ) -> None:
        self._service = service
        self._stuck = stuck
        self._pages = pages
        self._repair = repair
        self._status = status
        self.router = APIRouter(prefix="/ops", include_in_schema=False)
        self.router.add_api_route("", self.show, methods=["GET"])
        self.router.add_api_route("/panel", self.panel, methods=["GET"])
        self.router.add_api_route("/repair", self.repair, methods=["POST"])

    async def show(self, request: Request, _operator: Operator, outcome: str = "") -> Response:
        """The service's own page: what failed, the newest two hundred of it."""
        said = OUTCOMES.get(outcome)
        return self._pages.render(request, "operations_service.html", said=said, most=0, **await self._state())

    async def panel(self, request: Request, _operator: Operator) -> Response:
        """The same without the page around it and cut short, for the page of all services."""
        return self._pages.render(request, "_operations_panel.html", most=_FOREMOST, **await self._state())

    async def repair(
        self,
        _operator: Operator,
        act: Annotated[Act, Form()],
        identifier: Annotated[int, Form()] = 0,
        topic: Annotated[str, Form()] = "",
        key: Annotated[str, Form()] = "",
    ) -> Response:
        """Replay or discard a dead letter, or release a parked key; then the service's page, which says what came."""
        outcome = await self._act(act, identifier, topic, key)
        return RedirectResponse(f"/{self._service}/ops?{urlencode({'outcome': outcome})}", 303)

    async def _act(self, act: Act, identifier: int, topic: str, key: str) -> str:
        if act == "release":
            return "released" if await self._repair.release_named(topic, key) else "failed-again"
        try:
            if act == "replay":
                return await self._repair.replay_dead_letter(identifier)
            await self._repair.discard_dead_letter(identifier)
        except LookupError:
            return "settled"
        except Rejected:
            return "rejected"
        return "discarded"

    async def _state(self) -> dict[str, Any]:
        state = await self._status()
        return {
            "state": state,
            # A healthy service is not asked for lists of nothing.
            "dead_letters": await self._repair.dead_letters() if state["dead_letters"] else [],
            "parked": await self._repair.parked() if state["parked_keys"] else [],
            "stuck": await self._stuck(),
            "most_attempts": MAX_ATTEMPTS,
        }
