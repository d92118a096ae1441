"""From a request to the principal behind it, and the refusals on the way.

It must never let a changing request through on a cookie alone: a form made by us comes with it.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Self
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from shared.identity.directory import Directory
from shared.identity.ended import EndedSessions
from shared.identity.limiter import FailureLimiter
from shared.identity.passwords import Passwords
from shared.identity.principal import Permission, Principal, Role
from shared.identity.sessions import SESSION_SECONDS, Session, Signer
from shared.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_FIELD = "form_token"
FORM_HEADER = "x-form-token"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


class SignInNeededError(Exception):
    """Nobody is signed in, or the session or token is no longer good. 401, or the sign-in page for a person."""


class NotAllowedError(Exception):
    """The principal is known and may not do this. 403."""


class ForgedFormError(Exception):
    """A changing request that no form of ours made for this session. 403; an honest one opens the page again."""


@dataclass(slots=True)
class Identity:
    """Who may enter and how it is proved. The services know only this class and the dependencies below, so an OpenID
    provider can take its place."""

    directory: Directory
    signer: Signer
    base_url: str
    secure: bool
    ended: EndedSessions
    account_limiter: FailureLimiter
    address_limiter: FailureLimiter
    passwords: Passwords = field(default_factory=Passwords)

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        directory: Directory,
        clock: Callable[[], float] = time.monotonic,
        ended: EndedSessions | None = None,
    ) -> Self:
        """In: settings, the directory, a clock in seconds for the limits, which sessions ended before their time."""
        return cls(
            directory=directory,
            signer=Signer(settings.session_secret.get_secret_value()),
            base_url=settings.base_url,
            secure=settings.secure_cookies,
            ended=ended or EndedSessions(),
            account_limiter=FailureLimiter(8, 15 * 60, clock),
            # Many people share one office line, so an address is given more than an account.
            address_limiter=FailureLimiter(60, 15 * 60, clock),
        )

    @property
    def session_cookie(self) -> str:
        # Browsers accept the __Host- prefix only over TLS; it keeps neighbours on the domain from planting a cookie.
        return "__Host-vongtay-session" if self.secure else "vongtay-session"

    @property
    def visit_cookie(self) -> str:
        return "__Host-vongtay-visit" if self.secure else "vongtay-visit"

    @property
    def presence_cookie(self) -> str:
        # Pages read it to see that their session is over; it lets nobody in.
        return "__Host-vongtay-present" if self.secure else "vongtay-present"

    def principal_of(self, request: Request) -> Principal | None:
        """Out: the person or machine behind the request, None when nobody is. Errors: `SignInNeededError` for a bearer
        token that is no good, which is never silently taken for an anonymous visit."""
        # An empty one is no good either: who says that a program asks is not let in by a browser's cookie.
        if (token := bearer_token(request)) is not None:
            machine = self.directory.by_token(token)
            if machine is None and self.directory.demo and (demo_id := self.signer.demo_person(token)):
                machine = self.directory.person(demo_id)
            if machine is None:
                raise SignInNeededError("The bearer token is not known")
            return machine
        session = self._session(request)
        return None if session is None else self.directory.person(session.person_id)

    def sign_in(self, response: Response, person: Principal) -> None:
        """Give the browser a fresh session; an earlier one is replaced."""
        stamp = self.directory.stamp(person.id) or ""
        self._set_cookie(
            response, self.session_cookie, self.signer.session_cookie(person.id, stamp), max_age=SESSION_SECONDS
        )
        presence = secrets.token_urlsafe(8)
        self._set_cookie(response, self.presence_cookie, presence, max_age=SESSION_SECONDS, httponly=False)

    async def end_session(self, request: Request) -> None:
        """The session with which a request comes, if any, is none from now on: its cookie may have been copied."""
        session = self._session(request)
        if session is not None:
            await self.ended.end(session.nonce)

    async def sign_out(self, request: Request, response: Response) -> None:
        """End the session; take it from the browser, and the pages that it keeps: the next at this desk presses
        "back"."""
        await self.end_session(request)
        response.headers["Clear-Site-Data"] = '"cache"'
        for name in (self.session_cookie, self.visit_cookie, self.presence_cookie):
            response.delete_cookie(name, path="/", secure=self.secure, httponly=True, samesite="lax")

    def form_token(self, request: Request) -> str:
        """Out: the value for a form's hidden field. Whoever renders the form then calls `attach`."""
        binding = self._binding(request)
        if binding is None:
            binding = request.state.new_visit = secrets.token_urlsafe(16)
        return self.signer.form_token(binding)

    def attach(self, request: Request, response: Response) -> None:
        """Set the cookie of an anonymous visit, where `form_token` had to begin one."""
        if visit := getattr(request.state, "new_visit", None):
            self._set_cookie(response, self.visit_cookie, visit, max_age=None)

    async def verify_form(self, request: Request) -> None:
        """Errors: `ForgedFormError` unless the request comes from a page of ours, with the token of this session."""
        self._require_our_page(request)
        token = request.headers.get(FORM_HEADER)
        if token is None and request.headers.get("content-type", "").startswith(FORM_TYPES):
            value = (await request.form()).get(FORM_FIELD)
            token = value if isinstance(value, str) else None
        self._require_token(request, token)

    def verify_token(self, request: Request, token: str | None) -> None:
        """As `verify_form`, for a body that is read as it arrives. In: the form's token, where no header has it.

        Errors: `ForgedFormError`.
        """
        self._require_our_page(request)
        self._require_token(request, request.headers.get(FORM_HEADER, token))

    def _require_our_page(self, request: Request) -> None:
        if not self._from_our_page(request):
            raise ForgedFormError("The request comes from another site")

    def _require_token(self, request: Request, token: str | None) -> None:
        binding = self._binding(request)
        if binding is None or token is None or not self.signer.form_token_fits(binding, token):
            raise ForgedFormError("The form does not belong to this session")

    def _session(self, request: Request) -> Session | None:
        cookie = request.cookies.get(self.session_cookie)
        session = None if cookie is None else self.signer.session(cookie, self.directory.stamp)
        return None if session is None or session.nonce in self.ended else session

    def _binding(self, request: Request) -> str | None:
        session = self._session(request)
        if session is not None:
            return session.nonce
        return getattr(request.state, "new_visit", None) or request.cookies.get(self.visit_cookie)

    def _from_our_page(self, request: Request) -> bool:
        if request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            return False
        origin = request.headers.get("origin")
        if origin is None:
            # No browser in use leaves it out of a POST; a program with a cookie still needs the form token.
            return True
        ours = urlsplit(self.base_url)
        theirs = urlsplit(origin)
        return (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc) or (
            theirs.scheme in {"http", "https"} and theirs.netloc == request.headers.get("host")
        )

    def _set_cookie(
        self, response: Response, name: str, value: str, *, max_age: int | None, httponly: bool = True
    ) -> None:
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=self.secure, httponly=httponly, samesite="lax"
        )


