"""What statistics' pages say: words of dimensions, values, periods, verdicts. It decides nothing, loads no figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from services.stats.domain.disclosure import Hidden, Lack, Shown
from services.stats.domain.measures import list_of
from services.stats.domain.orders import ANSWERED
from services.stats.domain.periods import Period, Span
from services.stats.domain.reading import Reading, Verdict
from services.stats.domain.surges import Heard
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.deadlines import Deadlines
from shared.reference.indicators import Indicator, NumberUnit, Target
from shared.reference.terms import Terms
from shared.reference.units import Units
from shared.web.i18n import Language, Texts, format_date, format_number

# msgids
SEXES: Final = {"female": "Nữ", "male": "Nam", "unknown": "Chưa rõ"}
YES_NO: Final = {"yes": "Có", "no": "Không", "unknown": "Chưa rõ"}
NOT_KNOWN: Final = "Chưa rõ"
NOT_CLASSIFIED: Final = "Chưa phân loại"
DIMENSIONS: Final = {
    "unit": "Xã, phường",
    "sex": "Giới tính",
    "age": "Tuổi",
    "kind": "Hình thức",
    "risk": "Nguy cơ",
    "step": "Bước",
    "status": "Tình trạng",
    "sector": "Ngành",
    "channel": "Kênh tiếp nhận",
    "environment": "Môi trường xảy ra",
    "harmer": "Người gây ra",
    "outcome": "Kết quả",
    "place": "Nơi xảy ra",
    "request": "Yêu cầu",
    "danger_now": "Đang gặp nguy hiểm",
    "clock": "Thời hạn của luật",
    "state": "Tình trạng",
    "service": "Dịch vụ",
    "task": "Nhiệm vụ",
    "circumstance": "Hoàn cảnh",
    "ethnicity": "Dân tộc",
    "disability": "Khuyết tật",
    "supported": "Được trợ giúp",
    "activity": "Hoạt động",
    "audience": "Đối tượng",
    "span": "Khoảng được đo",
}
# Codes that are on no list of terms, by the measure that has them, or by the dimension alone. msgids
CODES: Final[Mapping[str, Mapping[str, str]]] = {
    "children.state": {
        "collected": "Đã thu thập",
        "checked": "Đã kiểm tra",
        "verified": "Đã xác minh",
        "due": "Đến hạn xác minh lại",
    },
    "span": {
        "report-assessment": "Từ tiếp nhận đến đánh giá nguy cơ",
        "report-plan": "Từ tiếp nhận đến duyệt kế hoạch",
        "report-service": "Từ tiếp nhận đến dịch vụ đầu tiên",
        "report-closure": "Từ tiếp nhận đến kết thúc vụ việc",
        "task-answer": "Từ giao nhiệm vụ đến khi ngành trả lời",
    },
    "tasks.status": {
        "requested": "Đã giao",
        "accepted": "Đã nhận",
        "declined": "Đã từ chối",
        "done": "Đã xong",
        "overdue": "Quá hạn",
        "cancelled": "Đã hủy",
    },
    "reports.status": {
        "received": "Đã tiếp nhận",
        "opened": "Đã mở vụ việc",
        "linked": "Đã gắn vào vụ việc",
        "answered": "Đã trả lời",
        "dismissed": "Không tiếp tục",
    },
}
VERDICTS: Final[dict[Verdict, str]] = {
    "met": "Đạt",
    "missed": "Không đạt",
    "running": "Chưa đến hạn",
    "unknown": "Chưa có số liệu",
    "hidden": "Số bị ẩn",
    "untold": "Không đặt mục tiêu",
}
# What is not classified is said of these. msgids
UNPLACED: Final = {
    "reports": "Tin báo",
    "openings": "Vụ việc đã mở",
    "incidents": "Tai nạn, thương tích",
    "children": "Trẻ em trong sổ",
}
# What the board's figures open to. msgids
LISTS: Final = {
    "open": "Vụ việc đang mở",
    "high": "Vụ việc nguy cơ cao đang mở",
    "missed": "Thời hạn của luật đã quá",
    "today": "Tin báo hôm nay",
    "tasks": "Việc các ngành đang làm",
    "overdue": "Việc các ngành quá hạn",
}
VOICES: Final[dict[Heard, str]] = {
    "heard": "Có tin",
    "silent": "Im lặng",
    "seldom": "Ít gửi tin, chưa rõ nhịp thường",
    "never": "Chưa gửi tin bao giờ",
}
REBUILD_REASONS: Final = {
    "history-incomplete": "Kafka đã bỏ những sự kiện đầu tiên và không có bản chụp nào chứa chúng",
    "snapshot-damaged": "bản chụp không còn đúng như lúc chụp",
    "topics-incomplete": "Kafka mất những bản ghi cuối cùng",
    "interrupted": "tiến trình dừng đột ngột ba lần",
    "dropped": "anh chị đã chọn giữ số đang dùng",
    "not-answered": "không ai trả lời trong một ngày",
}
COMPACTION_STATES: Final = {
    "idle": "Chưa đến lúc",
    "versions": "Đang gộp",
    "movements": "Đang gộp",
    "done": "Đã gộp xong",
}
ENDS_OF: Final = {
    "month": "cuối tháng",
    "quarter": "cuối quý",
    "half-year": "cuối sáu tháng",
    "year": "cuối năm",
    "school-year": "cuối năm học",
}
# Why a figure is not shown, or why there is none. msgids
REASONS: Final[dict[Hidden | Lack, str]] = {
    "protected": "Ẩn để bảo vệ trẻ em",
    "not-released": "Chưa đến ngày công bố",
    "not-offered": "Không công bố ở mức chi tiết này",
    "before-recording": "Trước khi hệ thống ghi nhận",
    "not-reported": "Ngành chưa báo cáo",
    "no-denominator": "Mẫu số bằng 0",
    "nothing-measured": "Chưa có gì để đo",
}
# The same where nothing else is told of a period, with what one may do. msgids
EXPLAINED: Final[dict[Lack, str]] = {
    "before-recording": (
        "Kỳ này đã qua trước khi hệ thống bắt đầu ghi nhận nên không có số liệu. Anh chị chọn kỳ sau đó."
    ),
    "not-reported": "Chỉ tiêu này do ngành báo cáo: số liệu hiện ra khi ngành gửi báo cáo kỳ.",
    "no-denominator": "Kỳ này chưa có trường hợp nào để tính tỷ lệ: mẫu số bằng 0. Anh chị có thể chọn kỳ dài hơn.",
    "nothing-measured": "Kỳ này chưa có việc nào xong để đo thời gian. Anh chị có thể chọn kỳ dài hơn hoặc kỳ trước.",
}
SPANS: Final[dict[Span, str]] = {
    "day": "Ngày",
    "week": "Tuần",
    "month": "Tháng",
    "quarter": "Quý",
    "half-year": "Nửa năm",
    "year": "Năm",
    "school-year": "Năm học",
    "plan": "Giai đoạn kế hoạch",
}
_UNITS: Final[dict[NumberUnit, str]] = {
    "number": "",
    "percent": "%",
    "per-thousand": "trên 1.000",
    "per-100000": "trên 100.000",
    "hours": "giờ",
    "days": "ngày",
    "points": "điểm",
}
_UNITS_EN: Final[dict[NumberUnit, str]] = {
    "number": "",
    "percent": "%",
    "per-thousand": "per 1,000",
    "per-100000": "per 100,000",
    "hours": "hours",
    "days": "days",
    "points": "points",
}
# From here on a tenth says nothing.
_LARGE: Final = 1_000
# From three days on nobody reads hours, from ten on no tenth of a day.
_HOURS_OF_A_DAY: Final = 24
_MANY_HOURS: Final = 3 * _HOURS_OF_A_DAY
_MANY_DAYS: Final = 10
_QUARTERS: Final = ("I", "II", "III", "IV")
# By which the data mark a source that was compared with its text, and one that nobody has compared yet.
_COMPARED: Final = " [f]"
_RECALLED: Final = "[r]"


class InUnit(Protocol):
    """What has values in a unit: an indicator, or one as a closed period named it."""

    @property
    def unit(self) -> NumberUnit: ...


@dataclass(frozen=True, slots=True)
class Words:
    """What is said in one language. `texts`: the catalogues of statistics' pages."""

    texts: Texts
    language: Language

    def __call__(self, text: str, **values: object) -> str:
        """In: a msgid. Out: it in the language."""
        return self.texts.gettext(self.language, text, **values)

    def law(self, source: str) -> str:
        """A source in law as a reader is told it: what nobody has compared with the text yet is said in words."""
        return source.replace(_COMPARED, "").replace(_RECALLED, self("(chờ tỉnh đối chiếu)"))

    def dimension(self, name: str) -> str:
        """A dimension's name."""
        return self(DIMENSIONS.get(name, name))

    def value(self, indicator: Indicator, dimension: str, code: str) -> str:
        """What a dimension's code is called."""
        if dimension == "unit":
            return self.unit(code)
        if code in {"", "unknown"}:
            return self(NOT_KNOWN)
        if code == UNCLASSIFIED:
            return self(NOT_CLASSIFIED)
        if dimension == "sex":
            return self(SEXES.get(code, code))
        if dimension == "age":
            return self.age(code)
        if dimension in ANSWERED:
            return self(YES_NO.get(code, code))
        if dimension == "clock":
            return Deadlines.load().label(code, self.language)
        if dimension == "circumstance" and code not in Terms.load("circumstances"):
            return Terms.load("flags").label(code, self.language)
        measure = indicator.numerator.measure if indicator.numerator else ""
        codes = CODES.get(f"{measure}.{dimension}") or CODES.get(dimension)
        if codes is not None:
            return self(codes.get(code, code))
        terms = self._terms(indicator, dimension)
        return code if terms is None else terms.label(code, self.language)

    def age(self, code: str) -> str:
        """An age band: "6–10 tuổi"."""
        return self(NOT_KNOWN) if code == "unknown" else self("%(ages)s tuổi", ages=code.replace("-", "–"))

    def unplaced(self, measure: str) -> str:
        """What is counted by a measure of which something is not known."""
        return self(UNPLACED[measure])

    def voice(self, state: Heard) -> str:
        """How a sector is heard."""
        return self(VOICES[state])

    def sector(self, code: str) -> str:
        """A sector's name."""
        return Terms.load("sectors").label(code, self.language)

    def unit(self, code: str) -> str:
        """A commune's name."""
        return Units.load().name(code or UNCLASSIFIED, self.language)

    def number(self, indicator: InUnit, value: float | None) -> str:
        """A value without its unit, as exact as it is worth reading; a dash for none."""
        if value is None:
            return "–"
        return format_number(self.language, value, self.digits(indicator, value))

    def whole(self, n: int) -> str:
        """A count of a part."""
        return format_number(self.language, n)

    def amount(self, indicator: InUnit, value: float | None) -> str:
        """A value with its unit; many hours as days."""
        if value is not None and indicator.unit == "hours" and abs(value) >= _MANY_HOURS:
            days = value / _HOURS_OF_A_DAY
            return self("%(n)s ngày", n=format_number(self.language, days, 0 if abs(days) >= _MANY_DAYS else 1))
        said = self.number(indicator, value)
        unit = self.measured_in(indicator)
        if value is None or not unit:
            return said
        return f"{said}{unit}" if unit == "%" else f"{said} {unit}"

    def goal(self, indicator: Indicator, target: Target) -> str:
        """What is aimed at: a value, or a change where what it is set against is not known."""
        if target.value is not None or target.change is None:
            return self.amount(indicator, target.value)
        share = format_number(self.language, abs(target.change))
        if target.against == "year-before":
            if target.change < 0:
                return self("giảm %(share)s%% mỗi năm", share=share)
            return self("tăng %(share)s%% mỗi năm", share=share)
        if target.change < 0:
            return self("giảm %(share)s%% so với năm %(year)s", share=share, year=target.against)
        return self("tăng %(share)s%% so với năm %(year)s", share=share, year=target.against)

    def measured_in(self, indicator: InUnit) -> str:
        """The unit of an indicator's values; empty for plain numbers."""
        return (_UNITS if self.language == "vi" else _UNITS_EN)[indicator.unit]

    def reason(self, reason: Hidden | Lack) -> str:
        """Why a figure is not shown, or why there is none, in a few words."""
        return self(REASONS[reason])

    def explained(self, lack: Lack | None) -> str:
        """The same in a sentence, with what one may do; None: nothing was recorded."""
        if lack is None:
            return self("Chưa có gì được ghi nhận trong kỳ này. Anh chị có thể chọn kỳ dài hơn hoặc kỳ trước.")
        return self(EXPLAINED[lack])

    def shown(self, indicator: Indicator, shown: Shown | None) -> str:
        """A figure as one may see it: its value, or why it is not there."""
        if shown is None:
            return "–"
        return self.reason(shown.reason) if shown.reason else self.amount(indicator, shown.value)

    def period(self, period: Period) -> str:
        """A period in full: "Quý IV/2026"."""
        year = period.first.year
        said = {
            "day": lambda: format_date(period.first),
            "week": lambda: self("Tuần %(number)s", number=f"{period.code[-2:]}/{period.code[:4]}"),
            "month": lambda: self("Tháng %(number)s", number=f"{period.first.month}/{year}"),
            "quarter": lambda: self("Quý %(number)s", number=f"{_QUARTERS[int(period.code[-1]) - 1]}/{year}"),
            "half-year": lambda: (
                self("6 tháng đầu năm %(year)s", year=year)
                if period.first.month == 1
                else self("6 tháng cuối năm %(year)s", year=year)
            ),
            "year": lambda: self("Năm %(year)s", year=year),
            "school-year": lambda: self("Năm học %(years)s", years=f"{year}–{year + 1}"),
            "plan": lambda: self("Giai đoạn %(years)s", years=f"{year}–{period.last.year}"),
        }
        return said[period.span]()

    def so_far(self, period: Period, whole: Period) -> str:
        """A period that was cut where another one has come to: "Năm 2025, đến 26/11"."""
        if period == whole:
            return self.period(whole)
        return self("%(period)s, đến %(day)s", period=self.period(whole), day=period.last.strftime("%d/%m"))

    def short(self, period: Period) -> str:
        """A period on an axis: "10/26"."""
        year = f"{period.first.year % 100:02d}"
        if period.span == "day":
            return period.first.strftime("%d/%m")
        if period.span == "month":
            return f"{period.first.month:02d}/{year}"
        if period.span == "quarter":
            return f"{_QUARTERS[int(period.code[-1]) - 1]}/{year}"
        if period.span == "year":
            return period.code
        return self.period(period)

    def verdict(self, verdict: Verdict) -> str:
        """How a figure stands to its target."""
        return self(VERDICTS[verdict])

    def change(self, reading: Reading, before: Shown | None) -> str:
        """How much a figure moved since another: in points of a share, else as a share of it. Empty: not known."""
        moved = reading.moved(before)
        if moved is None:
            return ""
        if moved == 0:
            return self("không đổi")
        sign = "+" if moved > 0 else "−"
        known = before.value if before else None
        if reading.indicator.unit != "percent" and known:
            share = abs(moved) / abs(known) * 100
            return f"{sign}{format_number(self.language, share, 0 if share >= 10 else 1)}%"
        said = self.number(reading.indicator, abs(moved))
        return sign + (self("%(n)s điểm %%", n=said) if reading.indicator.unit == "percent" else said)

    @staticmethod
    def digits(indicator: InUnit, value: float) -> int:
        """How many digits behind the point of a value are worth reading."""
        if value == int(value) or abs(value) >= _LARGE:
            return 0
        # A count is whole, but what is aimed at is so many per cent less of one: 37 must not read as if it met 36,6.
        if indicator.unit == "number":
            return 1
        # Of a share of some hundredths the first digit would say nothing: drop-out is aimed at 0,05 %.
        return 2 if abs(value) < 1 else 1

    @staticmethod
    def _terms(indicator: Indicator, dimension: str) -> Terms | None:
        measure = indicator.numerator.measure if indicator.numerator else ""
        name = list_of(measure, dimension)
        return None if name is None else Terms.load(name)
