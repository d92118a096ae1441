"""What a filled-in form must hold, and what its rated rows add up to (forms 02 to 07 of Decree 56/2017).

Pure: the form itself comes in as data. The software totals and suggests; the worker concludes, and says why where the
conclusion is milder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

from services.cases.domain.model import RISK_ORDER, World, local_day, refuse
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import in_calendar
from shared.reference.forms import Form, FormField, RatedRow

Rating = Literal["high", "medium", "low"]
RATINGS: tuple[Rating, ...] = ("high", "medium", "low")
# What of a form is coarse, and so in clear in the timeline's data under the act's name for it; all else is words.
COARSE = frozenset({"level", "outcome", "measure", "further", "until", "held_on"})
Codes = Callable[[str], Collection[str]]
_LONGEST: Mapping[str, int] = {"text": 2_000, "long": 20_000}
_ROWS = 50
_LARGEST = 1e15
_THOUSANDS = re.compile(r"-?\d{1,3}(\.\d{3})+(,\d{1,6})?")
_PLAIN = re.compile(r"-?\d{1,15}([.,]\d{1,6})?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows of each half were rated high, medium, low."""

    harm: Mapping[Rating, int]
    protection: Mapping[Rating, int]

    @property
    def suggested(self) -> Rating:
        """What the totals suggest: high where harm outweighs protection, low where it is clearly the lesser."""
        if self.harm["high"] > self.protection["high"]:
            return "high"
        if self.harm["high"] == 0 and self.harm["low"] >= self.harm["medium"]:
            return "low"
        return "medium"


def totals(rows: Sequence[RatedRow], ratings: Mapping[str, Rating]) -> Totals:
    """In: a form's rated rows, a rating for each. Out: the counts of both halves."""

    def counted(half: str) -> dict[Rating, int]:
        of_half = [ratings.get(row.code) for row in rows if row.half == half]
        return {rating: of_half.count(rating) for rating in RATINGS}

    return Totals(counted("harm"), counted("protection"))


def is_milder(level: Rating, suggested: Rating) -> bool:
    """Whether a conclusion says less risk than the totals suggest."""
    return RISK_ORDER[level] < RISK_ORDER[suggested]


class FilledIn(Protocol):
    """An act that fills in a form: `answers` by field code, and the edition that was begun."""

    @property
    def act(self) -> str: ...
    @property
    def answers(self) -> Mapping[str, Any]: ...
    @property
    def form_of(self) -> date | None: ...


@dataclass(frozen=True, slots=True)
class Filled:
    """A form filled in and found complete: every answer by field code, the ratings, what they add up to."""

    form: Form
    answers: Mapping[str, Any]
    ratings: Mapping[str, Rating] = field(default_factory=dict)

    def data(self, **more: Any) -> dict[str, Any]:
        """What the timeline keeps in clear: the form, its edition, its coarse answers, its totals."""
        kept: dict[str, Any] = {"form": self.form.code, "form_of": self.form.effective_from.isoformat()}
        for asked in self.form.fields:
            if asked.act in COARSE and asked.code in self.answers:
                kept[asked.act] = self.answers[asked.code]
        if self.ratings:
            counted = totals(self.form.rated, self.ratings)
            kept |= {
                "suggested": counted.suggested,
                "harm": dict(counted.harm),
                "protection": dict(counted.protection),
            }
        return {**kept, **more}

    def words(self) -> dict[str, Any]:
        """What the timeline keeps sealed: every other answer by its field's code."""
        coarse = {asked.code for asked in self.form.fields if asked.act in COARSE}
        said = {code: value for code, value in self.answers.items() if code not in coarse}
        return {**({"ratings": dict(self.ratings)} if self.ratings else {}), **said}


