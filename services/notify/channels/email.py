"""E-mail to people by SMTP: what happened, where to look, by when; nothing about the child.

The recipient's address is in memory while a message is sent, and in no log.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import SMTPException, SMTPRecipientsRefused, SMTPResponseException, SMTPTimeoutError

from services.notify.channels.base import RESPONSE_CHARACTERS
from services.notify.channels.digest_mail import DigestMail
from services.notify.channels.wording import UnitName, said_of
from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from services.notify.texts import Texts
from shared.messaging.outbox import OutboxRow

# The mailbox does not exist or takes nothing (RFC 5321, 4.2.3): trying again changes nothing.
_NO_SUCH_MAILBOX = frozenset({550, 551, 553, 556})


class _Whole(UnstructuredHeader, BaseHeader):
    """A head on one line, however long: at most 998 characters (RFC 5322, 2.1.1). The library writes an address that is
    longer than 78 as encoded words, and no mail program finds it there."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADS = HeaderRegistry()
_HEADS.map_to_type("list-unsubscribe", _Whole)
_POLICY = EmailPolicy(header_factory=_HEADS)


class EmailChannel:
    """Hands messages to the province's mail server.

    Args:
        url: `smtp://user:password@host:port` (STARTTLS where offered) or `smtps://…`. sender: the From address.
        unit_name: a commune's name by its code. digests: how those look. base_url: where links lead.
        timeout: seconds for one message.
    """

    # One mail server takes them all.
    at_once: int | None = 8
    writes: bool = False

    def __init__(
        self,
        url: str,
        sender: str,
        texts: Texts,
        unit_name: UnitName,
        digests: DigestMail,
        base_url: str,
        timeout: float,
    ) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if self._tls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._sender = sender
        self._texts = texts
        self._unit_name = unit_name
        self._digests = digests
        self._base_url = base_url
        self._domain = urlsplit(base_url).hostname or "vongtay"
        self._timeout = timeout

    async def open(self) -> None:
        """Nothing to open: a connection lives as long as its message."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """One message to one address."""
        started = time.perf_counter()
        try:
            # A digest's picture takes its time.
            composed = await asyncio.to_thread(self.compose, delivery, target, now)
            _, answer = await aiosmtplib.send(
                composed,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._tls,
                timeout=self._timeout,
            )
        except (SMTPException, OSError, TimeoutError, ValueError) as error:
            return _failure(error, _since(started))
        # An answer may repeat the address, and the log is read by more people than the message.
        return Attempt("taken", _since(started), 250, answer.replace(target.address, "…")[:RESPONSE_CHARACTERS])

    def compose(self, delivery: Delivery, target: Target, now: datetime) -> EmailMessage:
        """The message. Its id follows from the delivery, so that mail programs recognise a repetition."""
        language = target.language
        said = said_of(delivery, self._unit_name, language)
        fields = said.fields
        settings = f"{self._base_url}/notify/subscriptions/{target.endpoint_id}"
        title = self._texts.title(fields, language)
        lines = self._texts.lines(fields, language, said.link, said.acknowledge)
        if said.items:
            lines += ["", *(f"- {name}: {link}" for name, link in self._digests.listed(said.items, language))]
        lines += ["", "--"]
        lines += [self._texts.part("foot", fields, language), settings, ""]
        message = EmailMessage(_POLICY)
        message["Subject"] = title
        message["From"] = self._sender
        message["To"] = target.address
        message["Date"] = now
        message["Message-ID"] = f"<{delivery.id}@{self._domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["List-Unsubscribe"] = f"<{settings}>"
        message.set_content("\n".join(lines))
        if said.items:
            self._digests.add(message, said.items, language, title=title, settings=settings, domain=self._domain)
        return message

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """Nothing beside the log."""
        return None


def _failure(error: Exception, duration_ms: int) -> Attempt:
    """Codes only: what the server says may quote the address."""
    if isinstance(error, SMTPRecipientsRefused):
        code = error.recipients[0].code if error.recipients else None
        return Attempt("gone" if code in _NO_SUCH_MAILBOX else "again", duration_ms, code, reason="recipient-refused")
    # The mail server is ours: that it is away says nothing of the mailbox.
    if isinstance(error, SMTPResponseException):
        return Attempt("again", duration_ms, error.code, reason=f"smtp-{error.code}", ours=True)
    if isinstance(error, SMTPTimeoutError | TimeoutError):
        return Attempt("again", duration_ms, reason="timeout", ours=True)
    return Attempt("again", duration_ms, reason="mail-server-unreachable", ours=True)


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
