"""The life of a record, pure: collected, checked, verified, due; kept up, or closed because the child is one no more.

Each act gives the record's life after it or says why it cannot be done. A record that is closed has no date left at
which anything falls due; one that is kept up has exactly those that its state asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from services.registry.domain.children import ADULT_AGE, Known
from shared.contracts.errors import Rejected, refuse
from shared.contracts.vocabulary import ChildDescription, RecordState, RecordStatus, age_on
from shared.reference.keeping import Periods

# Nobody finds these by looking for the child: the record is another's, was none, or is gone.
HIDDEN: Final[frozenset[RecordStatus]] = frozenset({"adopted", "withdrawn", "erased"})
# Closed records that can be kept up again.
_RETURNABLE: Final[frozenset[RecordStatus]] = frozenset({"aged-out", "deceased", "moved-away", "adopted", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Life:
    """How a record stands. `ages_out_on`: the 16th birthday, as far as it is known; it follows from the birth alone."""

    state: RecordState = "collected"
    status: RecordStatus = "active"
    checked_on: date | None = None
    verified_on: date | None = None
    due_on: date | None = None
    ages_out_on: date | None = None

    @property
    def kept_up(self) -> bool:
        """Whether it is the record of a child of the province today."""
        return self.status == "active"


def check(life: Life, on: date) -> Life:
    """Somebody looked a collected record through for gaps and contradictions. Raises `Rejected`."""
    _must_be_kept_up(life)
    if life.state != "collected":
        raise refuse(
            "state",
            "checked-already",
            "Hồ sơ này đã được kiểm tra.",
            "This record has been checked already.",
        )
    return replace(life, state="checked", checked_on=on)


def verify(life: Life, on: date, due_on: date, today: date) -> Life:
    """Somebody verified the record; whoever verifies has looked it through. Raises `Rejected`."""
    _must_be_kept_up(life)
    _not_in_future("on", on, today)
    if life.verified_on is not None and on < life.verified_on:
        raise refuse(
            "on",
            "verified-later",
            "Hồ sơ đã được xác minh vào một ngày muộn hơn.",
            "The record was verified on a later day.",
        )
    return replace(life, state="verified", checked_on=life.checked_on or on, verified_on=on, due_on=due_on)


def arrive(life: Life) -> Life:
    """The child lives in another commune from now: who works there has to look the record through anew."""
    if not life.kept_up:
        return life
    return replace(life, state="collected", checked_on=None, due_on=None)


def has_moved(before: Known, after: Known) -> bool:
    """Whether the child of a record that is kept up lives in another commune than before."""
    return None not in (before.unit, after.unit) and before.unit != after.unit and before.status == "active"


def follow(before: Known, after: Known) -> Known:
    """What is known now, with how the record stands after it: as it stood, unless the child has moved."""
    state: RecordState = "collected" if has_moved(before, after) else before.state
    return replace(after, state=state, status=before.status, supported=before.supported)


def move_away(life: Life, on: date, today: date) -> Life:
    """The child lives in another province from now. Raises `Rejected`."""
    _must_be_kept_up(life)
    _not_in_future("on", on, today)
    return _closed(life, "moved-away")


def die(life: Life, on: date, born: date | None, today: date) -> Life:
    """The child died. Raises `Rejected`."""
    if life.status not in {"active", "aged-out", "moved-away"}:
        raise _not_kept_up(life)
    _not_in_future("on", on, today)
    if born is not None and on < born:
        raise refuse(
            "on",
            "died-before-birth",
            "Ngày mất không được trước ngày sinh.",
            "The date of death must not be before the birth date.",
        )
    return _closed(life, "deceased")


def adopt(life: Life, on: date, today: date) -> Life:
    """The child was adopted: this record is closed. Raises `Rejected`."""
    _must_be_kept_up(life)
    _not_in_future("on", on, today)
    return _closed(life, "adopted")


def withdraw(life: Life) -> Life:
    """The record was none of a child. Raises `Rejected`."""
    if life.status in HIDDEN:
        raise _not_kept_up(life)
    return _closed(life, "withdrawn")


def come_back(life: Life, today: date, *, renewed: bool = False) -> Life:
    """A closed record is kept up again, to be checked anew. `renewed`: an adopted child has its new record already.

    Raises `Rejected`.
    """
    if life.status not in _RETURNABLE:
        raise refuse(
            "status",
            "not-returnable",
            "Hồ sơ này không thể mở lại.",
            "This record cannot be opened again.",
        )
    if renewed:
        raise refuse(
            "status",
            "has-a-new-record",
            "Trẻ đã có hồ sơ mới; mở lại hồ sơ cũ sẽ tính một trẻ hai lần.",
            "The child has its new record; opening the old one would count one child twice.",
        )
    if life.status == "aged-out" and is_of_age(life, today):
        raise refuse(
            "birth_date",
            "of-age",
            "Theo ngày sinh đã ghi, người này đã đủ 16 tuổi. Nếu ngày sinh sai, hãy sửa ngày sinh.",
            "By the birth date recorded this person is 16. If it is wrong, correct the birth date.",
        )
    return replace(life, status="active", state="collected", checked_on=None, due_on=None)


def unite(kept: Life, gone: Life) -> Life:
    """How the record stands that goes on once a person said that two are one child's. Raises `Rejected`.

    Nobody is declared dead, alive, gone or back by a merge: where the two say different things of that, people put it
    right on the record that is wrong first. Who is 16 follows from the birth date by itself.
    """
    closed = next((life.status for life in (kept, gone) if life.status in HIDDEN), None)
    if closed is not None:
        raise refuse("decision", f"is-{closed}", *_NOT_TO_UNITE[closed])
    for status, words in _FIRST_PUT_RIGHT.items():
        if (kept.status == status) != (gone.status == status):
            raise refuse("decision", f"one-is-{status}", *words)
    return kept


def part(life: Life) -> None:
    """Whether some of a record's sources can be made another child's. Raises `Rejected`."""
    if life.status in {"withdrawn", "erased"}:
        raise refuse(
            "records",
            f"is-{life.status}",
            "Hồ sơ đã rút khỏi sổ: các nguồn của hồ sơ không được tính. Hãy mở lại hồ sơ rồi tách.",
            "The record was withdrawn, and its sources do not count. Open it again first, then part it.",
        )


def erase(life: Life) -> Life:
    """Nothing is left of it. Raises `Rejected` where that was done before."""
    if life.status == "erased":
        raise _not_kept_up(life)
    return Life(status="erased")


def fall_due(life: Life, today: date) -> Life | None:
    """A verified record whose day has come must be verified again; None: nothing falls due."""
    if not life.kept_up or life.state != "verified" or life.due_on is None or life.due_on > today:
        return None
    return replace(life, state="due")


def grow_up(life: Life, today: date) -> Life | None:
    """What birthdays do: aged out at 16, and back where the birth proved to be later. None: nothing."""
    if life.kept_up and is_of_age(life, today):
        return _closed(life, "aged-out")
    if life.status == "aged-out" and not is_of_age(life, today):
        return come_back(life, today)
    return None


def is_of_age(life: Life, today: date) -> bool:
    """Whether the 16th birthday has come, as far as one knows it."""
    return life.ages_out_on is not None and life.ages_out_on <= today


def ages_out_on(description: ChildDescription, birth_year: int | None) -> date | None:
    """The 16th birthday (Law on Children 102/2016, Art. 1); the last day on which it can be, where only the month or
    the year of birth is known. The database works the same out for its column (schema/lifecycle.sql).
    """
    born = description.birth_date
    if born is None or description.birth_precision == "year":
        year = born.year if born else birth_year
        return None if year is None else date(year + ADULT_AGE, 12, 31)
    if description.birth_precision == "month":
        return add_months(born.replace(day=1), 12 * ADULT_AGE + 1) - timedelta(days=1)
    return add_months(born, 12 * ADULT_AGE)


def due_on(
    verified_on: date, description: ChildDescription, birth_year: int | None, *, special: bool, periods: Periods
) -> date:
    """When a record verified on a day must be verified again. `special`: the child is in special circumstances."""
    months = periods.months
    if special:
        months = min(months, periods.special_months)
    age = None
    if description.birth_date is not None:
        age = age_on(description.birth_date, verified_on)
    elif birth_year is not None:
        age = verified_on.year - birth_year
    if age is not None and age < periods.young_age:
        months = min(months, periods.young_months)
    return add_months(verified_on, months)


def add_months(day: date, months: int) -> date:
    """The same day some months later; the month's last where there is none such."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def next_month(day: date) -> date:
    """The first day of the month after."""
    return add_months(day.replace(day=1), 1)