def answers_of(form: Form, data: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """Every answer of a filled-in form by field code, from its line of the timeline with opened words."""
    found = {asked.code: data.get(asked.act) if asked.act in COARSE else words.get(asked.code) for asked in form.fields}
    return {code: value for code, value in found.items() if not _is_empty(value)}


def begun(world: World, act: str, of: date | None) -> Form:
    """The edition of an act's form that was begun, else the one in force now. Raises `Rejected` (form-edition)."""
    today = local_day(world.now)
    code = world.forms.of_act(act)
    if code is None:
        raise KeyError(act)
    if of is None:
        return world.forms.form(code, today)
    form = world.forms.edition(code, of)
    if form is None or of > today:
        raise refuse(
            "form_of",
            "form-edition",
            "Mẫu này chưa có hiệu lực hoặc không có. Xin mở lại trang để dùng mẫu đang áp dụng.",
            "This edition of the form is not in force. Please open the page anew.",
        )
    return form


def filled(act: FilledIn, world: World) -> Filled:
    """An act's form, checked against the edition that was begun. Raises `Rejected` with everything that is wrong."""
    form = begun(world, act.act, act.form_of)
    given = {**act.answers, **{one.code: getattr(act, one.act) for one in form.fields if one.act}}
    ratings: Mapping[str, Rating] = getattr(act, "ratings", {})
    violations: list[Violation] = [*unrated(form, ratings)]
    answers = checked(form, given, world.codes, violations)
    level, conclusion = answers.get("level"), answers.get("conclusion", answers.get("findings", ""))
    if not violations and form.rated and level in RATINGS:
        violations += _too_mild(form, totals(form.rated, ratings), level, conclusion)
    if violations:
        raise Rejected(violations)
    return Filled(form, answers, ratings)


def checked(form: Form, given: Mapping[str, Any], codes: Codes, violations: list[Violation]) -> dict[str, Any]:
    """Answers by field code as they are kept: dates as ISO, yes-no as a boolean, choices and rows as lists.

    In: `given` as a program or a page sends it. What is wrong is added to `violations`, under the act's own names.
    """
    answers: dict[str, Any] = {}
    for asked in form.fields:
        value = _checked(asked, asked.act or f"answers.{asked.code}", given.get(asked.code), codes, violations)
        if value is not None:
            answers[asked.code] = value
    known = {asked.code for asked in form.fields}
    violations += [_wrong(f"answers.{code}", "field-unknown", str(code)) for code in given if code not in known]
    return answers


class _WrongAnswerError(Exception):
    """An answer that a field cannot have. The message is the rule's code."""


def unrated(form: Form, ratings: Mapping[str, str]) -> Iterator[Violation]:
    """Which rated rows have no rating, under the act's own names."""
    for row in form.rated:
        if row.code not in ratings:
            yield Violation(
                f"ratings.{row.code}",
                "ratings-incomplete",
                "Mỗi dòng của phiếu đánh giá phải có một mức.",
                "Every row of the assessment needs a rating.",
            )
    if unknown := set(ratings) - {row.code for row in form.rated}:
        yield _wrong("ratings", "field-unknown", sorted(unknown)[0])


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a form still needs. `name`: as refusals have it; `group`, `row`: of a column of a row that was begun."""

    name: str
    asked: FormField | RatedRow
    group: FormField | None = None
    row: int = 0

    def label(self, language: str) -> str:
        """What is asked, in the form's words."""
        asked = self.asked.label(language)
        return f"{self.group.label(language)} {self.row + 1}: {asked}" if self.group else asked


def missing(form: Form, given: Mapping[str, Any], ratings: Mapping[str, Any]) -> list[Lacking]:
    """What a form still needs, in its order. For drafts: no refusal."""
    lacking: list[Lacking] = []
    for asked in form.fields:
        name, value = asked.act or f"answers.{asked.code}", given.get(asked.code)
        if asked.act == "level":
            lacking += [Lacking(f"ratings.{row.code}", row) for row in form.rated if not ratings.get(row.code)]
        if asked.when == "always" and _is_empty(value):
            lacking.append(Lacking(name, asked))
        if asked.type == "rows" and isinstance(value, list):
            lacking += _lacking_columns(asked, name, value)
    return lacking


def _lacking_columns(group: FormField, name: str, rows: Sequence[Any]) -> Iterator[Lacking]:
    for number, row in enumerate(rows):
        for column in group.fields if not _is_empty(row) else ():
            if column.when == "always" and _is_empty(row.get(column.code)):
                yield Lacking(f"{name}.{number}.{column.code}", column, group, number)


def _too_mild(form: Form, counted: Totals, level: Rating, conclusion: str) -> Iterator[Violation]:
    """Decree 56/2017, Art. 26(2): the worker concludes, and says why where the conclusion is milder than the rows."""
    if is_milder(level, counted.suggested) and len(conclusion) < 20:
        asked = form.field("conclusion") or form.field("findings")
        yield Violation(
            asked.act or f"answers.{asked.code}" if asked else "level",
            "conclusion-reason",
            "Kết luận nhẹ hơn tổng điểm gợi ý thì phải nêu rõ lý do (Nghị định 56/2017, khoản 2 Điều 26).",
            "A conclusion milder than the totals suggest must say why (Decree 56/2017, Art. 26(2)).",
        )


def _checked(asked: FormField, name: str, value: Any, codes: Codes, violations: list[Violation]) -> Any:
    if _is_empty(value):
        if asked.when == "always":
            violations.append(
                Violation(name, "answer-missing", f"Mục «{asked.vi}» còn trống.", f"«{asked.en}» is empty.")
            )
        return None
    if asked.type == "rows":
        return _rows(asked, name, value, codes, violations)
    try:
        return _READ[asked.type](value, asked, codes)
    except _WrongAnswerError as error:
        violations.append(_said(str(error), name, asked))
        return None


def _rows(asked: FormField, name: str, value: Any, codes: Codes, violations: list[Violation]) -> list[Any] | None:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        violations.append(_said("not-rows", name, asked))
        return None
    if len(value) > _ROWS:
        violations.append(_said("too-many-rows", name, asked))
        return None
    columns = {column.code for column in asked.fields}
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(value):
        if _is_empty(row):
            continue
        violations += [
            _wrong(f"{name}.{number}.{code}", "field-unknown", str(code)) for code in row if code not in columns
        ]
        read = {
            column.code: _checked(column, f"{name}.{number}.{column.code}", row.get(column.code), codes, violations)
            for column in asked.fields
        }
        rows.append({code: answer for code, answer in read.items() if answer is not None})
    return [row for row in rows if row] or None


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, Mapping):
        return all(_is_empty(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return all(_is_empty(inner) for inner in value)
    return value is None


def _text(value: Any, asked: FormField, _codes: Codes) -> str:
    # Half a surrogate pair, which JSON can say, is no text that can be kept; neither is U+0000.
    if not isinstance(value, str) or "\x00" in value or any("\ud800" <= sign <= "\udfff" for sign in value):
        raise _WrongAnswerError("not-text")
    if len(value) > _LONGEST[asked.type]:
        raise _WrongAnswerError("too-long")
    return value.strip()


def _day(value: Any, _asked: FormField, _codes: Codes) -> str:
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            day = value
        elif not isinstance(value, str):
            raise _WrongAnswerError("not-a-day")
        elif _ISO.fullmatch(value.strip()):
            day = date.fromisoformat(value.strip())
        else:
            written, month, year = value.strip().split("/")
            day = date(int(year), int(month), int(written))
    except ValueError:
        raise _WrongAnswerError("not-a-day") from None
    if not in_calendar(day):
        raise _WrongAnswerError("not-a-day")
    return day.isoformat()


def _number(value: Any, _asked: FormField, _codes: Codes) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _WrongAnswerError("not-a-number")
    number = value if isinstance(value, int | float) else _written(value.replace(" ", ""))
    if not abs(number) < _LARGEST:
        raise _WrongAnswerError("not-a-number")
    return int(number) if number == int(number) else number


def _written(text: str) -> float:
    """A number as people here write it: 1.250.000 and 2,5."""
    if _THOUSANDS.fullmatch(text):
        text = text.replace(".", "")
    elif not _PLAIN.fullmatch(text):
        raise _WrongAnswerError("not-a-number")
    return float(text.replace(",", "."))


def _yes_no(value: Any, _asked: FormField, _codes: Codes) -> bool:
    if value in (True, "true", "yes"):
        return True
    if value in (False, "false", "no"):
        return False
    raise _WrongAnswerError("not-yes-no")


def _choice(value: Any, asked: FormField, codes: Codes) -> str:
    if not isinstance(value, str) or value not in codes(asked.terms or ""):
        raise _WrongAnswerError("not-listed")
    return value


def _choices(value: Any, asked: FormField, codes: Codes) -> list[str]:
    if not isinstance(value, list | tuple):
        raise _WrongAnswerError("not-listed")
    return list(dict.fromkeys(_choice(one, asked, codes) for one in value))


_READ: Mapping[str, Callable[[Any, FormField, Codes], Any]] = {
    "text": _text,
    "long": _text,
    "date": _day,
    "number": _number,
    "yes-no": _yes_no,
    "choice": _choice,
    "choices": _choices,
}
_SAID: Mapping[str, tuple[str, str]] = {
    "not-text": ("Mục «{}» phải là chữ.", "«{}» must be text."),
    "too-long": ("Mục «{}» quá dài.", "«{}» is too long."),
    "not-a-day": ("Mục «{}» không phải là ngày (ví dụ 24/11/2026).", "«{}» is no date (such as 24/11/2026)."),
    "not-a-number": ("Mục «{}» phải là số (ví dụ 1.250 hoặc 2,5).", "«{}» must be a number (such as 1.250 or 2,5)."),
    "not-yes-no": ("Mục «{}» phải là có hoặc không.", "«{}» must be yes or no."),
    "not-listed": ("Mục «{}» có lựa chọn ngoài danh mục.", "«{}» has a choice that is not listed."),
    "not-rows": ("Mục «{}» phải là các dòng.", "«{}» must be rows."),
    "too-many-rows": ("Mục «{}» có quá nhiều dòng (tối đa 50).", "«{}» has too many rows (50 at most)."),
    "field-unknown": ("Mẫu không có mục «{}».", "The form does not ask «{}»."),
}


def _said(rule: str, name: str, asked: FormField) -> Violation:
    vi, en = _SAID[rule]
    return Violation(name, rule, vi.format(asked.vi), en.format(asked.en))


def _wrong(name: str, rule: str, code: str) -> Violation:
    # What somebody sends as a name may hold anything: only what looks like a code is said again.
    shown = code if re.fullmatch(r"[a-z0-9-]{1,40}", code) else "?"
    vi, en = _SAID[rule]
    return Violation(name if shown == code else name.partition(".")[0], rule, vi.format(shown), en.format(shown))
