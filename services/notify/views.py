"""How codes are called on screen. All texts are msgids: Vietnamese, with English in `locale/en.po`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
