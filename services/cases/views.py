"""What pages say: titles of the timeline, names of codes, as msgids; and the lines of a case ready to be shown.

It holds no rule: what a code means is the domain's and the reference data's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup

from services.cases.domain.forms import HARM_ROWS, PROTECTION_ROWS, RATINGS
from services.cases.domain.model import ZONE, Clock
from services.cases.store import MOST_COUNTED, Line
from shared.contracts.errors import Violation
from shared.reference.deadlines import Deadlines
from shared.reference.terms import Terms
from shared.web.i18n import format_date

# `autofocus` where there are no scripts; the shell's script looks for the other.
_FOCUS = Markup(" autofocus data-focus")
# msgids: kind of entry -> what happened, tone of its mark.
TITLES: Mapping[str, tuple[str, str]] = {
    "case.opened": ("Mở vụ việc", "brand"),
    "report.corrected": ("Bên báo tin sửa nội dung", "info"),
    "report.linked": ("Thêm một báo tin về cùng vụ việc", "info"),
    "child.described": ("Hỏi hệ thống trẻ em: trẻ là ai", "plain"),
    "child.candidates": ("Có trẻ giống mô tả, chờ người chọn", "warning"),
    "child.none-of-these": ("Không phải trẻ nào được gợi ý; đề nghị lập hồ sơ mới", "info"),
    "child.not-found": ("Chưa đủ thông tin để xác định trẻ", "warning"),
    "child.linked": ("Đã xác định trẻ", "success"),
    "facts.verified": ("Đã xác minh", "info"),
    "risk.initial": ("Đánh giá nguy cơ ban đầu (Mẫu 02)", "info"),
    "risk.detailed": ("Đánh giá nguy cơ cụ thể (Mẫu 03)", "info"),
    "emergency.decided": ("Quyết định biện pháp bảo vệ khẩn cấp (Mẫu 07)", "danger"),
    "separation.extended": ("Gia hạn tạm thời cách ly", "warning"),
    "separation.ended": ("Kết thúc tạm thời cách ly", "success"),
    "plan.drafted": ("Trình kế hoạch hỗ trợ, can thiệp (Mẫu 04)", "info"),
    "plan.approved": ("Phê duyệt kế hoạch (Mẫu 05)", "success"),
    "plan.returned": ("Trả lại kế hoạch", "warning"),
    "task.requested": ("Đề nghị ngành phối hợp", "info"),
    "task.accepted": ("Ngành nhận nhiệm vụ", "success"),
    "task.declined": ("Ngành từ chối nhiệm vụ", "warning"),
    "task.done": ("Ngành hoàn thành nhiệm vụ", "success"),
    "task.new-date": ("Ngành hẹn thời hạn mới", "info"),
    "task.overdue": ("Nhiệm vụ quá hạn", "danger"),
    "task.cancelled": ("Hủy đề nghị phối hợp", "plain"),
    "review.held": ("Rà soát kế hoạch (Mẫu 06)", "info"),
    "case.reclassified": ("Phân loại lại", "info"),
    "case.transferred": ("Chuyển xã, phường chủ trì", "info"),
    "case.merged": ("Nhập vào vụ việc khác", "plain"),
    "case.took-over": ("Nhận một vụ việc nhập vào", "info"),
    "case.closed": ("Kết thúc vụ việc", "success"),
    "case.reopened": ("Mở lại vụ việc", "brand"),
    "deadline.started": ("Bắt đầu tính thời hạn", "plain"),
    "deadline.nearing": ("Thời hạn sắp hết", "warning"),
    "deadline.missed": ("Đã quá thời hạn", "danger"),
    "deadline.met": ("Xong đúng thời hạn", "success"),
    "deadline.met-late": ("Xong sau thời hạn", "warning"),
    "deadline.cancelled": ("Thời hạn không còn áp dụng", "plain"),
    "note": ("Ghi chú", "plain"),
    "case.assigned": ("Người phụ trách vụ việc", "info"),
    "team.requested": ("Đề nghị tham gia nhóm vụ việc", "warning"),
    "team.joined": ("Tham gia nhóm vụ việc", "info"),
    "team.left": ("Thôi tham gia nhóm vụ việc", "plain"),
    "access.broken-glass": ("Mở khẩn cấp danh tính của trẻ", "danger"),
    "access.closed": ("Đóng danh tính đã mở khẩn cấp", "plain"),
    "access.reviewed": ("Chủ tịch xem xét lần mở khẩn cấp", "info"),
}
WORDS: Mapping[str, str] = {
    "findings": "Kết quả",
    "conclusion": "Kết luận",
    "urgent_measures": "Biện pháp khẩn cấp đề xuất",
    "needs": "Nhu cầu của trẻ",
    "decision": "Nội dung quyết định",
    "goals": "Mục tiêu",
    "activities": "Hoạt động, người thực hiện",
    "resources": "Nguồn lực",
    "number": "Số quyết định",
    "remarks": "Ghi chú",
    "reason": "Lý do",
    "summary": "Kết quả thực hiện",
    "instructions": "Nội dung đề nghị",
    "text": "Nội dung",
    "member": "Thành viên",
    "worker": "Người phụ trách",
}
SEXES: Mapping[str, str] = {"male": "Nam", "female": "Nữ", "unknown": "Chưa rõ"}
DANGER: Mapping[str, str] = {"yes": "Có", "no": "Không", "unknown": "Chưa rõ"}
CONFIRMED: Mapping[str, str] = {"True": "Đúng có sự việc", "False": "Không có sự việc"}
REVIEWS: Mapping[str, str] = {
    "close": "Đề nghị kết thúc",
    "continue": "Tiếp tục kế hoạch",
    "plan-again": "Lập kế hoạch mới",
}
TASK_STATES: Mapping[str, tuple[str, str]] = {
    "requested": ("Chờ trả lời", "info"),
    "accepted": ("Đã nhận", "brand"),
    "declined": ("Từ chối", "warning"),
    "done": ("Đã xong", "success"),
    "overdue": ("Quá hạn", "danger"),
    "cancelled": ("Đã hủy", "plain"),
}
TASK_CAUSES: Mapping[str, str] = {
    "withdrawn": "Xã, phường rút đề nghị",
    "case-closed": "Vụ việc đã kết thúc",
    "case-merged": "Vụ việc đã nhập vào vụ việc khác",
}
CONCERN_STATES: Mapping[str, tuple[str, str]] = {
    "received": ("Chờ xử lý", "warning"),
    "opened": ("Đã mở vụ việc", "success"),
    "linked": ("Đã gắn vào vụ việc", "success"),
    "dismissed": ("Không mở vụ việc", "plain"),
}
# Filters of the timeline.
CHAPTERS: Mapping[str, str] = {
    "acts": "Việc đã làm",
    "tasks": "Các ngành",
    "deadlines": "Thời hạn",
    "documents": "Tài liệu",
    "notes": "Ghi chú",
}
_WEEKDAYS = ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ nhật")
ACTS: Mapping[str, str] = {
    "verify": "Ghi kết quả xác minh",
    "assess-initial": "Đánh giá ban đầu (Mẫu 02)",
    "decide-emergency": "Quyết định khẩn cấp (Mẫu 07)",
    "extend-separation": "Gia hạn tạm thời cách ly",
    "end-separation": "Kết thúc tạm thời cách ly",
    "assess-detailed": "Đánh giá cụ thể (Mẫu 03)",
    "draft-plan": "Trình kế hoạch (Mẫu 04)",
    "approve-plan": "Phê duyệt kế hoạch (Mẫu 05)",
    "return-plan": "Trả lại kế hoạch",
    "request-task": "Đề nghị ngành phối hợp",
    "cancel-task": "Hủy đề nghị phối hợp",
    "hold-review": "Rà soát (Mẫu 06)",
    "close": "Kết thúc vụ việc",
    "reopen": "Mở lại vụ việc",
    "reclassify": "Phân loại lại",
    "transfer": "Chuyển xã, phường khác",
    "merge": "Nhập vào vụ việc khác",
    "choose-child": "Chọn trẻ",
    "note": "Thêm ghi chú",
    "open": "Mở vụ việc",
    "link": "Gắn vào vụ việc đang có",
    "dismiss": "Không mở vụ việc",
    "forward": "Chuyển xã, phường khác",
    "request-access": "Đề nghị tham gia nhóm vụ việc",
    "admit-member": "Cho tham gia",
    "refuse-member": "Từ chối",
    "assign-worker": "Giao người phụ trách",
    "leave-team": "Thôi tham gia",
    "remove-member": "Cho thôi tham gia",
    "exclude-member": "Loại trừ vì xung đột lợi ích",
    "break-glass": "Mở khẩn cấp danh tính",
    "close-glass": "Đóng lại ngay",
    "review-access": "Xem xét lần mở khẩn cấp",
    "discard-draft": "Bỏ bản nháp",
}
# msgids: on what ground somebody reads, and belongs to the team.
GROUNDS: Mapping[str, str] = {
    "role": "Theo chức trách",
    "request": "Theo đề nghị được chấp nhận",
    "act": "Đã xử lý vụ việc",
    "assigned": "Được giao phụ trách",
    "glass": "Mở khẩn cấp",
    "task": "Theo nhiệm vụ được đề nghị",
    "entered": "Người ghi báo tin",
    "forward": "Để chuyển đúng xã, phường",
}
LEFT: Mapping[str, str] = {
    "left": "Tự thôi tham gia",
    "removed": "Được cho thôi tham gia",
    "excluded": "Loại trừ vì xung đột lợi ích",
    "refused": "Đề nghị không được chấp nhận",
    "moved": "Vụ việc đã chuyển xã, phường khác",
}
READ_FOR: Mapping[str, str] = {
    "case": "Xem vụ việc",
    "report": "Xem báo tin",
    "task": "Làm nhiệm vụ được đề nghị",
    "forward": "Chuyển báo tin",
    "api": "Phần mềm kết nối",
    "print": "In hồ sơ",
    "export": "Xuất hồ sơ",
    "search": "Tìm kiếm",
    "access": "Xem đề nghị truy cập",
    "document": "Xem văn bản, tệp đính kèm",
}
VERDICTS: Mapping[str, tuple[str, str]] = {
    "justified": ("Có căn cứ", "success"),
    "unjustified": ("Không có căn cứ", "danger"),
}
# msgids: what an account is, in short.
ROLES: Mapping[str, str] = {
    "worker": "Cán bộ xã, phường",
    "chair": "Chủ tịch xã, phường",
    "coordinator": "Điều phối viên cấp tỉnh",
    "sector": "Cán bộ ngành",
    "hotline": "Nhân viên tổng đài",
}


def act_address(case_id: str, act: str | None = None) -> str:
    """Where an act is done: the case's page with its form open; without an act, the page."""
    return f"/cases/c/{case_id}?act={act}#act-{act}" if act else f"/cases/c/{case_id}"


