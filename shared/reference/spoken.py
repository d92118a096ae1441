"""Takes apart how people write where something is: hamlet, unit, old district, province, in any usual order.

It only reads; which unit is meant is decided in `units.py`. It never corrects a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from shared.reference.text import fold, toned

Era = Literal["old", "new"] | None

_SEPARATORS = re.compile(r"[,;/|()\[\]\n]|\s[-–—]\s")
_CODE = re.compile(r"^\d{5}$")
# Before a word of kind somebody forgot the comma. "xa" without its tone stays: it ends many names (Tràng Xá).
_UNSAID_COMMA = re.compile(
    r"\s+(?=(?:xã|phường|phuong|thị trấn|thi tran|huyện|huyen|thị xã|thi xa|thành phố|thanh pho|tp|tỉnh|tinh"
    r"|nay là|nay thuộc)\s)",
    re.IGNORECASE,
)
Role = Literal["commune", "ward", "town", "district", "province", "below", "office", "now", "before"]
_SAID: dict[Role, tuple[str, ...]] = {
    "commune": ("xã", "x"),
    "ward": ("phường", "p", "ph"),
    "town": ("thị trấn", "tt", "t t"),
    "district": ("huyện", "h", "thành phố", "tp", "t p", "thị xã", "tx", "quận", "q"),
    "province": ("tỉnh", "t"),
    "below": (
        *("thôn", "xóm", "bản", "tổ dân phố", "tổ", "tdp", "khu phố", "tiểu khu", "khu", "khối", "số", "đường", "ngõ"),
        *("trường", "bệnh viện"),
    ),
    "office": ("ubnd", "ủy ban nhân dân", "trạm y tế", "tyt", "công an", "địa bàn"),
    "now": ("nay là", "nay thuộc", "hiện là", "hiện nay là"),
    "before": ("trước là", "trước đây là", "trước đây thuộc", "tên cũ là"),
}
_ROLES = {toned(said): role for role, all_said in _SAID.items() for said in all_said}
_ROLES_WITHOUT_TONES = {fold(said): role for role, all_said in _SAID.items() for said in all_said}
_LONGEST = max(said.count(" ") for said in _ROLES) + 1
_UNIT_KINDS = {"commune", "ward", "town"}
_AREA_KINDS = {"district", "province"}
_ENGLISH = {"commune": "commune", "ward": "ward", "town": "town", "township": "town"}
_ERAS: dict[str, Era] = {"cu": "old", "cũ": "old", "moi": "new", "mới": "new"}
_COUNTRY = {"viet nam", "vietnam", "vn"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One part between commas. `kind`: of the unit, where said; `area`: of the level above; `below`: a hamlet."""

    name: str
    kind: str | None = None
    area: str | None = None
    below: bool = False
    era: Era = None
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """What somebody wrote. `units` may be several; `places`: named after them, from near to far."""

    units: Sequence[Piece] = ()
    places: Sequence[Piece] = ()
    code: str | None = None


def take_apart(text: str, is_unit: Callable[[str], bool], is_area: Callable[[str], bool]) -> Spoken:
    """In: text as written; what is known to be a unit's or an area's name. Out: its parts."""
    pieces: list[Piece] = []
    code: str | None = None
    for part in _parts(unicodedata.normalize("NFC", text), is_unit):
        if _CODE.match(part):
            code = part
            continue
        piece = _piece(part, is_unit)
        if piece.name:
            pieces.append(piece)
        elif pieces and not pieces[-1].area:  # "(cũ)" speaks of the name before it
            pieces[-1] = replace(pieces[-1], era=piece.era)
    units, places = _sorted_out(pieces, is_area)
    return Spoken(units, places, code)


def _sorted_out(pieces: Sequence[Piece], is_area: Callable[[str], bool]) -> tuple[list[Piece], list[Piece]]:
    """Which pieces name units and which the places above them."""
    decisive = [piece for piece in pieces if piece.decisive]
    if decisive:
        return decisive, []
    said = [index for index, piece in enumerate(pieces) if piece.kind]
    if said:
        after = pieces[said[-1] + 1 :]
        return [pieces[index] for index in said], [piece for piece in after if not piece.below]
    rest = [piece for piece in pieces if not piece.below]
    places: list[Piece] = []
    while rest and (rest[-1].area or (len(rest) > 1 and is_area(rest[-1].name))):
        places.insert(0, rest.pop())
    plain = [piece for piece in rest if not piece.area]
    return plain[-1:], places


def _parts(text: str, is_unit: Callable[[str], bool]) -> Iterator[str]:
    for part in _SEPARATORS.split(text):
        words = " ".join(part.replace(".", " ").split())
        if not words or fold(words) in _COUNTRY:
            continue
        if is_unit(words):
            yield words
        else:
            yield from (piece.strip() for piece in _UNSAID_COMMA.split(words))


def _piece(part: str, is_unit: Callable[[str], bool]) -> Piece:
    """One part by its first words and its last."""
    if is_unit(part):
        return Piece(part)
    head, _, last = part.rpartition(" ")
    if head and last.lower() in _ENGLISH:
        return Piece(head, kind=_ENGLISH[last.lower()])
    role, name = _role(part)
    if role == "office":
        return _piece(name, is_unit)
    if role == "now":
        now = _piece(name, is_unit)
        return replace(now, era="new", decisive=not now.area)
    if role in {"below", "before"}:
        return Piece(part, below=True)
    if role in _AREA_KINDS:
        return Piece(name, area=role)
    era = _ERAS.get(last.lower())
    if era and not is_unit(name):  # "mới" belongs to some names: Chợ Mới
        name = name.rpartition(" ")[0]
    else:
        era = None
    return Piece(name, kind=role if role in _UNIT_KINDS else None, era=era)


def _role(part: str) -> tuple[Role | None, str]:
    """What the first words say, and what follows them. Words of kind are typed with their tones, or all without."""
    words = part.split(" ")
    roles = _ROLES_WITHOUT_TONES if part.isascii() else _ROLES
    for count in range(min(_LONGEST, len(words) - 1), 0, -1):
        head = " ".join(words[:count])
        role = roles.get(head.lower() if part.isascii() else toned(head))
        if role:
            return role, " ".join(words[count:])
    return None, part
