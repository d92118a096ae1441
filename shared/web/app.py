"""Puts an application together: shell, identity, static files, health, errors; and several of them behind one port.

It must never add a route that a service could want for itself outside `/`, `/ops`, `/healthz`, `/static` and
`/identity`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.contracts.errors import Rejected
from shared.identity import (
    Directory,
    EndedSessions,
    ForgedFormError,
    Identity,
    NotAllowedError,
    Operator,
    Profile,
    SignInNeededError,
    TooManyTriesError,
    followed,
    identity_router,
)
from shared.settings import Settings
from shared.web.assets import STATIC_PATH
from shared.web.errors import ErrorAnswers
from shared.web.navigation import home_of
from shared.web.pages import Pages, SampleDay, principal_or_none
from shared.web.shell import Shell

CHECK_SECONDS = 3.0

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Check = Callable[[], Awaitable[None]]


def create_app(
    title: str,
    routers: Sequence[APIRouter],
    pages: Pages,
    directory: Directory,
    settings: Settings,
    *,
    prefix: str = "",
    lifespan: Lifespan | None = None,
    checks: Mapping[str, Check] | None = None,
    profile: Profile | None = None,
    ended: EndedSessions | None = None,
) -> FastAPI:
    """In: a service's title, its routers (which carry the prefix themselves), pages, people, settings, what runs beside
    the requests, named health checks that raise when a part is unreachable, what `/identity/profile` tells a sector's
    sender, and which sessions ended. Out: the application.
    """
    errors = ErrorAnswers(pages)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(followed(settings.users_file, directory))
            if lifespan is not None:
                await stack.enter_async_context(lifespan(app))
            yield

    identity = Identity.from_settings(settings, directory, ended=ended)
    app = FastAPI(
        title=title,
        lifespan=running,
        # The framework's own pages load scripts from elsewhere, which our policy forbids.
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{prefix}/openapi.json",
        middleware=[
            Middleware(Shell, secure=identity.secure, crashed=errors.crashed),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
        exception_handlers={
            HTTPException: errors.http,
            RequestValidationError: errors.invalid,
            Rejected: errors.invalid,
            SignInNeededError: errors.sign_in,
            NotAllowedError: errors.refused,
            ForgedFormError: errors.refused,
            TooManyTriesError: errors.refused,
        },
    )
    app.state.identity = identity
    app.state.pages = pages
    app.state.settings = settings
    for router in (
        *routers,
        identity_router(pages.render, profile),
        _own_routes(pages, checks or {}, directory, prefix),
    ):
        app.include_router(router)
    return app


def front_door(
    front: FastAPI, services: Mapping[str, FastAPI], sample: Callable[[], SampleDay | None] = lambda: None
) -> ASGIApp:
    """In: the application that answers `/`, `/static` and `/identity`; path prefix -> service application; how far a
    demo's sample data is, None where there is none in the making: every page says it. Out: all behind one port, each
    path unchanged, each application's lifespan running."""
    everything = (front, *services.values())

    @asynccontextmanager
    async def all_lifespans(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in everything:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    lifespans = FastAPI(lifespan=all_lifespans, openapi_url=None)

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespans(scope, receive, send)
            return
        path = scope["path"].removeprefix(STATIC_PATH) + "/"
        scope.setdefault("state", {})["sample_day"] = sample()
        service = next((app for prefix, app in services.items() if path.startswith(prefix + "/")), front)
        await service(scope, receive, send)

    return door


def _own_routes(pages: Pages, checks: Mapping[str, Check], directory: Directory, prefix: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    async def healthz() -> Response:
        results = await asyncio.gather(*(_outcome(check) for check in checks.values()))
        parts = dict(zip(checks, results, strict=True))
        healthy = all(result == "ok" for result in results)
        if directory.refused_at is not None:
            # Said, and no reason to send people elsewhere: those of the last good file can work.
            parts["people"] = "last good file"
        body = {"status": "ok" if healthy else "unhealthy", "parts": parts}
        return JSONResponse(body, 200 if healthy else 503)

    for path in {"/healthz", f"{prefix}/healthz"}:
        router.add_api_route(path, healthz, methods=["GET"])
    router.add_api_route(STATIC_PATH + "/{name:path}", pages.assets.serve, methods=["GET"])

    @router.get("/")
    def start(request: Request) -> Response:
        principal = principal_or_none(request)
        return RedirectResponse(home_of(principal), 303) if principal else pages.render(request, "home.html")

    @router.get("/ops")
    def operations(request: Request, _operator: Operator) -> Response:
        return pages.render(request, "operations.html")

    return router


async def _outcome(check: Check) -> str:
    """A check's result as one word; its message may name hosts, so only the kind of failure is shown."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return "timeout"
    except Exception:
        return "unreachable"
    return "ok"
