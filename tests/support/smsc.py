"""An SMS gateway that stands where a telephone company's stands: it speaks SMPP 3.4 on a real socket.

Its protocol is another library's (smpplib) than the platform's, so that both would have to make the same mistake.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gsm0338 import Codec
from smpplib import consts, smpp

OK, BAD_PASSWORD, BAD_NUMBER, THROTTLED, SYSTEM_ERROR = 0x00, 0x0E, 0x0B, 0x58, 0x08
_GSM = Codec()


@dataclass(frozen=True)
class Taken:
    """One submit_sm that was accepted."""

    reference: str
    number: str
    sender: str
    payload: bytes
    esm_class: int
    data_coding: int
    registered: int
    valid_until: str


@dataclass
class Gateway:
    """What it takes and how it answers. `statuses` are used up first, one a message; then it takes everything.

    `refused`: numbers that there are not. `silent`: it takes messages and never answers.
    """

    password: str = "secret"
    port: int = 0
    statuses: list[int] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    silent: bool = False
    taken: list[Taken] = field(default_factory=list)
    asked: int = 0
    binds: int = 0
    acknowledged: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    @property
    def url(self) -> str:
        """As the platform's setting has it."""
        return f"smpp://vongtay:{self.password}@127.0.0.1:{self.port}"

    def texts(self, number: str) -> list[str]:
        """What a telephone shows: parts put together by their header, whatever came between."""
        whole: list[str] = []
        parts: dict[int, dict[int, bytes]] = {}
        for one in self.taken:
            if one.number != number:
                continue
            if not one.esm_class & 0x40:
                whole.append(_read(one.payload, one.data_coding))
                continue
            length, element, size, reference, total, place = one.payload[:6]
            assert (length, element, size) == (5, 0, 3)
            assert len(one.payload) <= 140 if one.data_coding == 8 else len(one.payload) <= 6 + 153
            known = parts.setdefault(reference, {})
            known[place] = one.payload[6:]
            if len(known) == total:
                whole.append(_read(b"".join(known[number] for number in sorted(known)), one.data_coding))
                del parts[reference]
        return whole

    async def receipt(self, reference: str, state: str = "DELIVRD", *, by_parameter: bool = False) -> None:
        """Tell what became of a message."""
        states = {"ENROUTE": 1, "DELIVRD": 2, "EXPIRED": 3, "DELETED": 4, "UNDELIV": 5, "UNKNOWN": 7, "REJECTD": 8}
        more: dict[str, Any] = {}
        said = (
            f"id:{reference} sub:001 dlvrd:001 submit date:2603020800 done date:2603020801 stat:{state} err:000 text:"
        )
        if by_parameter:
            more, said = {"receipted_message_id": reference, "message_state": states[state]}, ""
        await self._deliver(source_addr="84912345678", esm_class=0x04, short_message=said.encode(), **more)

    async def reply(self, number: str, text: str) -> None:
        """Somebody answers."""
        coding, octets = (0, text.encode()) if text.isascii() else (8, text.encode("utf-16-be"))
        await self._deliver(source_addr=number.removeprefix("+"), short_message=octets, data_coding=coding)

    async def cut(self) -> None:
        """The connections break."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def _deliver(self, *, source_addr: str, short_message: bytes, **more: Any) -> None:
        pdu = _made(
            "deliver_sm",
            next(self._numbers),
            source_addr=source_addr,
            source_addr_ton=1,
            source_addr_npi=1,
            destination_addr="8079",
            short_message=short_message,
            **more,
        )
        self.writers[-1].write(pdu.generate())
        await self.writers[-1].drain()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                head = await reader.readexactly(4)
                raw = head + await reader.readexactly(int.from_bytes(head, "big") - 4)
                if not await self._answer(smpp.parse_pdu(raw, client=_Numbers()), writer):
                    break
        writer.close()

    async def _answer(self, pdu: Any, writer: asyncio.StreamWriter) -> bool:
        if pdu.command.startswith("bind_"):
            genuine = pdu.password == self.password.encode()
            self.binds += genuine
            status = OK if genuine else BAD_PASSWORD
            answer = _made(f"{pdu.command}_resp", pdu.sequence, system_id="gateway", status=status)
            if genuine:
                self.writers.append(writer)
        elif pdu.command == "submit_sm":
            self.asked += 1
            if self.silent:
                return True
            answer = self._submitted(pdu)
        elif pdu.command == "deliver_sm_resp":
            self.acknowledged += 1
            return True
        elif pdu.command in {"enquire_link", "unbind"}:
            answer = _made(f"{pdu.command}_resp", pdu.sequence)
        else:
            return True
        writer.write(answer.generate())
        await writer.drain()
        return bool(pdu.command != "unbind")

    def _submitted(self, pdu: Any) -> Any:
        number = "+" + pdu.destination_addr.decode()
        status = BAD_NUMBER if number in self.refused else self.statuses.pop(0) if self.statuses else OK
        reference = f"{next(self._numbers):08X}"
        if status == OK:
            assert (pdu.dest_addr_ton, pdu.dest_addr_npi) == (consts.SMPP_TON_INTL, consts.SMPP_NPI_ISDN)
            self.taken.append(
                Taken(
                    reference,
                    number,
                    pdu.source_addr.decode(),
                    pdu.short_message or b"",
                    pdu.esm_class,
                    pdu.data_coding,
                    pdu.registered_delivery,
                    (pdu.validity_period or b"").decode(),
                )
            )
        return _made("submit_sm_resp", pdu.sequence, status=status, message_id=reference)


class _Numbers:
    """What the library asks for a next sequence number; ours are set by hand."""

    sequence = 0

    def next_sequence(self) -> int:
        return 1


def _made(name: str, sequence: int, **more: Any) -> Any:
    pdu = smpp.make_pdu(name, client=_Numbers(), **more)
    pdu.sequence = sequence
    return pdu


def _read(octets: bytes, data_coding: int) -> str:
    return octets.decode("utf-16-be") if data_coding == 8 else _GSM.decode(octets)[0]


@asynccontextmanager
async def sms_gateway(tls: ssl.SSLContext | None = None) -> AsyncIterator[Gateway]:
    """A running gateway, in the test's own loop."""
    made = Gateway()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.cut()