def capped(n: int) -> str:
    """A number of new lines, as far as it was counted."""
    return f"{MOST_COUNTED - 1}+" if n >= MOST_COUNTED else str(n)


def beside_no_field(violations: Sequence[Violation], fields: str) -> list[Violation]:
    """What is wrong with a form and not said beside one of its rendered fields."""
    return [known for known in violations if f'id="f-{known.field.replace(".", "-")}-error"' not in fields]


def focus_first(fields: Markup) -> Markup:
    """Rendered fields, the first wrong one focused when the page opens: of several choices, the first."""
    before, wrong, after = fields.partition(' aria-invalid="true"')
    if not wrong:
        return fields
    if before[before.rfind("<") :].startswith("<fieldset"):
        between, choice, rest = after.partition("<input")
        return before + wrong + between + choice + _FOCUS + rest
    return before + wrong + _FOCUS + after


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the timeline, in the reader's language."""

    when: datetime
    title: str
    tone: str
    who: str
    details: Sequence[str] = ()
    words: Sequence[tuple[str, str]] = field(default_factory=list)
    id: int = 0
    fresh: bool = False
    cut: bool = False


# Of each text of a line, on a page of many lines; the whole of it is one tap away.
_LONGEST = 400


def shortened(line: Shown) -> Shown:
    """A line whose long texts are cut, saying so."""
    if all(len(said) <= _LONGEST for _, said in line.words):
        return line
    words = [(name, said if len(said) <= _LONGEST else said[:_LONGEST].rsplit(" ", 1)[0]) for name, said in line.words]
    return replace(line, words=words, cut=True)


