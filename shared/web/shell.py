"""The outermost layer of every application: security headers, the language of the request, the last catch of errors.

It must never let an exception reach the server, whose log would print its message.
"""

from collections.abc import Callable
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web.i18n import DEFAULT_LANGUAGE, is_language

LANGUAGE_COOKIE = "vongtay-lang"
YEAR_SECONDS = 365 * 24 * 3600

SECURITY_HEADERS: dict[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": with it browsers send "Origin: null" with our own forms, which the check of origin refuses.
    # Towards other sites both send nothing.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Shell:
    """ASGI middleware, the outermost of an application."""

    def __init__(self, app: ASGIApp, *, secure: bool, crashed: Callable[[Request, Exception], Response]) -> None:
        """In: the application, whether people arrive over TLS, how an unexpected error is answered."""
        self._app = app
        self._secure = secure
        self._crashed = crashed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _asked_language(scope)
        scope.setdefault("state", {})["language"] = asked or _kept_language(scope) or DEFAULT_LANGUAGE
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if self._secure:
                    headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_SECONDS}; includeSubDomains")
                # What nobody marked as fit to keep may hold personal data.
                headers.setdefault("Cache-Control", "no-store")
                if asked:
                    headers.append("Set-Cookie", self._language_cookie(asked))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            response = self._crashed(Request(scope, receive), error)
            if not started:
                await response(scope, receive, send_with_headers)

    def _language_cookie(self, language: str) -> str:
        secure = "; Secure" if self._secure else ""
        return f"{LANGUAGE_COOKIE}={language}; Path=/; Max-Age={YEAR_SECONDS}; HttpOnly; SameSite=Lax{secure}"


def _asked_language(scope: Scope) -> str | None:
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("lang", [""])[-1]
    return asked if is_language(asked) else None


def _kept_language(scope: Scope) -> str | None:
    header = Headers(scope=scope).get("cookie", "")
    if LANGUAGE_COOKIE not in header:
        return None
    morsel = SimpleCookie(header).get(LANGUAGE_COOKIE)
    return morsel.value if morsel and is_language(morsel.value) else None
