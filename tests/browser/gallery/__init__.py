"""A page with every part of components.html on it, in an application made as the services make theirs.

It must never grow rules of its own: what it shows is the shell, nothing else.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from shared.contracts.errors import Violation
from shared.identity import Permission, Principal, demo_directory, permit
from shared.settings import Settings
from shared.web.app import create_app
from shared.web.live import Hub, live_response
from shared.web.pages import Pages

UNITS: Mapping[str, str] = {"05443": "Phường Phan Đình Phùng", "05455": "Phường Quyết Thắng"}
NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


def clock() -> datetime:
    """The moment at which everything in the gallery happens."""
    return NOW


def build(base_url: str) -> tuple[FastAPI, Hub]:
    """In: the address people use. Out: the application, and the hub that changes its live part."""
    pages = Pages("tests.browser.gallery", unit_names=UNITS, clock=clock)
    # Streams that last two seconds: what a page does at the end of one is seen within a test.
    hub = Hub(clock=clock, lifetime=2.0)
    router = APIRouter()

    @router.get("/cases")
    def show(request: Request, principal: Annotated[Principal, Depends(permit(Permission.SEE_CASES))]) -> Response:
        return pages.render(
            request,
            "gallery.html",
            violations=[
                Violation("child.name", "missing", "Cần ghi họ và tên của trẻ.", "The child's name is missing.")
            ],
            deadlines=[
                ("Đánh giá nguy cơ ban đầu", NOW - timedelta(hours=9), NOW + timedelta(hours=3), None),
                ("Đánh giá nguy cơ cụ thể", NOW - timedelta(days=1), NOW + timedelta(days=4), None),
                ("Phê duyệt kế hoạch", NOW - timedelta(days=4), NOW - timedelta(hours=30), None),
                ("Can thiệp khẩn cấp", NOW - timedelta(days=2), NOW - timedelta(days=1), NOW - timedelta(hours=30)),
                ("Trả lời yêu cầu", NOW - timedelta(days=3), NOW - timedelta(days=2), NOW - timedelta(hours=20)),
            ],
        )

    @router.post("/cases")
    def save(_: Annotated[Principal, Depends(permit(Permission.SEE_CASES))]) -> Response:
        return RedirectResponse("/cases", 303)

    @router.get("/cases/live")
    async def live(request: Request, _: Annotated[Principal, Depends(permit(Permission.SEE_CASES))]) -> Response:
        return live_response(request, hub, ["open-cases"])

    @router.get("/cases/broken")
    def broken() -> Response:
        raise RuntimeError("Nguyễn Văn Bí Mật")

    settings = Settings(environment="test", base_url=base_url)
    app = create_app("Gallery", [router], pages, demo_directory(UNITS), settings, profile={"pepper": "cGVwcGVy"})
    return app, hub
