"""A visitor who asks an application over ASGI, keeps cookies and reads forms, without a port or a browser."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from starlette.types import ASGIApp, Message

FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass
class Answer:
    """What came back. `headers` has the last of each name, in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


@dataclass
class Visitor:
    """One browser session. `hangs_up`: on a stream that has no end, once it has begun."""

    app: ASGIApp
    cookies: dict[str, str] = field(default_factory=dict)
    host: str = "test"
    hangs_up: bool = False

    async def ask(
        self,
        target: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        body: bytes = b"",
    ) -> Answer:
        """In: a path with its query, a form to post or another body. Out: the answer, its cookies kept."""
        url = urlsplit(target)
        if form is not None:
            body = urlencode(form).encode()
        sent = {"host": self.host, "accept": "text/html", **(headers or {})}
        if form is not None:
            sent["content-type"] = "application/x-www-form-urlencoded"
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method or ("GET" if form is None else "POST"),
            "scheme": "http",
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 50000),
            "server": (self.host, 80),
        }
        messages: list[Message] = []
        asked = False
        gone = asyncio.Event()

        async def receive() -> Message:
            nonlocal asked
            if asked:  # a visitor who stays on the line has nothing more to say
                await gone.wait()
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)
            if self.hangs_up and (b"content-type", b"text/event-stream; charset=utf-8") in message.get("headers", ()):
                gone.set()

        await self.app(scope, receive, send)
        start = messages[0]
        pairs = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
        for name, value in pairs:
            if name == "set-cookie":
                self._keep(value)
        return Answer(start["status"], dict(pairs), b"".join(message.get("body", b"") for message in messages[1:]))

    async def enter(self, person: str, target: str = "/") -> Answer:
        """Sign in as one of the demo's people, as the page's button does."""
        page = await self.ask("/identity/sign-in")
        form = {"form_token": token_of(page), "person": person, "next": target}
        return await self.ask("/identity/sign-in/demo", form)

    def _keep(self, header: str) -> None:
        for name, morsel in SimpleCookie(header).items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value


def token_of(page: Answer) -> str:
    """Out: the form token that the page carries."""
    found = FORM_TOKEN.search(page.text)
    assert found, "the page has no form"
    return found.group(1)
