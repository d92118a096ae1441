"""A file on its way in over HTTP: taken apart as it arrives and handed on piece by piece.

The framework's own form parser would write a large file to a temporary one, in clear. Where the bytes go is the
caller's: `Gathered` holds a small file in memory, others seal a large one as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from fastapi import HTTPException, Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from shared.contracts.errors import Rejected, refuse
from shared.identity import FORM_FIELD, verify_upload

MEGABYTE = 1 << 20
_FIELD_BYTES = 16 * 1024
_FIELDS = 12
# A line may be slow, but not dead: after a first minute it has to bring so many bytes a second on average.
_PATIENCE = 60.0
_SLOWEST = 4096
# A refusal is read only by a browser that was let finish its sending; beyond this, it is cut off.
_READ_ON = 4


class Sink(Protocol):
    """Where a file's bytes go as they arrive."""

    size: int

    def add(self, data: bytes) -> None:
        """Bytes at the end."""

    def drop(self) -> None:
        """Forget all of them: the file is refused."""


S = TypeVar("S", bound=Sink)


class Gathered:
    """A small file's bytes in memory, to be looked at wherever one likes."""

    def __init__(self) -> None:
        self._content = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        """Bytes at the end."""
        self._content += data
        self.size = len(self._content)

    def drop(self) -> None:
        """Forget all of them."""
        self._content.clear()
        self.size = 0

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`; fewer where the file ends."""
        return bytes(self._content[start : start + length])


@dataclass(slots=True)
class Upload(Generic[S]):
    """What a form with a file said. `name`: as the sender calls the file; `problem`: why the file was not kept."""

    content: S
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    problem: Rejected | None = None


class _Reading(Generic[S]):
    """Takes a multipart body apart as it arrives."""

    def __init__(self, request: Request, limit: int, content: S, too_large: Rejected) -> None:
        self.upload = Upload(content)
        self.proved = False
        self._request = request
        self._limit = limit
        self._too_large = too_large
        self._header = b""
        self._disposition = b""
        self._name = ""
        self._file: str | None = None
        self._value = bytearray()
        self._seen = 0
        self._kept = 0

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_headers_finished": self._headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
        }

    def prove(self) -> None:
        """The form's token comes before any file. Raises `ForgedFormError`."""
        if not self.proved:
            verify_upload(self._request, self.upload.fields.get(FORM_FIELD))
            self.proved = True

    def _begin(self) -> None:
        self._seen += 1
        if self._seen > _FIELDS:
            raise _malformed()
        self._disposition, self._name, self._file, self._value = b"", "", None, bytearray()

    def _header_begin(self) -> None:
        self._header = b""
        self._value = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end].lower()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        if self._header == b"content-disposition":
            self._disposition += data[start:end]

    def _headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = _text(options.get(b"name", b""))
        if b"filename" in options:
            self._file = _text(options[b"filename"])
            self.prove()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._value += data[start:end]
            if len(self._value) > _FIELD_BYTES:
                raise _malformed()
            return
        upload = self.upload
        self._kept = self._kept or self._seen
        if self._kept != self._seen:
            upload.problem = upload.problem or _one_at_a_time()
        elif upload.content.size + end - start > self._limit:
            upload.problem = upload.problem or self._too_large
        if upload.problem is None:
            upload.name = self._file
            upload.content.add(data[start:end])
        else:
            upload.content.drop()

    def _end(self) -> None:
        if self._file is None:
            self.upload.fields[self._name] = _text(bytes(self._value))
        elif self._file and not self.upload.name:
            self.upload.name = self._file  # an empty file has a name, and says so


async def read_upload(request: Request, megabytes: int, content: S, too_large: Rejected) -> Upload[S]:
    """In: a multipart request, how large its file may be, where it goes, and what is said of a larger one. Out: what
    the form said; the file's size is 0 where there was none, or an empty one.

    A file that is too large or not alone is the upload's problem: what stood beside it is read nevertheless.

    Raises: `Rejected` (not-multipart, malformed, too-large beyond reading on), 408 (the line is too slow),
    `ForgedFormError`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise refuse(
            "file",
            "not-multipart",
            "Tệp phải được gửi dưới dạng multipart/form-data.",
            "A file is sent as multipart/form-data.",
        )
    limit = megabytes * MEGABYTE
    reading = _Reading(request, limit, content, too_large)
    parser = MultipartParser(options[b"boundary"], reading.callbacks())  # type: ignore[arg-type]
    try:
        async for data in _bounded(_in_time(request.stream()), limit * _READ_ON, too_large):
            await asyncio.to_thread(parser.write, data)  # it may seal, and write to a disk
        parser.finalize()
    except MultipartParseError:
        raise _malformed() from None
    reading.prove()
    return reading.upload


async def let_finish(request: Request, megabytes: int, too_large: Rejected) -> None:
    """Read on and keep nothing: a browser reads no refusal before it has sent what it wanted to send."""
    try:
        async for _ in _bounded(_in_time(request.stream()), megabytes * MEGABYTE * _READ_ON, too_large):
            pass
    except (Rejected, HTTPException):
        return


async def _in_time(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream, as long as it is not slower than a line may be. Raises: 408."""
    began, read = asyncio.get_running_loop().time(), 0
    while True:
        try:
            async with asyncio.timeout_at(began + _PATIENCE + read / _SLOWEST):
                data = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            # What is still to come is nobody's next request.
            raise HTTPException(408, headers={"Connection": "close"}) from None
        read += len(data)
        yield data


async def _bounded(stream: AsyncIterator[bytes], at_most: int, too_large: Rejected) -> AsyncIterator[bytes]:
    read = 0
    async for data in stream:
        read += len(data)
        if read > at_most:
            raise too_large
        yield data


def _text(value: bytes) -> str:
    try:
        # Browsers write a quote in a name so, and no other sign (HTML, multipart/form-data encoding).
        return value.decode().replace("%22", '"').replace("%0D", "").replace("%0A", "")
    except UnicodeDecodeError:
        raise _malformed() from None


def _malformed() -> Rejected:
    return refuse(
        "file", "malformed", "Nội dung gửi lên không đúng định dạng.", "What was sent is not a well-formed form."
    )


def _one_at_a_time() -> Rejected:
    return refuse("file", "one-at-a-time", "Mỗi lần gửi một tệp.", "Send one file at a time.")