class Names:
    """What codes are called in one language.

    Args:
        say: a msgid in the language. language: vi or en. unit_name: a commune's name.
    """

    def __init__(self, say: Callable[[str], str], language: str, unit_name: Callable[[str | None], str]) -> None:
        self._say = say
        self._language = language
        self._unit_name = unit_name
        self._deadlines = Deadlines.load()

    def say(self, text: str) -> str:
        """A msgid in the language."""
        return self._say(text)

    def of(self, names: Mapping[str, Any], code: str | None) -> str:
        """The name of a code in one of this module's tables; the code itself where it is not there."""
        found = names.get(code or "")
        if found is None:
            return code or ""
        return self._say(found[0] if isinstance(found, tuple) else found)

    def options(self, names: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Pairs for a choice."""
        return [(code, self.of(names, code)) for code in names]

    def term(self, name: str, code: str) -> str:
        """The name of a code of the reference data."""
        return Terms.load(name).label(code, self._language)

    def terms(self, name: str) -> list[tuple[str, str]]:
        """Pairs for a choice among the reference data's codes, without those that nobody chooses."""
        terms = Terms.load(name)
        return [(code, self.term(name, code)) for code in terms.codes() if terms.get(code, "offered") is not False]

    def deadline(self, kind: str) -> str:
        """What a clock of the law waits for."""
        return self._deadlines.label(kind, self._language)

    def law(self, clock: Clock) -> str:
        """Where the law says so; as the clock remembers it, where its kind is in the data no more."""
        if clock.kind not in self._deadlines.kinds():
            return clock.legal_source
        return self._deadlines.legal_source(clock.kind, clock.started_at, self._language)

    def unit(self, code: str | None) -> str:
        """A commune's name; words where it is not known."""
        return self._say("Chưa rõ xã, phường") if code in (None, "unclassified") else self._unit_name(code)

    def day(self, day: date, today: date) -> str:
        """A day as people say it: today, yesterday, else with its weekday."""
        if day == today:
            return self._say("Hôm nay")
        if day == today - timedelta(days=1):
            return self._say("Hôm qua")
        return f"{self._say(_WEEKDAYS[day.weekday()])}, {format_date(day)}"

    def hour(self, at: datetime) -> str:
        """The time of a day, to the minute, where people live by it."""
        return at.astimezone(ZONE).strftime("%H:%M")

    def line(self, line: Line, words: Mapping[str, Any], when: Callable[[datetime], str]) -> Shown:
        """A line of the timeline with its opened words."""
        title, tone = TITLES.get(line.kind, (line.kind, "plain"))
        return Shown(
            when=line.at,
            title=self._say(title),
            tone=tone,
            who=line.who_name or (self.term("sectors", line.sector) if line.sector else ""),
            details=self._details(line, when),
            words=self._words(words),
            id=line.id,
        )

    def _details(self, line: Line, when: Callable[[datetime], str]) -> list[str]:
        data = line.data
        due = when(datetime.fromisoformat(data["due"])) if data.get("due") else ""
        if line.kind.startswith("deadline."):
            return [self.deadline(data["kind"]), f"{self._say('Hạn')}: {due}"]
        if line.kind.startswith("task."):
            sector = self.term("sectors", line.sector) if line.sector else ""
            then = self.of(TASK_CAUSES, data["cause"]) if data.get("cause") else f"{self._say('Hạn')}: {due}"
            return [f"{self.term('task-kinds', data['kind'])} · {sector}", then]
        if line.kind.startswith("risk."):
            return self._assessed(data)
        told: Callable[[], str] | None = {
            "facts.verified": lambda: self.of(CONFIRMED, str(data["confirmed"])),
            "emergency.decided": lambda: self.term("emergency-measures", data["measure"]),
            "separation.extended": lambda: f"{self._say('Hạn')}: {due}",
            "review.held": lambda: self.of(REVIEWS, data["outcome"]),
            "case.closed": lambda: self.term("case-outcomes", data["outcome"]),
            "case.transferred": lambda: f"{self.unit(data['from_unit'])} → {self.unit(data['to_unit'])}",
            "case.merged": lambda: data["into"],
            "case.took-over": lambda: data["code"],
            "case.assigned": lambda: (
                self.term("reassign-reasons", data["reason"]) if data.get("reason") else self.of(GROUNDS, data["how"])
            ),
            "team.requested": lambda: self.of(ROLES, data["role"]),
            "team.joined": lambda: f"{self.of(ROLES, data['role'])} · {self.of(GROUNDS, data['how'])}",
            "team.left": lambda: f"{self.of(ROLES, data['role'])} · {self.of(LEFT, data['cause'])}",
            "access.broken-glass": lambda: (
                f"{self.term('access-purposes', data['purpose'])} · {self._say('Mở đến')} "
                f"{when(datetime.fromisoformat(data['until']))}"
            ),
            "access.reviewed": lambda: self.of(VERDICTS, data["verdict"]),
            "report.linked": lambda: data["code"],
            "case.reclassified": lambda: (
                f"{self.term('case-kinds', data['from_kind'])}, {self.term('risk-levels', data['from_risk'])}"
                f" → {self.term('case-kinds', data['kind'])}, {self.term('risk-levels', data['risk'])}"
            ),
        }.get(line.kind)
        return [told()] if told else []

    def _assessed(self, data: Mapping[str, Any]) -> list[str]:
        def half(name: str) -> str:
            counted = data[name]
            return ", ".join(f"{self.term('risk-levels', level).lower()} {counted[level]}" for level in RATINGS)

        return [
            f"{self._say('Mức nguy cơ')}: {self.term('risk-levels', data['level'])}",
            f"{self._say('Tổn hại')}: {half('harm')} · {self._say('Khả năng tự bảo vệ')}: {half('protection')}",
        ]

    def _words(self, words: Mapping[str, Any]) -> list[tuple[str, str]]:
        rows = {**HARM_ROWS, **PROTECTION_ROWS}
        shown: list[tuple[str, str]] = []
        for name, value in words.items():
            if name == "ratings":
                shown += [
                    (self._say(rows[row]), self.term("risk-levels", level))
                    for row, level in value.items()
                    if row in rows
                ]
            elif value:
                shown.append((self.of(WORDS, name), str(value)))
        return shown
