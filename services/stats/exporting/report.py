"""The report of the plan's form, in Vietnamese whatever the screen speaks: it is an official paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from services.stats.domain.closing import Named
from services.stats.domain.disclosure import Shown
from services.stats.domain.measures import UNIT
from services.stats.drawing.charts import breakdown
from services.stats.drawing.printing import picture_of
from services.stats.exporting.labels import HIDDEN, NONE, Labels
from shared.documents import Block, Document, Part, Picture, Row, Signature, Table, Text
from shared.reference.plan_report import PlanForm, Section
from shared.reference.terms import Terms
from shared.web.i18n import format_date, format_datetime, format_number

INTERNAL: Final = "LƯU HÀNH NỘI BỘ: có số nhỏ, không công bố"
_OTHERS: Final = "Chỉ tiêu khác"
_MOST_CHANGES: Final = 200
_NO_BREAK: Final = "\u00a0"


def sections(labels: Labels, form: PlanForm) -> list[Section]:
    """The form's sections with the indicators that the edition has; those that stand in none come last."""
    known = labels.names
    found = [
        Section(part.title, tuple(code for code in part.indicators if code in known), part.charts)
        for part in form.parts()
    ]
    placed = {code for part in found for code in part.indicators}
    rest = tuple(code for code in known if code not in placed)
    return [part for part in (*found, Section(_OTHERS, rest)) if part.indicators]


def columns(labels: Labels) -> list[str]:
    """The heads of a section's table after number and name."""
    names = {"previous": "Kỳ trước", "year": "Cùng kỳ năm trước"}
    compared = labels.compared()
    told = [names["previous"], names["year"]] if len(compared) > 1 else [names["previous"]]
    return ["Đơn vị tính", "Kỳ này", *told, "Mục tiêu", "Đánh giá"]


def cells(labels: Labels, named: Named) -> list[str]:
    """An indicator's line after number and name."""
    own = labels.total(named.code)
    before = [labels.amount(labels.total(named.code, period)) for period in labels.compared()]
    verdict = named.verdict(own.value if own else None, labels.edition.period)
    judged = labels.words.verdict(verdict) if verdict else ""
    return [labels.measured_in(named), labels.amount(own), *before, target(labels, named), judged]


def target(labels: Labels, named: Named) -> str:
    """What is aimed at, and by when where that is not the period's year."""
    if named.target is None:
        return ""
    said = labels.words.number(named, named.target)
    ahead = named.target_year is not None and named.target_year != labels.edition.period.last.year
    return f"{said} ({named.target_year})" if ahead else said


def notes(labels: Labels) -> list[str]:
    """What a reader must know of the figures."""
    edition = labels.edition
    said = [f"Số liệu được biết đến hết ngày {_day_before(edition.as_of)}; tổng hợp tự động từ hồ sơ của các ngành."]
    if edition.audience == "published":
        said.append(
            f"Ký hiệu «{HIDDEN}»: có số liệu nhưng không công bố, vì số quá nhỏ hoặc vì từ đó suy ra được số quá nhỏ "
            "về trẻ em (Luật Trẻ em, Điều 21)."
        )
    said.append(f"Ký hiệu «{NONE}»: chưa có số liệu, hoặc không có trường hợp nào để tính tỷ lệ, thời gian.")
    return said


def report(labels: Labels, form: PlanForm, digest: bytes, at: date) -> Document:
    """The paper. In: words of the edition (Vietnamese), the plan's form, the digest of what was signed, the day."""
    edition = labels.edition
    blocks: list[Block] = [Text(note) for note in notes(labels)]
    blocks += _revision(labels)
    for part in sections(labels, form):
        blocks += [Part(part.title), _table(labels, part.indicators)]
        blocks += pictures(labels, part)
    if edition.audience == "exact" or any(figure.dimension == UNIT for figure in labels.own()):
        blocks += _annex(labels, form)
    return Document(
        title=form.title,
        subtitle=f"{form.subtitle} – {labels.words.period(edition.period).replace(' ', _NO_BREAK)}",
        issuer=form.issuer,
        blocks=blocks,
        number=edition.number,
        grounds=form.legal_source_vi.partition(" [")[0],
        place=form.place,
        day=at,
        signatures=tuple(Signature(title) for title in form.signatures),
        printed=f"Số liệu chốt số {edition.number}, mã kiểm tra SHA-256 {digest.hex()[:16]}…",
        watermark=INTERNAL if edition.audience == "exact" else "",
    )


