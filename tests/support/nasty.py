"""Receivers that behave as badly as the world's do, each on this machine's own address."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_MEGABYTE = bytes(1024 * 1024)


class Receiver:
    """A raw server. `requests`: how many came. `sent`: how many bytes of the answers left."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests = 0
        self.sent = 0
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        """Where to send to."""
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, answer as it was made to."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.split(b":")[1])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length")
                ),
                0,
            )
            await reader.readexactly(length)
            self.requests += 1
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def huge(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """100 MB, as fast as they are taken."""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n")
        for _ in range(100):
            writer.write(_MEGABYTE)
            await writer.drain()
            self.sent += len(_MEGABYTE)


async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Headers and body, one byte a second."""
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def trickle_body(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A status at once, then a body of one byte a second."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def old(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """HTTP/1.0: no length, the end of the connection is the end of the answer."""
    writer.write(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\ntaken")
    await writer.drain()


async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No HTTP at all."""
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    await writer.drain()


async def long_head(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Headers without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        writer.write(b"x-filler: " + b"y" * 100_000 + b"\r\n")
        await writer.drain()


async def continue_for_ever(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Go on, go on, go on: as fast as it is taken, and never an answer."""
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 4000)
        await writer.drain()


async def answer_for_ever(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An answer, and a moment later another, and another, that nobody asked for."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    await writer.drain()
    await asyncio.sleep(0.05)
    while True:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 2000)
        await writer.drain()


async def hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a server may say before its answer, and the answer; and so again on the same connection."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: <" + b"/a" * 1000 + b">\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n" * 2)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1500\r\n\r\n" + b"y" * 1500)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n{}")


async def small_heads(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A hundred headers, each of them as long as it may be."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        writer.write(b"x-%d: " % number + b"y" * 8000 + b"\r\n")
        await writer.drain()
    writer.write(b"content-length: 0\r\n\r\n")
    await writer.drain()


async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Nothing, ever."""
    await asyncio.sleep(3600)


async def cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The connection ends before the answer."""
    writer.transport.abort()


@asynccontextmanager
async def receiver(answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A running receiver that answers so; without an answer, `huge`."""

    async def huge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made.huge(reader, writer)

    made = Receiver(answer or huge)
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    made.scheme = "https" if tls else "http"
    try:
        yield made
    finally:
        server.close()


def self_signed(folder: Path, name: str = "partner.example") -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
