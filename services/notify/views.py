"""How codes are called on screen. All texts are msgids: Vietnamese, with English in `locale/en.po`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.notify.domain.ladder import Ladder
from shared.reference.notify_ladders import Ladders
from shared.web.i18n import Language
from shared.web.navigation import ROLE_NAMES as SHARED_ROLES
from shared.web.navigation import SECTOR_NAMES
from shared.web.pages import Pages

# State of an emergency -> its name and the tone of its mark.
LADDER_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "open": ("Chưa ai xác nhận", "danger"),
    "acknowledged": ("Đã có người nhận", "success"),
    "settled": ("Đã có người xử lý", "success"),
    "exhausted": ("Đã gọi hết các cấp, chưa ai xác nhận", "danger"),
}
ROLE_NAMES: Final[Mapping[str, str]] = {
    "worker": "Cán bộ bảo vệ trẻ em",
    "chair": "Chủ tịch",
    "coordinator": "Điều phối viên cấp tỉnh",
}
CHANNEL_NAMES: Final[Mapping[str, str]] = {
    "inbox": "Trong ứng dụng",
    "push": "Thông báo đẩy",
    "chat": "Tin nhắn trò chuyện",
    "sms": "Tin nhắn SMS",
    "email": "Thư điện tử",
}
HOW_NAMES: Final[Mapping[str, str]] = {
    "page": "trên trang này",
    "link": "bằng đường dẫn trong tin nhắn",
    "reply": "bằng tin nhắn trả lời",
}
# State of an agreement -> its name and the tone of its mark; what is done with one.
AGREEMENT_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "proposed": ("Chờ tổ chức ký", "warning"),
    "active": ("Đang hiệu lực", "success"),
    "suspended": ("Tạm dừng", "warning"),
    "ended": ("Đã chấm dứt", "plain"),
}
AGREEMENT_ACTS: Final[Mapping[str, str]] = {
    "propose": "Lập thỏa thuận",
    "accept": "Ký thỏa thuận",
    "suspend": "Tạm dừng thỏa thuận",
    "resume": "Cho hiệu lực trở lại",
    "end": "Chấm dứt thỏa thuận",
    "expire": "Hết hạn",
    "confirm": "Xác nhận đã xóa dữ liệu",
}
# How urgent something is, to people.
URGENCY_NAMES: Final[Mapping[str, str]] = {
    "emergency": "Tin khẩn (trẻ đang gặp nguy hiểm)",
    "urgent": "Việc gấp",
    "normal": "Việc thường",
    "low": "Tin để biết",
}
# Why somebody is called when they are.
TIMING_WHYS: Final[Mapping[str, str]] = {
    "at-once": "báo ngay",
    "emergency": "báo ngay, mọi lúc, qua mọi kênh",
    "ladder": "gọi nếu đến lúc đó chưa ai xác nhận",
    "quiet-hours": "chờ hết giờ yên tĩnh",
    "digest": "gom vào bản tổng hợp",
    "limit": "chờ vì vừa được báo quá nhiều lần",
    "gathered": "gom với các việc giống nhau",
}
# 1 is Monday, as in ISO 8601.
WEEKDAYS: Final[tuple[tuple[str, str], ...]] = (
    ("1", "Thứ Hai"),
    ("2", "Thứ Ba"),
    ("3", "Thứ Tư"),
    ("4", "Thứ Năm"),
    ("5", "Thứ Sáu"),
    ("6", "Thứ Bảy"),
    ("7", "Chủ Nhật"),
)

# What notices are about: publisher -> msgid.
ABOUT_NAMES: Final[Mapping[str, str]] = {
    "cases": "Vụ việc và báo tin",
    "registry": "Hồ sơ trẻ em",
    "stats": "Số liệu",
    "notify": "Việc gửi nhận tin",
}


def ladder_name(ladder: Ladder, language: Language) -> str:
    """What an emergency is, as the reference data calls it."""
    known = Ladders.load()
    if ladder.code not in known:
        return ladder.code
    return known[ladder.code].vi if language == "vi" else known[ladder.code].en


# What a rule may look at in an event.
FIELD_NAMES: Final[Mapping[str, str]] = {
    "facts.danger_now": "Trẻ đang gặp nguy hiểm",
    "facts.sector": "Ngành báo tin",
    "facts.risk": "Mức nguy cơ",
    "facts.kind": "Loại vụ việc",
    "kind": "Loại",
    "answer": "Trả lời",
    "how": "Cách thức",
    "cause": "Nguyên nhân",
}
# What a field may say.
VALUE_NAMES: Final[Mapping[str, str]] = {"yes": "Có", "no": "Không", "unknown": "Không rõ"}
# Why a rule tells nobody.
WHYS: Final[Mapping[str, str]] = {
    "not-in-force": "quy tắc chưa hoặc không còn hiệu lực",
    "other-unit": "quy tắc dành cho địa bàn khác",
    "condition": "sự kiện không thỏa điều kiện",
    "exception": "sự kiện thuộc trường hợp loại trừ",
    "nobody-named": "sự kiện không nêu ai",
    "nobody-related": "chưa có ai liên quan đến vụ việc",
    "long-past": "sự kiện đã quá lâu",
}
# Why nobody was told of an event that was heard.
UNSAID_WHYS: Final[Mapping[str, str]] = {
    "bulk": "thuộc một lần nhập danh sách; đã báo chung một lần khi nhập xong",
    "past": "đến quá muộn so với lúc xảy ra",
}
# Why nothing would be sent to one of a person's endpoints, or of a partner's.
ENDPOINT_WHYS: Final[Mapping[str, str]] = {
    "not-subscribed": "không đăng ký loại sự kiện này",
    "unit-not-subscribed": "không đăng ký địa bàn này",
    "other-sector": "thuộc ngành khác",
    "not-signed": "thỏa thuận chưa được ký",
    "suspended": "thỏa thuận đang tạm dừng",
    "ended": "thỏa thuận đã chấm dứt",
    "not-yet": "thỏa thuận chưa đến ngày hiệu lực",
    "over": "thỏa thuận đã hết hạn",
    "event-not-covered": "loại sự kiện nằm ngoài thỏa thuận",
    "unit-not-covered": "địa bàn nằm ngoài thỏa thuận",
    "not-verified": "nơi nhận chưa được xác minh",
    "paused": "đang tạm dừng",
    "disabled": "đã bị tắt vì lỗi kéo dài",
    "may-not-see": "vai trò không được xem sự kiện này",
    "channel-not-chosen": "không chọn kênh này",
    "not-on-ladder": "tin khẩn này không gọi đến vai trò của người này",
    "long-past": "sự kiện đã quá lâu",
}
# Why what a partner is told waits.
WAIT_WHYS: Final[Mapping[str, str]] = {
    "paused": "điểm nhận đang tạm dừng",
    "disabled": "điểm nhận đã bị tắt vì lỗi kéo dài",
    "circuit-open": "điểm nhận đang tạm nghỉ vì không trả lời",
}
# By whom a substitute was chosen.
SUBSTITUTE_WHYS: Final[Mapping[str, str]] = {
    "named": "do người vắng tự chọn",
    "standing": "do Chủ tịch chỉ định",
    "role": "theo cấp trên",
}


def audience_name(pages: Pages, language: Language, audience: str) -> str:
    """Who an audience is, in words: `worker/05443`, `coordinator`, `sector/health`, `person/lan.worker`, `org/…`."""
    kind, _, of = audience.partition("/")
    if kind == "sector":
        return pages.texts.gettext(language, SECTOR_NAMES.get(of, of))
    if kind in {"person", "org"}:
        return of
    known = {role.value: name for role, name in SHARED_ROLES.items()}
    role = pages.texts.gettext(language, known[kind]) if kind in known else kind
    return f"{role}, {pages.unit_name(of, language)}" if of else role
