"""What is wrong with an input, said so that its sender can mend it.

One form for every edge (Kafka, HTTP, files, forms). It never repeats the offending value: that may be a child's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where (`field`, a dotted path), which (`rule`, a stable code), and how to mend it."""

    field: str
    rule: str
    message_vi: str
    message_en: str

    def as_dict(self) -> dict[str, str]:
        """The form in which answers and `agency.report.rejected` carry it."""
        return {
            "field": self.field,
            "rule": self.rule,
            "message_vi": self.message_vi,
            "message_en": self.message_en,
        }


class Rejected(Exception):  # noqa: N818 - the outcome's own name in the catalogue
    """The input breaks a contract or a rule; nothing of it was taken over."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        super().__init__(", ".join(f"{violation.field}: {violation.rule}" for violation in self.violations))


# Said where the database, not a contract, refuses a value.
UNSTORABLE = Violation(
    "event",
    "not-storable",
    "Có giá trị không lưu được: quá lớn, ngoài lịch, hoặc ký tự không hợp lệ.",
    "It holds a value that cannot be stored: too large, outside the calendar, or no valid text.",
)
# Our own error type: a field that calls itself sealed and is not.
SEALED_BOX = "sealed_box"
# A date or a moment that no event of ours can have.
OUT_OF_CALENDAR = "out_of_calendar"
# A text that no database keeps: it is said as `refuse_unstorable` says it.
NUL_CHARACTER = "nul-character"
# Pydantic's error types, said the way an agency's clerk or programmer understands them.
_WORDS: dict[str, tuple[str, str]] = {
    "missing": ("thiếu thông tin bắt buộc", "is required"),
    "int_parsing": ("phải là số nguyên", "must be a whole number"),
    "int_type": ("phải là số nguyên", "must be a whole number"),
    "string_type": ("phải là chữ", "must be text"),
    "string_too_long": ("quá dài", "is too long"),
    "string_too_short": ("không được để trống", "must not be empty"),
    "string_pattern_mismatch": ("sai định dạng", "has the wrong form"),
    "date_from_datetime_parsing": ("không phải ngày hợp lệ (YYYY-MM-DD)", "is no valid date (YYYY-MM-DD)"),
    "date_parsing": ("không phải ngày hợp lệ (YYYY-MM-DD)", "is no valid date (YYYY-MM-DD)"),
    "datetime_parsing": ("không phải thời điểm hợp lệ (RFC 3339)", "is no valid time (RFC 3339)"),
    "datetime_from_date_parsing": ("không phải thời điểm hợp lệ (RFC 3339)", "is no valid time (RFC 3339)"),
    OUT_OF_CALENDAR: ("nằm ngoài các năm 1900–2199", "is outside the years 1900 to 2199"),
    "timezone_aware": ("phải kèm múi giờ", "must carry a time zone"),
    "literal_error": ("không nằm trong danh mục", "is not one of the listed values"),
    "enum": ("không nằm trong danh mục", "is not one of the listed values"),
    "greater_than_equal": ("quá nhỏ", "is too small"),
    "less_than_equal": ("quá lớn", "is too large"),
    "too_long": ("quá nhiều mục", "has too many items"),
    "bool_parsing": ("phải là đúng hoặc sai", "must be true or false"),
    SEALED_BOX: ("không phải là một hộp niêm phong hợp lệ", "is no valid sealed box"),
    "model_type": ("phải là một đối tượng", "must be an object"),
    "dict_type": ("phải là một đối tượng", "must be an object"),
    "list_type": ("phải là một danh sách", "must be a list"),
}


def refuse(field: str, rule: str, vi: str, en: str) -> Rejected:
    """A refusal of one rule, to be raised."""
    return Rejected([Violation(field, rule, vi, en)])


# How Pydantic names a member of a union in an error's place; models are known by their capital letter.
_MEMBERS = frozenset({"str", "int", "constrained-str", "constrained-int"})
_BOX = "SealedBox"
_DEEPEST = 20


def violations_of(error: ValidationError, prefix: str = "data") -> list[Violation]:
    """Pydantic's errors as violations: field and rule are both the dotted path (`data.age`), values are left out."""
    found: dict[str, Violation] = {}
    for item in error.errors(include_input=False, include_context=False, include_url=False):
        if _BOX in item["loc"]:
            # It came plain (what calls itself sealed fails before): that it is no box either is no news to its sender.
            continue
        # A union member's name is our internal affair: a sender knows only the path of its own document.
        path = [str(part) for part in item["loc"] if not (isinstance(part, str) and _is_member(part))]
        field = ".".join([prefix, *path] if prefix else path)
        if item["type"] == NUL_CHARACTER:
            found.setdefault(field, _nul(field))
            continue
        vi, en = _WORDS.get(item["type"], ("không hợp lệ", "is not valid"))
        found.setdefault(field, Violation(field, field, f"Trường «{field}» {vi}.", f"Field «{field}» {en}."))
    return list(found.values())


def refuse_unstorable(value: Any, field: str = "data", depth: int = 0) -> None:
    """Raises `Rejected` where a JSON value holds U+0000 in a text (`nul-character`: JSON allows it, no text of the
    database does), or is nested deeper than anything of ours (`too-deep`)."""
    if isinstance(value, str):
        if "\x00" in value:
            raise Rejected([_nul(field)])
    elif isinstance(value, dict | list):
        if depth == _DEEPEST:
            raise Rejected([too_deep(field)])
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if "\x00" in str(name):
                raise Rejected([_nul(field)])
            refuse_unstorable(inner, f"{field}.{name}", depth + 1)


def too_deep(field: str) -> Violation:
    """Something is nested deeper than any contract."""
    return Violation(field, "too-deep", f"Trường «{field}» lồng nhau quá sâu.", f"Field «{field}» is nested too deep.")


def _nul(field: str) -> Violation:
    vi, en = f"Trường «{field}» có ký tự U+0000.", f"Field «{field}» holds the character U+0000."
    return Violation(field, "nul-character", vi, en)


def _is_member(part: str) -> bool:
    return part[:1].isupper() or part in _MEMBERS
