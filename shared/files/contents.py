"""What a file is, told by its bytes alone: photographs, scans and recordings that may be kept.

Pure. It walks the container from end to end (what ends early was cut on its way) and looks at neither name nor header
that came with it. It decodes nothing: whoever wants to harm us with a picture must not find a decoder here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["photo", "scan", "audio"]
Fault = Literal["truncated", "disguised", "video"]


class Content(Protocol):
    """A file's bytes, to be looked at wherever one likes."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, length: int) -> bytes:
        """The bytes from `start`; fewer where the file ends."""


@dataclass(frozen=True, slots=True)
class Media:
    """A type of file that may be kept. `extensions`: as names end, the first one as ours do."""

    type: str
    kind: Kind
    extensions: Sequence[str]


JPEG = Media("image/jpeg", "photo", ("jpg", "jpeg", "jpe", "jfif"))
PNG = Media("image/png", "photo", ("png",))
WEBP = Media("image/webp", "photo", ("webp",))
HEIC = Media("image/heic", "photo", ("heic", "heif"))
PDF = Media("application/pdf", "scan", ("pdf",))
MP3 = Media("audio/mpeg", "audio", ("mp3",))
M4A = Media("audio/mp4", "audio", ("m4a", "mp4", "m4b", "3gp"))
AAC = Media("audio/aac", "audio", ("aac",))
OGG = Media("audio/ogg", "audio", ("ogg", "oga", "opus"))
WAV = Media("audio/wav", "audio", ("wav",))
ALL: Mapping[str, Media] = {media.type: media for media in (JPEG, PNG, WEBP, HEIC, PDF, MP3, M4A, AAC, OGG, WAV)}

# Browsers that guess look for these at the beginning; archives are read from the end, whatever stands before them.
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<iframe", b"<svg", b"<?php")
_LOOKED_AT = 4096
_ARCHIVE_END = b"PK\x05\x06"
_ARCHIVE_TAIL = 22 + 0xFFFF
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"mp41", b"mp42", b"isom", b"iso2", b"dash", b"3gp4", b"3gp5", b"3gp6"})
_MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def look(content: Content) -> tuple[Media | None, Fault | None]:
    """In: a file. Out: what it is (None: nothing that may be kept), and what is wrong with it, if anything is."""
    head = content.read(0, 64)
    media = _named(head)
    if media is None:
        return None, None
    if media is M4A and _shows_pictures(content):
        return media, "video"
    if not _WALKS[media.type](content):
        return media, "truncated"
    return media, "disguised" if _is_two_things(content, media) else None


