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
