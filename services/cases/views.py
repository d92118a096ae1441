"""What pages say: titles of the timeline, names of codes, as msgids; and the lines of a case ready to be shown.

It holds no rule: what a code means is the domain's and the reference data's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup

from services.cases import answered
from services.cases.desk.files import answers_in
from services.cases.domain.acts import MOST_DECISIONS
from services.cases.domain.forms import COARSE, RATINGS
from services.cases.domain.model import COMMUNE, ZONE, Clock
from services.cases.store import MOST_COUNTED, Line
from shared.contracts.errors import Violation
from shared.reference.deadlines import Deadlines
from shared.reference.forms import Forms
from shared.reference.terms import Terms
from shared.web.i18n import Language, format_date, format_due

# `autofocus` where there are no scripts; the shell's script looks for the other.
_FOCUS = Markup(" autofocus data-focus")
# msgids: kind of entry -> what happened, tone of its mark.
TITLES: Mapping[str, tuple[str, str]] = {
    "case.opened": ("Mở vụ việc", "brand"),
    "report.corrected": ("Bên báo tin sửa nội dung", "info"),
    "siblings.linked": ("Vụ việc của trẻ khác trong cùng báo tin", "info"),
    "report.linked": ("Thêm một báo tin về cùng vụ việc", "info"),
    "child.described": ("Tra cứu trẻ trong sổ", "plain"),
    "child.candidates": ("Có trẻ giống mô tả, chờ người chọn", "warning"),
    "child.none-of-these": ("Không phải trẻ nào được gợi ý; đề nghị lập hồ sơ mới", "info"),
    "child.not-found": ("Chưa đủ thông tin để xác định trẻ", "warning"),
    "child.linked": ("Đã xác định trẻ", "success"),
    "child.unlinked": ("Gỡ trẻ gắn nhầm", "warning"),
    "sibling.linked": ("Liên kết vụ việc của anh chị em", "info"),
    "sibling.unlinked": ("Bỏ liên kết anh chị em", "plain"),
    "facts.verified": ("Đã xác minh", "info"),
    "risk.initial": ("Đánh giá nguy cơ ban đầu (Mẫu 02)", "info"),
    "risk.detailed": ("Đánh giá nguy cơ cụ thể (Mẫu 03)", "info"),
    "emergency.decided": ("Quyết định biện pháp bảo vệ khẩn cấp (Mẫu 07)", "danger"),
    "separation.extended": ("Gia hạn tạm thời cách ly", "warning"),
    "separation.ended": ("Kết thúc tạm thời cách ly", "success"),
    "ban.requested": ("Đề nghị cấm tiếp xúc", "warning"),
    "ban.granted": ("Quyết định cấm tiếp xúc", "danger"),
    "ban.refused": ("Không ra quyết định cấm tiếp xúc", "plain"),
    "ban.ended": ("Chấm dứt cấm tiếp xúc trước hạn", "info"),
    "care.decided": ("Quyết định chăm sóc thay thế", "info"),
    "care.handed-over": ("Bàn giao trẻ cho bên nhận chăm sóc", "success"),
    "care.ended": ("Chấm dứt chăm sóc thay thế (Mẫu 16)", "warning"),
    "care.moved": ("Chăm sóc thay thế tiếp tục trong vụ việc kia", "plain"),
    "handover.offered": ("Đề nghị bàn giao vụ việc", "info"),
    "handover.accepted": ("Tiếp nhận bàn giao", "success"),
    "handover.declined": ("Không tiếp nhận bàn giao", "warning"),
    "handover.withdrawn": ("Rút đề nghị bàn giao", "plain"),
    "plan.drafted": ("Trình kế hoạch hỗ trợ, can thiệp (Mẫu 04)", "info"),
    "plan.approved": ("Phê duyệt kế hoạch (Mẫu 05)", "success"),
    "plan.returned": ("Trả lại kế hoạch", "warning"),
    "task.requested": ("Đề nghị ngành phối hợp", "info"),
    "task.accepted": ("Ngành nhận nhiệm vụ", "success"),
    "task.declined": ("Ngành từ chối nhiệm vụ", "warning"),
    "task.done": ("Ngành hoàn thành nhiệm vụ", "success"),
    "task.new-date": ("Ngành đề xuất thời hạn mới", "warning"),
    "task.seen": ("Ngành đã xem đề nghị", "plain"),
    "task.question": ("Ngành hỏi xã, phường", "warning"),
    "task.replied": ("Xã, phường trả lời câu hỏi", "info"),
    "task.date-agreed": ("Xã, phường đồng ý thời hạn mới", "success"),
    "task.date-refused": ("Xã, phường giữ thời hạn cũ", "warning"),
    "task.reminded": ("Xã, phường nhắc việc", "info"),
    "task.asked-another": ("Đề nghị lại sau khi ngành từ chối", "info"),
    "task.without": ("Ngành từ chối; xã, phường không cần nữa", "plain"),
    "conference.called": ("Mời họp các ngành về vụ việc", "info"),
    "conference.held": ("Đã họp các ngành về vụ việc", "success"),
    "conference.cancelled": ("Hủy cuộc họp các ngành", "plain"),
    "task.overdue": ("Nhiệm vụ quá hạn", "danger"),
    "task.cancelled": ("Hủy đề nghị phối hợp", "plain"),
    "review.held": ("Rà soát kế hoạch (Mẫu 06)", "info"),
    "case.reclassified": ("Phân loại lại", "info"),
    "case.transferred": ("Chuyển xã, phường chủ trì", "info"),
    "case.merged": ("Nhập vào vụ việc khác", "plain"),
    "case.took-over": ("Nhận một vụ việc nhập vào", "info"),
    "case.unmerged": ("Tách khỏi vụ việc đã nhập vào", "warning"),
    "case.gave-back": ("Tách một vụ việc đã nhập", "warning"),
    "meeting.cancelled": ("Cuộc họp không còn cần", "plain"),
    "case.closed": ("Kết thúc vụ việc", "success"),
    "case.reopened": ("Mở lại vụ việc", "brand"),
    "deadline.started": ("Bắt đầu tính thời hạn", "plain"),
    "deadline.nearing": ("Thời hạn sắp hết", "warning"),
    "deadline.missed": ("Đã quá thời hạn", "danger"),
    "deadline.met": ("Xong đúng thời hạn", "success"),
    "deadline.met-late": ("Xong sau thời hạn", "warning"),
    "deadline.cancelled": ("Thời hạn không còn áp dụng", "plain"),
    "deadline.lapsed": ("Thời hạn đã quá không còn áp dụng", "warning"),
    "deadline.paused": ("Tạm dừng tính thời hạn", "warning"),
    "deadline.resumed": ("Tiếp tục tính thời hạn", "info"),
    "meeting.needs": ("Họp xác định nhu cầu của trẻ", "info"),
    "service.provided": ("Đã thực hiện dịch vụ", "success"),
    "note": ("Ghi chú", "plain"),
    "case.assigned": ("Người phụ trách vụ việc", "info"),
    "team.requested": ("Đề nghị tham gia nhóm vụ việc", "warning"),
    "team.joined": ("Tham gia nhóm vụ việc", "info"),
    "team.left": ("Thôi tham gia nhóm vụ việc", "plain"),
    "access.broken-glass": ("Mở khẩn cấp danh tính của trẻ", "danger"),
    "access.closed": ("Đóng danh tính đã mở khẩn cấp", "plain"),
    "access.reviewed": ("Chủ tịch xem xét lần mở khẩn cấp", "info"),
    "document.added": ("Đính kèm tệp", "info"),
    "document.removed": ("Gỡ tệp đính kèm", "warning"),
    "case.exported": ("Sao toàn bộ hồ sơ", "warning"),
}
# Words of acts that fill in no form; a form's own labels say what its answers are.
WORDS: Mapping[str, str] = {
    "findings": "Kết quả",
    "remarks": "Ghi chú",
    "reason": "Lý do",
    "summary": "Kết quả thực hiện",
    "provider": "Đơn vị thực hiện",
    "notes": "Ghi chú",
    "instructions": "Nội dung đề nghị",
    "text": "Nội dung",
    "member": "Thành viên",
    "worker": "Người phụ trách",
    "against": "Người bị đề nghị cấm tiếp xúc",
    "carer": "Bên nhận chăm sóc",
    "grounds": "Căn cứ",
    "asked_by": "Người đề nghị",
    "returns_to": "Sau đó trẻ sống với",
    "question": "Câu hỏi",
    "reply": "Trả lời",
    "place": "Địa điểm",
    "purpose": "Mục đích",
    "people": "Thành phần",
    "minutes": "Biên bản",
    "name": "Tên tệp",
    "caption": "Chú thích",
    "number": "Số quyết định",
}
DOCUMENT_KINDS: Mapping[str, str] = {"photo": "Ảnh", "scan": "Bản quét", "audio": "Ghi âm"}
SEXES: Mapping[str, str] = {"male": "Nam", "female": "Nữ", "unknown": "Chưa rõ"}
NAMED_NO_MORE = "Báo tin đã sửa không còn nhắc đến trẻ này"
# How well an earlier report fits: what it is called, tone of its mark.
FITS: Mapping[str, tuple[str, str]] = {
    "sure": ("Chắc chắn cùng một trẻ", "danger"),
    "likely": ("Rất có thể cùng một trẻ", "warning"),
    "possible": ("Có thể cùng một trẻ", "info"),
}
OTHERS: Mapping[str, str] = {
    "open": "Mở vụ việc riêng cho từng trẻ",
    "known": "Đã có vụ việc cả rồi",
}
CASE_STATES: Mapping[str, tuple[str, str]] = {
    "open": ("Vụ việc đang mở", "brand"),
    "closed": ("Vụ việc đã kết thúc", "success"),
    "merged": ("Đã nhập vụ khác", "plain"),
}
KIND_GROUPS: Mapping[str, str] = {
    "abuse": "Xâm hại, gây tổn hại",
    "injury": "Tai nạn, thương tích",
    "difficulty": "Hoàn cảnh khó khăn, đặc biệt",
    "development": "Sức khỏe tâm thần, phát triển",
}
DANGER: Mapping[str, str] = {"yes": "Có", "no": "Không", "unknown": "Chưa rõ"}
CONFIRMED: Mapping[str, str] = {"True": "Đúng có sự việc", "False": "Không có sự việc"}
GIVEN: Mapping[str, str] = {"given": "Đã thực hiện ngày", "awaited": "Chưa thực hiện"}
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
    "reassigned": "Đã thay bằng đề nghị khác",
    "case-closed": "Vụ việc đã kết thúc",
    "case-merged": "Vụ việc đã nhập vào vụ việc khác",
}
# What a sector may answer: msgids of the choices, in the order of the form.
TASK_ANSWERS: Mapping[str, str] = {
    "accepted": "Nhận việc, đúng thời hạn",
    "question": "Hỏi xã, phường trước khi làm",
    "new-date": "Đề xuất thời hạn khác",
    "done": "Đã làm xong",
    "declined": "Từ chối",
}
# Who has to do something now.
AWAITED: Mapping[str, tuple[str, str]] = {
    "sector": ("Chờ ngành", "info"),
    "commune": ("Chờ xã, phường", "warning"),
    "nobody": ("Không chờ ai", "plain"),
}
# How many decisions the form of a conference has room for.
DECISION_ROWS = MOST_DECISIONS
# Acts on one task that the case page offers beside it.
TASK_ACTS = ("reply-task", "agree-date", "refuse-date", "remind-task", "reassign-task", "do-without", "cancel-task")
CONCERN_STATES: Mapping[str, tuple[str, str]] = {
    "received": ("Chờ xử lý", "warning"),
    "opened": ("Đã mở vụ việc", "success"),
    "linked": ("Đã gắn vào vụ việc", "success"),
    "answered": ("Đã trả lời", "success"),
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
    "reply-task": "Trả lời câu hỏi của ngành",
    "agree-date": "Đồng ý thời hạn ngành đề xuất",
    "refuse-date": "Giữ thời hạn cũ",
    "remind-task": "Nhắc ngành",
    "reassign-task": "Đề nghị ngành khác hoặc ngày khác",
    "do-without": "Không cần việc này nữa",
    "call-conference": "Mời họp các ngành",
    "hold-conference": "Ghi biên bản cuộc họp các ngành",
    "cancel-conference": "Hủy cuộc họp các ngành",
    "hold-needs-meeting": "Biên bản họp xác định nhu cầu",
    "record-service": "Ghi dịch vụ đã thực hiện",
    "hold-review": "Rà soát (Mẫu 06)",
    "request-contact-ban": "Đề nghị cấm tiếp xúc",
    "decide-contact-ban": "Quyết định về cấm tiếp xúc",
    "end-contact-ban": "Chấm dứt cấm tiếp xúc",
    "decide-alternative-care": "Quyết định chăm sóc thay thế",
    "hand-over-child": "Ghi việc bàn giao trẻ",
    "end-alternative-care": "Chấm dứt chăm sóc thay thế (Mẫu 16)",
    "close": "Kết thúc vụ việc",
    "reopen": "Mở lại vụ việc",
    "reclassify": "Phân loại lại",
    "transfer": "Chuyển xã, phường khác",
    "offer-handover": "Đề nghị bàn giao cho xã, phường nơi trẻ sống",
    "accept-handover": "Tiếp nhận vụ việc",
    "decline-handover": "Không tiếp nhận",
    "withdraw-handover": "Rút đề nghị bàn giao",
    "merge": "Nhập vào vụ việc khác",
    "undo-merge": "Tách lại vụ việc đã nhập",
    "link-sibling": "Liên kết vụ việc của anh chị em",
    "unlink-sibling": "Bỏ liên kết anh chị em",
    "choose-child": "Chọn trẻ",
    "correct-child": "Sửa trẻ gắn nhầm",
    "pause-deadline": "Tạm dừng thời hạn",
    "resume-deadline": "Tiếp tục tính thời hạn",
    "note": "Thêm ghi chú",
    "open": "Mở vụ việc",
    "link": "Gắn vào vụ việc đang có",
    "dismiss": "Không mở vụ việc",
    "forward": "Chuyển xã, phường khác",
    "answer": "Trả lời, không mở vụ việc",
    "discard-draft": "Bỏ bản nháp",
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
    "documents": "Xem danh sách tệp",
    "form": "Điền biểu mẫu",
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
    """Where an act is done: its form's page, else the case's page with it open; without an act, that page."""
    page = f"/cases/c/{case_id}"
    if not act:
        return page
    return f"{page}/forms/{act}" if Forms.load().of_act(act) is not None else f"{page}?act={act}#act-{act}"


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


def focus_start(fields: Markup) -> Markup:
    """Rendered fields, the first of them focused when the page opens."""
    before, found, after = fields.partition("<input ")
    return before + found + _FOCUS[1:] + " " + after if found else fields


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the timeline, in the reader's language.

    Of a form: its code, which time it was filled in, and what changed against the time before (label, before, after).
    `version`: the case's, after what the line tells.
    """

    when: datetime
    title: str
    tone: str
    who: str
    details: Sequence[str] = ()
    kind: str = ""
    task_id: str | None = None
    words: Sequence[tuple[str, str]] = field(default_factory=list)
    form: str = ""
    edition: int = 0
    changed: Sequence[tuple[str, str, str]] = ()
    version: int = 0
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

    def __init__(self, say: Callable[[str], str], language: Language, unit_name: Callable[[str | None], str]) -> None:
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

    def sector(self, code: str) -> str:
        """A sector's name; the commune's own, where a task is left to it."""
        return self._say("Xã, phường chủ trì") if code == COMMUNE else self.term("sectors", code)

    def terms(self, name: str) -> list[tuple[str, str]]:
        """Pairs for a choice among the reference data's codes, without those that nobody chooses."""
        terms = Terms.load(name)
        return [(code, self.term(name, code)) for code in terms.codes() if terms.get(code, "offered") is not False]

    def care_authorities(self, on: date) -> list[tuple[str, list[tuple[str, str]]]]:
        """Who decides on each kind of alternative care on a day, each with the law; nobody where none is known."""
        offices = Terms.load("care-authorities")
        source = "legal_source_vi" if self._language == "vi" else "legal_source_en"
        return [
            (
                name,
                [
                    (offices.label(code, self._language), str(offices.get(code, source)))
                    for code in offices.codes(on)
                    if care in offices.get(code, "care")
                ],
            )
            for care, name in self.terms("care-kinds")
        ]

    def answers(self, name: str) -> list[tuple[str, str]]:
        """Pairs for a choice in a form: what it may be answered with."""
        return [(code, self.term(name, code)) for code in answers_in(name)]

    def deadline(self, kind: str) -> str:
        """What a clock of the law waits for."""
        return self._deadlines.label(kind, self._language)

    def law(self, clock: Clock) -> str:
        """Where the law says so; as the clock remembers it, where its kind is in the data no more."""
        if clock.kind not in self._deadlines.kinds():
            return clock.legal_source
        return self._deadlines.legal_source(clock.kind, clock.started_at, self._language, clock.set_by)

    def pause_law(self, clock: Clock) -> str:
        """By what law a clock may stand still."""
        if clock.kind not in self._deadlines.kinds():
            return ""
        return self._deadlines.pause_source(clock.kind, clock.started_at, self._language)

    def age_band(self, band: str) -> str:
        """A span of years as people write it."""
        return "–" if band == "unknown" else band.replace("-", "–")

    def unit(self, code: str | None) -> str:
        """A commune's name; words where it is not known."""
        return self._say("Chưa rõ xã, phường") if code in (None, "unclassified") else self._unit_name(code)

    def history(self, opened: Sequence[tuple[Line, Mapping[str, Any]]], when: Callable[[datetime], str]) -> list[Shown]:
        """The timeline, newest first as given; each form with what changed since it was last filled in."""
        last: dict[tuple[str, str], tuple[int, Line, Mapping[str, Any]]] = {}
        shown: list[Shown] = []
        for line, words in reversed(opened):
            one = self.line(line, words, when)
            form = answered.form_of(line.data)
            if form is not None:
                key = (line.case_id, form.code)
                number, earlier, said = last.get(key, (0, line, words))
                before = answered.form_of(earlier.data) or form
                changes = answered.changed((before, earlier.data, said), (form, line.data, words), self._language)
                one = replace(one, edition=number + 1, changed=changes)
                last[key] = (number + 1, line, words)
            shown.append(one)
        return shown[::-1]

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
        form = answered.form_of(line.data)
        return Shown(
            when=line.at,
            title=self._say(title),
            tone=tone,
            who=line.who_name or (self.sector(line.sector) if line.sector else ""),
            kind=line.kind,
            task_id=line.data.get("task_id"),
            details=self._details(line, when),
            words=answered.said(form, words, self._language) if form else self._words(words),
            form=form.code if form else "",
            version=line.version,
            id=line.id,
        )

    def _details(self, line: Line, when: Callable[[datetime], str]) -> list[str]:
        data = line.data
        due = format_due(self._language, datetime.fromisoformat(data["due"])) if data.get("due") else ""
        if line.kind.startswith("deadline."):
            reason = [self.term("pause-reasons", data["reason"])] if data.get("reason") else []
            return [self.deadline(data["kind"]), f"{self._say('Hạn')}: {due}", *reason]
        if line.kind.startswith("task."):
            sector = self.sector(line.sector) if line.sector else ""
            then = self.of(TASK_CAUSES, data["cause"]) if data.get("cause") else f"{self._say('Hạn')}: {due}"
            proposed = data.get("proposed")
            asked = [f"{self._say('Đề xuất')}: {format_due(self._language, datetime.fromisoformat(proposed))}"] if proposed else []
            return [f"{self.term('task-kinds', data['kind'])} · {sector}", then, *asked]
        if line.kind.startswith("conference."):
            invited = ", ".join(self.sector(code) for code in data["sectors"])
            return [f"{self._say('Giờ họp')}: {when(datetime.fromisoformat(data['meets_at']))}", invited]
        if data.get("form"):
            return self._filled(data)
        told: Callable[[], str] | None = {
            "facts.verified": lambda: self.of(CONFIRMED, str(data["confirmed"])),
            "separation.extended": lambda: f"{self._say('Hạn')}: {due}",
            "service.provided": lambda: (
                f"{self.term('service-kinds', data['service'])}"
                f" · {format_date(date.fromisoformat(data['provided_on']))}"
            ),
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
            "case.unmerged": lambda: data["code"],
            "case.gave-back": lambda: data["code"],
            "sibling.linked": lambda: data["code"],
            "sibling.unlinked": lambda: data["code"],
            "ban.granted": lambda: f"{self._say('Đến')} {due}",
            "care.decided": lambda: self.term("care-kinds", data["care"]),
            "care.handed-over": lambda: self.term("care-kinds", data["care"]),
            "care.moved": lambda: self.term("care-kinds", data["care"]),
            "care.ended": lambda: self.term("care-kinds", data["care"]),
            "handover.offered": lambda: self.unit(data["to_unit"]),
            "handover.accepted": lambda: self.unit(data["to_unit"]),
            "handover.declined": lambda: self.unit(data["to_unit"]),
            "handover.withdrawn": lambda: self.unit(data["to_unit"]),
            "report.linked": lambda: data["code"],
            "siblings.linked": lambda: ", ".join(data["codes"]),
            "report.corrected": lambda: self._say(NAMED_NO_MORE) if data.get("removed") else "",
            "document.added": lambda: self.of(DOCUMENT_KINDS, data["document_kind"]),
            "document.removed": lambda: self.of(DOCUMENT_KINDS, data["document_kind"]),
            "case.reclassified": lambda: (
                f"{self.term('case-kinds', data['from_kind'])}, {self.term('risk-levels', data['from_risk'])}"
                f" → {self.term('case-kinds', data['kind'])}, {self.term('risk-levels', data['risk'])}"
            ),
        }.get(line.kind)
        return [told()] if told else []

    def _filled(self, data: Mapping[str, Any]) -> list[str]:
        """A form's coarse answers with its own labels, and its totals."""
        form = answered.form_of(data)
        told = [
            f"{asked.label(self._language)}: {answered.in_words(asked, data[asked.act], self._language)}"
            for asked in (form.fields if form else ())
            if asked.act in COARSE and data.get(asked.act)
        ]
        return [*told, self._totals(data)] if "harm" in data else told

    def _totals(self, data: Mapping[str, Any]) -> str:
        def half(name: str) -> str:
            counted = data[name]
            return ", ".join(f"{self.term('risk-levels', level).lower()} {counted[level]}" for level in RATINGS)

        return f"{self._say('Tổn hại')}: {half('harm')} · {self._say('Khả năng tự bảo vệ')}: {half('protection')}"

    def _words(self, words: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [(self.of(WORDS, name), str(value)) for name, value in words.items() if value]