def _named(head: bytes) -> Media | None:
    """What the first bytes say."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return HEIC if brand in _HEIC_BRANDS else M4A if brand in _SOUND_BRANDS else None
    if head.startswith(b"%PDF-"):
        return PDF
    if head.startswith(b"OggS"):
        return OGG
    if head.startswith(b"ID3") or (len(head) > 3 and _mp3_frame(head[:4])):
        return MP3
    return AAC if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0 else None


def _is_two_things(content: Content, media: Media) -> bool:
    """Whether the file could be taken for a page or an archive as well."""
    ends = (content.read(0, _LOOKED_AT), content.read(max(0, content.size - _LOOKED_AT), _LOOKED_AT))
    # A PDF may speak of markup in its description; it is never shown by us, only downloaded.
    if any(mark in part.lower() for part in ends for mark in _MARKUP) and media is not PDF:
        return True
    if media is PDF and any(mark in ends[0][:1024].lower() for mark in _MARKUP):
        return True
    tail = content.read(max(0, content.size - _ARCHIVE_TAIL), _ARCHIVE_TAIL)
    end = tail.rfind(_ARCHIVE_END)
    comment = int.from_bytes(tail[end + 20 : end + 22], "little")
    return end >= 0 and end + 22 + comment == len(tail)


def _jpeg(content: Content) -> bool:
    """Segments up to the scan, and the end of image after it: phones append things of their own behind it."""
    place = 2
    while (mark := content.read(place, 4))[:1] == b"\xff" and len(mark) == 4:
        if mark[1] == 0xFF:
            place += 1
        elif mark[1] == 0xDA:
            return _found(content, b"\xff\xd9", place + 2)
        else:
            place += 2 + int.from_bytes(mark[2:4], "big")
    return False


def _found(content: Content, mark: bytes, place: int) -> bool:
    step = 1 << 16
    while place < content.size:
        if mark in content.read(place, step + len(mark) - 1):
            return True
        place += step
    return False


def _png(content: Content) -> bool:
    """Chunks one after the other, the last one IEND, nothing behind it."""
    place = 8
    while len(head := content.read(place, 8)) == 8:
        place += 12 + int.from_bytes(head[:4], "big")
        if head[4:] == b"IEND":
            return place == content.size
    return False


def _riff(content: Content) -> bool:
    """The length that the file says it has."""
    said = int.from_bytes(content.read(4, 4), "little") + 8
    return content.size in (said, said + said % 2) and said > 20


def _boxes(content: Content) -> list[tuple[bytes, int, int]] | None:
    """The boxes of an ISO media file: name, where the body begins, where it ends. None: they do not fill the file."""
    found: list[tuple[bytes, int, int]] = []
    place = 0
    while place < content.size:
        head = content.read(place, 16)
        length, start = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), 16
        elif length == 0:
            length = content.size - place
        if length < start or place + length > content.size:
            return None
        found.append((head[4:8], place + start, place + length))
        place += length
    return found


def _iso(content: Content) -> bool:
    boxes = _boxes(content)
    names = {name for name, _, _ in boxes or ()}
    return boxes is not None and bool(names & {b"moov", b"moof", b"meta"}) and b"mdat" in names


def _shows_pictures(content: Content) -> bool:
    """Whether a recording has a track of pictures: the handler of a track says what it is."""
    for name, start, end in _boxes(content) or ():
        if name == b"moov":
            body = content.read(start, end - start)
            place = body.find(b"hdlr")
            while place >= 0:
                if body[place + 12 : place + 16] == b"vide":
                    return True
                place = body.find(b"hdlr", place + 4)
    return False


def _pdf(content: Content) -> bool:
    return b"%%EOF" in content.read(max(0, content.size - 2048), 2048)


def _mp3(content: Content) -> bool:
    """Two frames in a row behind what is said about the piece."""
    head = content.read(0, 10)
    place = 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = 0
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        place = 10 + size + (10 if head[5] & 0x10 else 0)
    first = _mp3_frame(content.read(place, 4))
    if not first:  # some leave room between the two
        gap = content.read(place, _LOOKED_AT).find(b"\xff\xfb")
        place += max(gap, 0)
        first = _mp3_frame(content.read(place, 4))
    return bool(first) and bool(_mp3_frame(content.read(place + first, 4)))


def _mp3_frame(head: bytes) -> int:
    """The length of a frame of layer III; 0 where it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, hertz = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in _HERTZ or not 0 < rate < 15 or hertz == 3:
        return 0
    kbits = (_MPEG1_KBITS if version == 3 else _MPEG2_KBITS)[rate]
    return (144 if version == 3 else 72) * kbits * 1000 // _HERTZ[version][hertz] + (head[2] >> 1 & 1)


def _aac(content: Content) -> bool:
    """Frames one after the other to the end."""
    place = 0
    while place < content.size:
        head = content.read(place, 7)
        if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
            return False
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        if length < 7:
            return False
        place += length
    return place == content.size


def _ogg(content: Content) -> bool:
    """Pages one after the other to the end."""
    place = 0
    while place < content.size:
        head = content.read(place, 27)
        if len(head) < 27 or head[:4] != b"OggS":
            return False
        table = content.read(place + 27, head[26])
        if len(table) < head[26]:
            return False
        place += 27 + head[26] + sum(table)
    return place == content.size


_WALKS: Mapping[str, Callable[[Content], bool]] = {
    JPEG.type: _jpeg,
    PNG.type: _png,
    WEBP.type: _riff,
    HEIC.type: _iso,
    PDF.type: _pdf,
    MP3.type: _mp3,
    M4A.type: _iso,
    AAC.type: _aac,
    OGG.type: _ogg,
    WAV.type: _riff,
}