def _closed(life: Life, status: RecordStatus) -> Life:
    return replace(life, status=status, due_on=None)


def _must_be_kept_up(life: Life) -> None:
    if not life.kept_up:
        raise _not_kept_up(life)


def _not_kept_up(life: Life) -> Rejected:
    vi, en = _CLOSED.get(life.status, ("Hồ sơ này đã đóng.", "This record is closed."))
    return refuse("status", f"is-{life.status}", vi, en)


_CLOSED: Final[dict[RecordStatus, tuple[str, str]]] = {
    "active": ("Hồ sơ này đang được theo dõi.", "This record is kept up."),
    "aged-out": ("Người này đã đủ 16 tuổi; hồ sơ không còn được theo dõi.", "This person is 16; the record is closed."),
    "deceased": ("Trẻ đã mất; hồ sơ đã đóng.", "The child died; the record is closed."),
    "moved-away": ("Trẻ đã chuyển đi tỉnh khác; hồ sơ đã đóng.", "The child lives in another province."),
    "withdrawn": ("Hồ sơ này đã được rút khỏi sổ.", "This record was withdrawn."),
}


_NOT_TO_UNITE: Final[dict[RecordStatus, tuple[str, str]]] = {
    "withdrawn": (
        "Một hồ sơ đã rút khỏi sổ. Nếu có trẻ này, hãy mở lại hồ sơ ấy rồi gộp.",
        "One record was withdrawn. If there is such a child, open that record again first, then merge.",
    ),
    "adopted": (
        "Một hồ sơ đã đóng vì trẻ được nhận làm con nuôi; hồ sơ ấy không gộp với hồ sơ nào, để giữ kín danh tính.",
        "One record was closed by an adoption; it is merged with no other, so that the identity stays protected.",
    ),
    "erased": ("Một hồ sơ đã được xóa theo luật.", "One record was erased by law."),
}
_FIRST_PUT_RIGHT: Final[dict[RecordStatus, tuple[str, str]]] = {
    "deceased": (
        "Một hồ sơ ghi trẻ đã mất, hồ sơ kia thì không. Hãy tìm hiểu xem điều nào đúng, sửa ở hồ sơ ghi sai, rồi gộp.",
        "One record says that the child died, the other does not. Find out which is true, put it right, then merge.",
    ),
    "moved-away": (
        "Một hồ sơ ghi trẻ đã chuyển đi tỉnh khác, hồ sơ kia thì không. Hãy sửa một trong hai rồi gộp.",
        "One record says that the child left the province, the other does not. Put one of them right, then merge.",
    ),
}


def _not_in_future(field: str, day: date, today: date) -> None:
    if day > today:
        raise refuse(
            field, f"{field}-in-future", "Ngày này không được sau ngày hôm nay.", "This day must not be after today."
        )
