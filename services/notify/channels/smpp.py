"""A session with an SMS gateway by SMPP 3.4: bound again whenever it breaks, what it says handed on.

The protocol is the library's (smpp34). Here is only what it leaves open: coming back, and what statuses, receipts and
replies mean. It never logs a number or a text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import smpp34
import structlog

from services.notify.domain.sms import Alphabet, decoded

_LOG = structlog.get_logger(__name__)
_PORT, _TLS_PORT = 2775, 3550
_SHORTEST_DELAY, _LONGEST_DELAY = 0.5, 30.0
_CONNECT_MS = 10_000
# What the library holds while we write; a gateway is told to wait beyond it, and says it again.
_INBOUND = 16
# SMPP 3.4, 5.2.12: bits 5 to 2 of esm_class tell what a deliver_sm is; bit 6 that a header comes before its text.
_KIND, _RECEIPT, _ORDINARY, _HEADER = 0x3C, 0x04, 0x00, 0x40
UCS2: Final = 8
# 5.3.2.12 and 5.3.2.35: optional parameters of a receipt.
_REFERENCE: Final = 0x001E
_STATE: Final = 0x0427
# 5.2.28, message_state, and appendix B, as they stand in a receipt's text.
ReceiptState = Literal["ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"]
_STATES: Final[Mapping[int, ReceiptState]] = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
_ID: Final = re.compile(rb"\bid:\s*([^\s]{1,64})", re.IGNORECASE)
_STAT: Final = re.compile(rb"\bstat:\s*([A-Za-z]{7})", re.IGNORECASE)


class GatewayAwayError(OSError):
    """There is no session with the gateway, or it broke before an answer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One message for one number. `payload`: with its header, where it has one."""

    number: str
    payload: bytes
    alphabet: Alphabet
    header: bool
    valid_until: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What the gateway answered. `reference`: under which it will tell what became of it."""

    status: int
    reference: str | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message."""

    reference: str
    state: ReceiptState


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody wrote to us."""

    number: str
    text: str

    def __repr__(self) -> str:
        return "Reply()"  # neither number nor text must reach a log


Heard = Callable[[Receipt | Reply], Awaitable[None]]


class Gateway:
    """One session.

    Args:
        url: `smpp://system_id:password@host:port`; `smpps://…` for TLS. sender: a short number, one with +, or a name.
        window: messages on their way at once. heard: takes receipts and replies; the next one waits until it has.
    """

    def __init__(self, url: str, sender: str, window: int, heard: Heard) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smpps"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or (_TLS_PORT if self._tls else _PORT)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender, self._sender_ton, self._sender_npi = _addressed(sender)
        self._window = window
        self._heard = heard
        self._session: smpp34.Smsc | None = None
        self._bound = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to bind; it goes on beside until `close`."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Unbind."""
        if self._keeping is None:
            return
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        self._keeping = None

    async def submit(self, wanted: Submission, patience: float) -> Submitted:
        """Hand one message over. In: seconds to wait for a session and its answer. Raises: `GatewayAwayError`."""
        try:
            async with asyncio.timeout(patience):
                await self._bound.wait()
                if self._session is None:
                    raise GatewayAwayError("no session")
                answer = await self._session.submit_sm(
                    destination_addr=wanted.number.removeprefix("+"),
                    dest_addr_ton=1,
                    dest_addr_npi=1,
                    source_addr=self._sender,
                    source_addr_ton=self._sender_ton,
                    source_addr_npi=self._sender_npi,
                    short_message=wanted.payload,
                    esm_class=_HEADER if wanted.header else 0,
                    data_coding=UCS2 if wanted.alphabet == "ucs-2" else 0,
                    registered_delivery=1,
                    validity_period=wanted.valid_until,
                )
        except smpp34.SmppError as error:
            if (status := _status_of(error)) is not None:
                return Submitted(status, None)
            raise GatewayAwayError("the session broke") from None
        except TimeoutError:
            raise GatewayAwayError("no answer in time") from None
        return Submitted(answer.command_status, answer.message_id or None)

    async def _keep(self) -> None:
        delay = _SHORTEST_DELAY
        while True:
            client = smpp34.Client(
                self._host,
                self._port,
                self._user,
                self._password,
                bind_type="TRX",
                tls=self._tls,
                window_size=self._window,
                inbound_capacity=_INBOUND,
                connect_timeout_ms=_CONNECT_MS,
            )
            try:
                self._session = await client.connect()
                self._bound.set()
                _LOG.info("sms.bound")
                delay = _SHORTEST_DELAY
                await self._listen(self._session)
            except (smpp34.SmppError, OSError) as error:
                _LOG.warning("sms.gateway-away", reason=type(error).__name__, seconds=delay)
            except Exception as error:  # whatever ends a session, emergencies need the next one
                _LOG.error("sms.session-broken", reason=type(error).__name__, seconds=delay)
            finally:
                self._bound.clear()
                self._session = None
                await client.stop()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    async def _listen(self, session: smpp34.Smsc) -> None:
        """Hand on what comes, until the session ends."""
        while not isinstance(event := await session.next(), smpp34.Disconnected):
            heard = meaning(event)
            if heard is not None:
                await self._heard(heard)


def meaning(event: smpp34.DeliverSmEvent) -> Receipt | Reply | None:
    """What a deliver_sm says: a receipt by its optional parameters or its text, or somebody's words; None for what says
    neither."""
    kind = event.esm_class & _KIND
    if kind == _RECEIPT:
        return _receipt(event)
    if kind != _ORDINARY:
        return None
    octets = event.short_message
    if event.esm_class & _HEADER and octets:
        octets = octets[1 + octets[0] :]
    number = event.source_addr
    text = decoded(octets, "ucs-2" if event.data_coding == UCS2 else "gsm-7")
    return Reply("+" + number if event.source_addr_ton == 1 and not number.startswith("+") else number, text)


def _receipt(event: smpp34.DeliverSmEvent) -> Receipt | None:
    reference = next((tlv.as_string() for tlv in event.tlvs if tlv.tag == _REFERENCE), None)
    coded = next((tlv.as_int() for tlv in event.tlvs if tlv.tag == _STATE), None)
    if not reference and (found := _ID.search(event.short_message)):
        reference = found[1].decode("latin-1")
    state = _STATES.get(coded or 0)
    if state is None and (said := _STAT.search(event.short_message)):
        state = next((known for known in _STATES.values() if known == said[1].decode().upper()), None)
    return None if not reference or state is None else Receipt(reference.rstrip("\x00"), state)


def _addressed(sender: str) -> tuple[str, int, int]:
    """A sender with its type of number and numbering plan (SMPP 3.4, 5.2.5 and 5.2.6)."""
    if sender.startswith("+"):
        return sender[1:], 1, 1
    # A short number is the network's own; a name has letters and takes no reply.
    return (sender, 3, 0) if sender.isdecimal() else (sender, 5, 0)


def _status_of(error: smpp34.SmppError) -> int | None:
    """The status that the gateway answered, where the error is its answer."""
    found = re.search(r"ESME_\w+ \(0x([0-9A-Fa-f]{8})\)", str(error))
    return int(found[1], 16) if found else None
