"""Small files of every type that a case may hold, made here: nobody's picture, nobody's voice."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Bytes:
    """A file's bytes as rules look at them."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, length: int) -> bytes:
        return self.data[start : start + length]


def png(padding: int = 0) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    more = chunk(b"prVt", bytes(padding)) if padding else b""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + more
        + chunk(b"IDAT", zlib.compress(bytes(4)))
        + chunk(b"IEND", b"")
    )


def jpeg(comment: bytes = b"thu") -> bytes:
    said = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
        + said
        + (b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x12\xff\x00\x34" * 40 + b"\xff\xd9")
    )


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def heic() -> bytes:
    return _box(b"ftyp", b"heic\x00\x00\x00\x00mif1heic") + _box(b"meta", bytes(20)) + _box(b"mdat", bytes(50))


def m4a(handler: bytes = b"soun") -> bytes:
    track = _box(b"trak", _box(b"mdia", _box(b"hdlr", bytes(8) + handler + bytes(12))))
    return _box(b"ftyp", b"M4A \x00\x00\x00\x00M4A mp42") + _box(b"moov", track) + _box(b"mdat", bytes(80))


def webp() -> bytes:
    body = b"WEBPVP8L" + struct.pack("<I", 10) + b"\x2f" + bytes(9)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return out.getvalue()


def mp3() -> bytes:
    frame = b"\xff\xfb\x90\x00" + bytes(417 - 4)
    return b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + frame * 4


def aac() -> bytes:
    length = 40
    head = bytes((0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC))
    return (head + bytes(length - 7)) * 5


def ogg() -> bytes:
    page = b"OggS" + bytes(22) + b"\x02" + bytes((30, 20)) + bytes(50)
    return page * 3


def pdf() -> bytes:
    return b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n" + b"trailer\n<<>>\nstartxref\n0\n%%EOF\n"


GOOD: dict[str, tuple[str, bytes]] = {
    "image/jpeg": ("ảnh hiện trường.JPG", jpeg()),
    "image/png": ("man-hinh.png", png()),
    "image/webp": ("a.webp", webp()),
    "image/heic": ("IMG_0001.HEIC", heic()),
    "application/pdf": ("bien-ban.pdf", pdf()),
    "audio/mpeg": ("ghi am.mp3", mp3()),
    "audio/mp4": ("ghi am.m4a", m4a()),
    "audio/aac": ("a.aac", aac()),
    "audio/ogg": ("a.ogg", ogg()),
    "audio/wav": ("a.wav", wav()),
}


def multipart(fields: dict[str, str], files: list[tuple[str, bytes]], boundary: str = "gioi-han") -> tuple[bytes, str]:
    """A form with files as a browser sends it. Out: the body and its content type."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, data in files:
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        parts.append(head.encode() + b"Content-Type: text/html\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