def _table(labels: Labels, codes: Sequence[str]) -> Table:
    heads = columns(labels)
    rows = [
        Row((str(place), labels.names[code].vi, *cells(labels, labels.names[code])))
        for place, code in enumerate(codes, 1)
    ]
    middle = tuple(range(2, 2 + len(heads)))
    return Table("", ("TT", "Chỉ tiêu", *heads), rows, (0.55, 4.2, *(1.25 for _ in heads)), marks=(0, *middle))


def pictures(labels: Labels, part: Section) -> Iterator[Picture]:
    """What the form wants drawn, of what the edition tells: the same picture as on the indicator's page."""
    period = labels.edition.period
    for code, dimension in part.charts:
        indicator = labels.indicators.get(code)
        told = [one for one in labels.of(code, dimension) if one.value is not None]
        if indicator is None or code not in labels.names or not any(one.value for one in told):
            continue
        drawing = breakdown(
            labels.words,
            indicator,
            dimension,
            [Shown(period, (one.category,), one.value, one.numerator, one.denominator) for one in told],
        )
        name = labels.words.dimension(dimension)
        title = f"{labels.names[code].vi}, theo {name[:1].lower()}{name[1:]}"
        if len(told) < len(labels.of(code, dimension)):
            title += " (chỉ vẽ các số được công bố)"
        yield picture_of(drawing, title)


def _annex(labels: Labels, form: PlanForm) -> Iterator[Block]:
    codes = [code for code in form.by_unit if code in labels.names]
    units = labels.units()
    if not codes or not units:
        return
    yield Part("Phụ lục. Số liệu theo xã, phường")
    found = {(one.indicator, one.category): one for code in codes for one in labels.of(code, UNIT)}
    rows = [
        Row((str(place), name, *(labels.amount(found.get((code, unit))) for code in codes)))
        for place, (unit, name) in enumerate(units, 1)
    ]
    heads = tuple(labels.names[code].vi for code in codes)
    marks = (0, *range(2, 2 + len(codes)))
    yield Table("", ("TT", "Xã, phường", *heads), rows, (0.55, 2.6, *(1.5 for _ in codes)), marks=marks)


def _revision(labels: Labels) -> Iterator[Block]:
    """What a revision says of itself: why, and every figure that it says anew."""
    edition = labels.edition
    if not edition.edition:
        return
    reason = Terms.load("revision-reasons").label(edition.reason)
    letter = f" (văn bản số {edition.reference})" if edition.reference else ""
    yield Text(
        f"Đính chính lần {edition.edition} lúc {format_datetime(edition.at)}: {reason}{letter}. "
        f"{format_number('vi', len(edition.changes))} số thay đổi so với lần trước."
    )
    rows = []
    for change in edition.changes[:_MOST_CHANGES]:
        named = labels.names[change.indicator]
        where = (
            labels.category(change.indicator, change.dimension, change.category) if change.dimension else "Toàn tỉnh"
        )
        before, after = (labels.words.number(named, value) for value in (change.before, change.after))
        rows.append(Row((named.vi, change.period, where, before, after)))
    yield Part("Các số được đính chính")
    yield Table("", ("Chỉ tiêu", "Kỳ", "Phân tổ", "Đã chốt", "Nay là"), rows, (4, 1.2, 2.4, 1.2, 1.2), marks=(1, 3, 4))
    if len(edition.changes) > _MOST_CHANGES:
        yield Text("Bảng trên chỉ nêu các số đầu; đủ cả trong tệp Excel kèm theo.")


def _day_before(moment: datetime) -> str:
    """The last day of which all is known: what is frozen is frozen as a day begins."""
    return format_date(moment - timedelta(seconds=1))
