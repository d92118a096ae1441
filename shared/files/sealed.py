"""A file that lies on a disk only sealed: written part by part as it arrives, read from any place, never in clear."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import BinaryIO, Literal

from shared.privacy.sealing import PART, PART_OVERHEAD, DataKey


class SealedWriter:
    """Takes a file's bytes as they arrive.

    Args:
        path: where it will lie. key, stream: what it is sealed under, and its name there (authenticated).
    """

    def __init__(self, path: Path, key: DataKey, stream: str) -> None:
        self.size = 0
        self._path = path
        self._key = key
        self._stream = stream
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._number = 0
        self._file: BinaryIO | None = path.open("xb")

    def add(self, data: bytes) -> None:
        """Bytes at the end."""
        self.size += len(data)
        self._hash.update(data)
        self._waiting += data
        # The last part says that it is the last: a full one waits until more comes.
        while len(self._waiting) > PART:
            self._write(bytes(self._waiting[:PART]), last=False)
            del self._waiting[:PART]

    def end(self) -> None:
        """All bytes have come."""
        self._write(bytes(self._waiting), last=True)
        self._waiting.clear()
        if self._file is not None:
            self._file.close()

    def digest(self) -> bytes:
        """The content's SHA-256."""
        return self._hash.digest()

    def drop(self) -> None:
        """Forget all of them: the file is refused."""
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
        self._file, self.size = None, 0
        self._waiting.clear()

    def _write(self, plain: bytes, *, last: bool) -> None:
        if self._file is not None:
            self._file.write(self._key.seal_part(self._stream, self._number, plain, last=last))
            self._number += 1


class SealedFile:
    """A file written by `SealedWriter`, read as a `Source`.

    Args:
        name: as its sender calls it. path, key, stream: as it was written.
    """

    def __init__(self, name: str, path: Path, key: DataKey, stream: str) -> None:
        self.name = name
        self._path = path
        self._key = key
        self._stream = stream

    def open(self, mode: Literal["rb"]) -> BinaryIO:
        """The plain bytes, opened where they are asked for. Reading raises `Unreadable` where a part was changed."""
        return io.BufferedReader(_Opened(self._path, self._key, self._stream), PART)


class _Opened(io.RawIOBase):
    def __init__(self, path: Path, key: DataKey, stream: str) -> None:
        self._file = path.open("rb")
        self._key = key
        self._stream = stream
        sealed = path.stat().st_size
        self._parts = max(1, -(-sealed // (PART + PART_OVERHEAD)))
        self._size = sealed - self._parts * PART_OVERHEAD
        self._place = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # what the buffered reader gives
        if self._place >= self._size or not view:
            return 0
        number, start = divmod(self._place, PART)
        piece = self._part(number)[start : start + len(view)]
        view[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _part(self, number: int) -> bytes:
        if self._held[0] != number:
            self._file.seek(number * (PART + PART_OVERHEAD))
            sealed = self._file.read(PART + PART_OVERHEAD)
            plain = self._key.open_part(self._stream, number, sealed, last=number == self._parts - 1)
            self._held = (number, plain)
        return self._held[1]
