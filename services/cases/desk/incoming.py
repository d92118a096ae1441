"""A file on its way in, as the desk takes it: sealed part by part while it arrives, so that a slow line holds no memory
and no disk ever has it in clear."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType

from shared.privacy import PART_OVERHEAD, DataKey
from shared.privacy.sealing import PART

# As much of a file stays in memory; what is longer goes, sealed, to the process's own temporary folder.
_IN_MEMORY = 2 * PART
_SEALED = PART + PART_OVERHEAD


class IncomingFile:
    """Takes bytes in order; read wherever one likes once all have come. Used by one thread at a time; to be closed.

    Args:
        key: what its parts are sealed under. stream: its id, which each sealed part is bound to.
    """

    def __init__(self, key: DataKey, stream: str) -> None:
        self.stream = stream
        self.size = 0
        self._key = key
        self._kept = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with this
        self._rest = bytearray()
        self._opened: tuple[int, bytes] | None = None

    def __enter__(self) -> IncomingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.close()

    def add(self, data: bytes) -> None:
        """Bytes at the end."""
        self.size += len(data)
        self._rest += data
        while len(self._rest) > PART:  # a full one stays until something follows: the last part is sealed as such
            self._seal(bytes(self._rest[:PART]), last=False)
            del self._rest[:PART]

    def end(self) -> None:
        """All bytes have come."""
        if self.size:
            self._seal(bytes(self._rest), last=True)
            self._rest.clear()

    def drop(self) -> None:
        """Nothing of it is wanted."""
        self._kept.seek(0)
        self._kept.truncate()
        self._rest.clear()
        self._opened = None
        self.size = 0

    def read(self, start: int, length: int) -> bytes:
        """The plain bytes from `start`; fewer where the file ends."""
        found = bytearray()
        while length > 0 and 0 <= start < self.size:
            part = self._part(start // PART)[start % PART : start % PART + length]
            found += part
            start += len(part)
            length -= len(part)
        return bytes(found)

    def sealed(self) -> Iterator[bytes]:
        """The sealed parts in order, one in memory at a time."""
        for number in range(-(-self.size // PART)):
            yield self._sealed_part(number)

    def _seal(self, plain: bytes, *, last: bool) -> None:
        self._kept.write(self._key.seal_part(self.stream, self._kept.tell() // _SEALED, plain, last=last))

    def _sealed_part(self, number: int) -> bytes:
        self._kept.seek(number * _SEALED)
        return self._kept.read(_SEALED)

    def _part(self, number: int) -> bytes:
        """A part opened again; the last one that was looked at is at hand, for it is mostly the next one too."""
        if self._opened is None or self._opened[0] != number:
            last = number == (self.size - 1) // PART
            plain = self._key.open_part(self.stream, number, self._sealed_part(number), last=last)
            self._opened = (number, plain)
        return self._opened[1]
