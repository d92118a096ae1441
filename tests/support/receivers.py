"""Servers that stand where the world stands: one takes mail, one takes webhooks; both keep what they got.

They listen on this machine's own address only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope


class MailServer:
    """Takes every mail and keeps it. Set `refusal` to an SMTP answer ("451 later") to refuse instead, and `silent` to
    keep each, but answer nobody.
    """

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refusal: str | None = None
        self.silent = False
        self.port = 0

    @property
    def url(self) -> str:
        """For `Settings.smtp_url`."""
        return f"smtp://127.0.0.1:{self.port}"

    def clear(self) -> None:
        """Forget what came, and take mail again."""
        self.messages.clear()
        self.recipients.clear()
        self.refusal, self.silent = None, False

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Keep a mail."""
        if self.refusal is not None:
            return self.refusal
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        while self.silent:
            await asyncio.sleep(0.05)
        return "250 OK"


@dataclass(frozen=True)
class WebhookRequest:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebhookServer:
    """Answers what it is told to, and keeps every request.

    `status`, `delay` (seconds), `body` and `headers` apply to every answer, until changed; `statuses` are used up
    first, one a request. `answer` may decide by itself: it gets the request and gives a status.
    """

    port: int = 0
    status: int = 200
    delay: float = 0.0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    answer: Callable[[WebhookRequest], int] | None = None
    requests: list[WebhookRequest] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where to send to; any path below it will do."""
        return f"http://127.0.0.1:{self.port}/hook"

    def clear(self) -> None:
        """Forget what came, and answer 200 at once again."""
        fresh = WebhookServer(port=self.port)
        self.__dict__.update(fresh.__dict__)

    async def handle(self, request: web.Request) -> web.Response:
        """Keep a request and answer it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        seen = WebhookRequest(request.method, request.path_qs, headers, await request.read())
        self.requests.append(seen)
        if self.delay:
            await asyncio.sleep(self.delay)
        status = self.status
        if self.answer is not None:
            status = self.answer(seen)
        elif self.statuses:
            status = self.statuses.pop(0)
        return web.Response(status=status, body=self.body, headers=self.headers)


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """A running `MailServer`, in the test's own loop."""
    mail = MailServer()

    def protocol() -> Any:
        return SMTP(mail, hostname="localhost", enable_SMTPUTF8=True)

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def webhook_server() -> AsyncIterator[WebhookServer]:
    """A running `WebhookServer`, in the test's own loop."""
    hooks = WebhookServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hooks.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hooks.port = runner.addresses[0][1]
    try:
        yield hooks
    finally:
        await runner.cleanup()