def bearer_token(request: Request) -> str | None:
    """Out: the token of an `Authorization: Bearer` header, None when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def identity_of(request: Request) -> Identity:
    """Out: the identity that the application was built with."""
    identity = request.app.state.identity
    if not isinstance(identity, Identity):
        raise TypeError("The application was built without an Identity")
    return identity


async def current_principal(request: Request) -> Principal:
    """FastAPI dependency: the signed-in principal. Errors: `SignInNeededError`, `ForgedFormError`."""
    identity = identity_of(request)
    principal = identity.principal_of(request)
    if principal is None:
        raise SignInNeededError("Nobody is signed in")
    # A bearer header cannot be sent by a foreign page on its own; a cookie can.
    if request.method not in SAFE_METHODS and bearer_token(request) is None:
        await identity.verify_form(request)
    return principal


SignedIn = Annotated[Principal, Depends(current_principal)]


async def uploading_principal(request: Request) -> Principal:
    """FastAPI dependency: the signed-in principal of a request whose body is a file, not to be read at one go.

    Whoever reads the body calls `verify_upload` before anything in it takes effect. Errors: `SignInNeededError`.
    """
    principal = identity_of(request).principal_of(request)
    if principal is None:
        raise SignInNeededError("Nobody is signed in")
    return principal


def verify_upload(request: Request, token: str | None) -> None:
    """In: the form's token as it stood in the body. Errors: `ForgedFormError`, as for any other changing request."""
    if bearer_token(request) is None:
        identity_of(request).verify_token(request, token)


Uploading = Annotated[Principal, Depends(uploading_principal)]


def require(*roles: Role) -> Callable[[Principal], Awaitable[Principal]]:
    """FastAPI dependency: the signed-in principal in one of these roles. Errors: `NotAllowedError`."""
    wanted = frozenset(roles)

    async def in_role(principal: SignedIn) -> Principal:
        if principal.role not in wanted:
            raise NotAllowedError("The role does not allow this")
        return principal

    return in_role


def permit(permission: Permission) -> Callable[[Principal], Awaitable[Principal]]:
    """FastAPI dependency: the signed-in principal whose role carries the permission. Errors: `NotAllowedError`."""

    async def permitted(principal: SignedIn) -> Principal:
        if not principal.may(permission):
            raise NotAllowedError("The role does not carry the permission")
        return principal

    return permitted


# Whoever keeps the platform up; they see numbers and places, no child's record.
Operator = Annotated[Principal, Depends(permit(Permission.OPERATE))]
