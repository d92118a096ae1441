"""Verifying a child at its home, pure: what is asked, how it reads in words, what an answer says, what contradicts it.

Every field is one text, on paper, on a phone and here: an answer can be laid beside the record as it has become
meanwhile, however old it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pydantic import ValidationError

from services.registry.domain.children import Known
from services.registry.domain.circumstances import is_listed
from services.registry.domain.dates import read_birth, written_birth
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription, Person

Asked = Literal["name", "birth_date", "carers", "hamlet", "address", "school", "grade", "circumstances"]
Said = Literal["right", "wrong", "unknown"]
ASKED: Final[tuple[Asked, ...]] = (
    "name",
    "birth_date",
    "carers",
    "hamlet",
    "address",
    "school",
    "grade",
    "circumstances",
)
# Where "wrong" without what is right says something: there is none any more.
MAY_END: Final = frozenset({"carers", "address", "school", "grade", "circumstances"})
_PARTS: Final = ("name", "relation", "phone")
# Clocks that are off by less are taken at their word.
_CLOCK_SLACK: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that changed after it was read: what the answer says, and what the record says now."""

    field: Asked
    mine: str
    now: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer comes to: fields confirmed as they are, and the texts of those that are corrected."""

    confirmed: tuple[str, ...]
    fixes: Mapping[Asked, str]


def texts_of(known: Known) -> dict[Asked, str]:
    """What is known, field by field as text; nothing known is an empty one."""
    child = known.description
    found: dict[Asked, str] = {
        name: getattr(child, name) or "" for name in ("name", "hamlet", "address", "school", "grade")
    }
    found["birth_date"] = written_birth(child)
    found["carers"] = "\n".join(
        ", ".join(part for part in (getattr(carer, name) for name in _PARTS) if part) for carer in child.carers
    )
    found["circumstances"] = ",".join(sorted(known.circumstances))
    return {name: found[name] for name in ASKED}


def read(
    now: Mapping[Asked, str], said: Mapping[Asked, Said], fixes: Mapping[Asked, str], seen: Mapping[Asked, str]
) -> Reading:
    """What somebody says of what is known now. Raises `Rejected` where a correction is missing, or nothing is said.

    Args:
        seen: the texts as the person read them: "wrong" beside the very same text contradicts itself.
    """
    wrong: list[Violation] = []
    confirmed: list[str] = []
    changed: dict[Asked, str] = {}
    for name in ASKED:
        fix = fixes.get(name, "")
        if said.get(name) == "right":
            # What is not known cannot be right; that no circumstance is recorded can.
            confirmed += [name] if now[name] or name == "circumstances" else []
        elif said.get(name) == "wrong":
            nothing_yet = name in seen and not plain(seen[name])
            if not plain(fix) and (name not in MAY_END or nothing_yet):
                wrong.append(_fix_missing(name))
            elif name in seen and plain(fix) == plain(seen[name]):
                wrong.append(_fix_unchanged(name))
            elif plain(fix) == plain(now[name]):
                confirmed.append(name)
            else:
                changed[name] = fix
    if wrong:
        raise Rejected(wrong)
    if not confirmed and not changed:
        raise Rejected([_NOTHING_SAID])
    return Reading(tuple(confirmed), changed)


def clashes(
    now: Mapping[Asked, str], seen: Mapping[Asked, str], said: Mapping[Asked, Said], fixes: Mapping[Asked, str]
) -> tuple[Clash, ...]:
    """Where the record says something else now than what the answer was based on, and else than the answer itself.

    Args:
        seen: the texts as the person read them.
    """
    found = []
    for name in ASKED:
        if said.get(name) not in ("right", "wrong"):
            continue
        mine = fixes.get(name, "") if said[name] == "wrong" else seen.get(name, "")
        if plain(now[name]) not in (plain(seen.get(name, "")), plain(mine)):
            found.append(Clash(name, mine, now[name]))
    return tuple(found)


def corrected(known: ChildDescription, fixes: Mapping[Asked, str]) -> ChildDescription:
    """The description with what was corrected in it. Raises `Rejected`."""
    changes: dict[str, Any] = {}
    wrong: list[Violation] = []
    for name, text in fixes.items():
        if name == "birth_date":
            try:
                changes["birth_date"], changes["birth_precision"] = read_birth(text)
            except ValueError:
                wrong.append(_BAD_BIRTH)
        elif name == "carers":
            changes["carers"] = _carers(text, known.carers)
        elif name != "circumstances":
            changes[name] = " ".join(text.split()) or None
    try:
        # Whatever is typed is held to the contract like any other statement.
        checked = ChildDescription.model_validate(changes)
    except ValidationError as error:
        fields = {str(item["loc"][0]) for item in error.errors(include_input=False)}
        wrong += [_not_valid(name) for name in sorted(fields)]
    if wrong:
        raise Rejected(wrong)
    return known.model_copy(update={name: getattr(checked, name) for name in changes})


def circumstances_of(text: str) -> frozenset[str]:
    """The codes of an answer on circumstances. Raises `Rejected` for one that no list has."""
    codes = frozenset(code for code in re.split(r"[,\s]+", text) if code)
    if not all(is_listed(code) for code in codes):
        raise Rejected([_CIRCUMSTANCE_UNKNOWN])
    return codes


def moment(given_at: datetime, sent_at: datetime, listed_at: datetime, received_at: datetime) -> datetime:
    """When an answer was given, by our clock: the phone's own may be wrong by any amount.

    Args:
        given_at, sent_at: by the phone's clock. listed_at: when it took the list, before which nothing was answered.
    """
    off = received_at - sent_at
    given = given_at if abs(off) <= _CLOCK_SLACK else given_at + off
    return min(max(given, listed_at), received_at)


def plain(text: str) -> str:
    """A text for comparing: one way to write each letter, no needless space."""
    lines = (" ".join(line.split()) for line in unicodedata.normalize("NFC", text).splitlines())
    return "\n".join(line for line in lines if line)


def _carers(text: str, known: list[Person]) -> list[Person]:
    """One person a line: name, relation, phone. Of somebody known, what is not asked stays."""
    found = []
    for line in text.splitlines():
        parts = [" ".join(part.split())[:300] or None for part in line.split(",", 2)]
        if not parts[0]:
            continue
        told = {name: part for name, part in zip(_PARTS, parts, strict=False) if part}
        before = next((carer for carer in known if plain(carer.name or "") == plain(parts[0])), Person())
        found.append(before.model_copy(update=told))
    return found


def _fix_missing(name: str) -> Violation:
    return Violation(
        name,
        "fix-missing",
        "Ghi thông tin đúng, hoặc chọn «chưa rõ».",
        "Write what is right, or choose “not clear”.",
    )


def _fix_unchanged(name: str) -> Violation:
    return Violation(
        name,
        "fix-unchanged",
        "Đã chọn «sai» nhưng nội dung vẫn như cũ. Sửa lại cho đúng, hoặc chọn «chưa rõ».",
        "“Wrong” was chosen, but it still says the same. Write what is right, or choose “not clear”.",
    )


def _not_valid(name: str) -> Violation:
    return Violation(name, f"{name}-invalid", "Mục này chưa hợp lệ hoặc quá dài.", "This is not valid or too long.")


_NOTHING_SAID = Violation(
    "said",
    "nothing-said",
    "Chọn «đúng» hoặc «sai» cho ít nhất một mục, hoặc ghi là không gặp.",
    "Choose “right” or “wrong” for at least one field, or say that nobody was met.",
)
_BAD_BIRTH = Violation(
    "birth_date",
    "birth-date-invalid",
    "Ngày sinh không hợp lệ. Ghi ngày/tháng/năm, tháng/năm hoặc năm, ví dụ 05/09/2016.",
    "This is no birth date. Write day/month/year, month/year or the year, such as 05/09/2016.",
)
_CIRCUMSTANCE_UNKNOWN = Violation(
    "circumstances",
    "circumstance-unknown",
    "Hoàn cảnh không có trong danh mục.",
    "The circumstance is not in the list.",
)
