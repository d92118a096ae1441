"""Sign-in, sign-out, a sender's profile and the demo's bearer token, as routes under /identity.

It must never say whether a name or a password was wrong, and never send anybody to another site after sign-in.
"""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Annotated, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from shared.contracts.vocabulary import Sector, UnitCode
from shared.identity.access import Identity, NotAllowedError, SignedIn, identity_of
from shared.identity.demo import demo_person
from shared.identity.limiter import TooManyTriesError
from shared.identity.principal import Principal, Role

SIGN_IN_PATH = "/identity/sign-in"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Render(Protocol):
    """Turns a template into a page; `shared.web` provides it."""

    def __call__(
        self,
        request: Request,
        name: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: object,
    ) -> Response: ...


# What a sender seals and names its records with; a function where it may change while the process runs.
Profile = Mapping[str, str] | Callable[[], Mapping[str, str]]


class DemoTokenWanted(BaseModel):
    """The role that a program wants to play in the demo."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    sector: Sector | None = None
    unit: UnitCode | None = None


class DemoToken(BaseModel):
    """A bearer token good for 12 hours, and whom it stands for."""

    token: str
    principal: str
    role: Role
    sector: Sector | None


def sign_in_url(request: Request) -> str:
    """Out: the sign-in page that afterwards returns to where the request wanted to go."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{SIGN_IN_PATH}?{urlencode({'next': request.url.path + query})}"


def local_path(target: str) -> str:
    """In: where somebody asks to be sent. Out: it, when it is a path of ours, otherwise the start page."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe and "\\" not in target else "/"


def identity_router(render: Render, profile: Profile | None = None) -> APIRouter:
    """In: how a page is rendered; what a sender's profile says besides its sector (the platform's public key and the
    pepper of record ids, both base64), None where this process holds no keys. Out: the routes under /identity."""
    router = APIRouter(prefix="/identity", include_in_schema=False)

    def page(
        request: Request,
        target: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        problem: str | None = None,
        user: str = "",
        minutes: int = 0,
    ) -> Response:
        directory = identity_of(request).directory
        people = [p for p in directory.people.values() if not p.machine] if directory.demo else []
        return render(
            request,
            "sign_in.html",
            status=status,
            headers=headers,
            next=target,
            demo_people=people,
            problem=problem,
            user=user,
            minutes=minutes,
        )

    @router.get("/sign-in")
    def show_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 - the query's name
        return page(request, local_path(next))

    @router.post("/sign-in")
    async def sign_in(
        request: Request,
        user: Annotated[str, Form(max_length=64)] = "",
        password: Annotated[str, Form(max_length=256)] = "",
        next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
    ) -> Response:
        identity = identity_of(request)
        await identity.verify_form(request)
        target = local_path(next)
        try:
            person = await _authenticate(identity, user.strip().lower(), password, _address(request))
        except TooManyTriesError as error:
            wait = {"Retry-After": str(error.retry_after)}
            minutes = -(-error.retry_after // 60)
            return page(request, target, 429, wait, problem="too-many", user=user, minutes=minutes)
        if person is None:
            return page(request, target, 401, problem="wrong", user=user)
        return await _enter(request, person, target)

    @router.post("/sign-in/demo")
    async def sign_in_demo(
        request: Request,
        person: Annotated[str, Form(max_length=64)],
        next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
    ) -> Response:
        identity = identity_of(request)
        _only_in_the_demo(identity)
        await identity.verify_form(request)
        found = identity.directory.person(person)
        if found is None or found.machine:
            raise HTTPException(404)
        return await _enter(request, found, local_path(next))

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        identity = identity_of(request)
        await identity.verify_form(request)
        answer = RedirectResponse(SIGN_IN_PATH, 303)
        await identity.sign_out(request, answer)
        return answer

    @router.get("/profile")
    def show_profile(principal: SignedIn) -> Response:
        # Only who sends for a sector: the pepper would let anybody else test guesses against record ids.
        if principal.sector is None:
            raise NotAllowedError("The profile is for who sends for a sector")
        if profile is None:
            raise HTTPException(404)
        said = profile() if callable(profile) else profile
        return JSONResponse({"sector": principal.sector, **said}, headers={"Cache-Control": "no-store"})

    @router.post("/demo-token")
    def demo_token(request: Request, wanted: DemoTokenWanted) -> Response:
        identity = identity_of(request)
        _only_in_the_demo(identity)
        if not _is_loopback(request):
            raise NotAllowedError("Demo tokens are given on this machine only")
        person = demo_person(identity.directory, wanted.role, wanted.sector, wanted.unit)
        if person is None:
            raise HTTPException(404)
        token = DemoToken(
            token=identity.signer.demo_token(person.id), principal=person.id, role=person.role, sector=person.sector
        )
        return JSONResponse(token.model_dump(mode="json"), headers={"Cache-Control": "no-store"})

    return router


async def _authenticate(identity: Identity, user: str, password: str, address: str) -> Principal | None:
    identity.account_limiter.check(user)
    identity.address_limiter.check(address)
    # A demo has no passwords: its people enter by the one-click page only.
    fits = await identity.passwords.match(identity.directory.passwords.get(user), password)
    if not fits:
        identity.account_limiter.failed(user)
        identity.address_limiter.failed(address)
        return None
    identity.account_limiter.succeeded(user)
    return identity.directory.person(user)


async def _enter(request: Request, person: Principal, target: str) -> Response:
    identity = identity_of(request)
    # Whose session it was before at this browser is over with it.
    await identity.end_session(request)
    answer = RedirectResponse(target, 303)
    identity.sign_in(answer, person)
    return answer


def _only_in_the_demo(identity: Identity) -> None:
    if not identity.directory.demo:
        raise HTTPException(404)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _is_loopback(request: Request) -> bool:
    try:
        client = ipaddress.ip_address(_address(request)).is_loopback
    except ValueError:
        client = False
    # The name asked for counts too: a foreign name that resolves to this machine is a page trying to reach in.
    host = request.headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return client and name in LOOPBACK_NAMES
