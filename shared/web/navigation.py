"""The way through the four services: who sees which entry, and where each role's day begins.

It must never be taken for an access check: pages ask `require` and `may_see` themselves.
"""

from dataclasses import dataclass

from shared.identity import Principal, Role


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the main navigation. `label` is a msgid."""

    path: str
    label: str
    roles: frozenset[Role]


NAVIGATION: tuple[Entry, ...] = (
    Entry("/cases", "Vụ việc", frozenset({Role.WORKER, Role.CHAIR, Role.HOTLINE, Role.SECTOR, Role.COORDINATOR})),
    Entry("/registry", "Trẻ em", frozenset({Role.WORKER, Role.CHAIR, Role.COORDINATOR})),
    Entry(
        "/stats",
        "Số liệu",
        frozenset({Role.WORKER, Role.CHAIR, Role.SECTOR, Role.COORDINATOR, Role.STATISTICIAN, Role.OPERATOR}),
    ),
    Entry(
        "/notify",
        "Thông báo",
        frozenset({Role.WORKER, Role.CHAIR, Role.HOTLINE, Role.SECTOR, Role.COORDINATOR, Role.PARTNER, Role.OPERATOR}),
    ),
    Entry("/ops", "Vận hành", frozenset({Role.OPERATOR})),
)

HOME: dict[Role, str] = {
    Role.STATISTICIAN: "/stats/province",
    Role.COORDINATOR: "/stats",
    Role.PARTNER: "/notify",
    Role.OPERATOR: "/ops",
}

# msgids: what a role is called on screen.
ROLE_NAMES: dict[Role, str] = {
    Role.WORKER: "Cán bộ bảo vệ trẻ em cấp xã",
    Role.CHAIR: "Chủ tịch UBND xã, phường",
    Role.HOTLINE: "Nhân viên tổng đài",
    Role.SECTOR: "Cán bộ ngành",
    Role.COORDINATOR: "Điều phối viên cấp tỉnh",
    Role.STATISTICIAN: "Cán bộ thống kê",
    Role.PARTNER: "Tổ chức đối tác",
    Role.OPERATOR: "Quản trị hệ thống",
    Role.AGENCY: "Hệ thống của cơ quan",
}

# msgids: what a role does here, for whoever chooses one to try.
ROLE_TASKS: dict[Role, str] = {
    Role.WORKER: "Tiếp nhận, đánh giá nguy cơ, lập kế hoạch và theo sát từng trẻ của địa bàn.",
    Role.CHAIR: "Quyết định biện pháp khẩn cấp, phê duyệt kế hoạch, thấy ngay việc sắp quá hạn.",
    Role.HOTLINE: "Ghi lại cuộc gọi và chuyển đến đúng xã, phường trong vài phút.",
    Role.SECTOR: "Báo tin, nhận và trả lời các việc được giao cho ngành mình.",
    Role.COORDINATOR: "Nhìn toàn tỉnh: nơi nào chậm, vụ việc nào chưa có người nhận.",
    Role.STATISTICIAN: "Xem chỉ tiêu trực tiếp, lập và xuất báo cáo; không thấy danh tính.",
    Role.PARTNER: "Nhận thông tin đã được phép qua webhook và xem tin đã đến hay chưa.",
    Role.OPERATOR: "Theo dõi luồng sự kiện, xử lý tin lỗi; không thấy hồ sơ của trẻ.",
    Role.AGENCY: "Gửi sự kiện của cơ quan vào hệ thống.",
}

# How the roles stand together on the page where one is chosen: a msgid, and its roles.
ROLE_GROUPS: tuple[tuple[str, tuple[Role, ...]], ...] = (
    ("Tại xã, phường", (Role.WORKER, Role.CHAIR)),
    ("Tổng đài và các ngành", (Role.HOTLINE, Role.SECTOR)),
    ("Toàn tỉnh", (Role.COORDINATOR, Role.STATISTICIAN)),
    ("Đối tác và vận hành", (Role.PARTNER, Role.OPERATOR)),
)

# msgids: what a service is called on screen.
SERVICE_NAMES: dict[str, str] = {
    "registry": "Hồ sơ trẻ em",
    "cases": "Vụ việc",
    "stats": "Số liệu",
    "notify": "Thông báo",
}

SECTOR_NAMES: dict[str, str] = {
    "hotline": "Tổng đài",
    "health": "Y tế",
    "education": "Giáo dục",
    "police": "Công an",
    "dolisa": "Lao động – Thương binh và Xã hội",
    "justice": "Tư pháp",
    "unions": "Đoàn thể",
}


def entries_for(principal: Principal | None) -> list[Entry]:
    """Out: the entries that the principal's role uses; none for a visitor."""
    return [] if principal is None else [entry for entry in NAVIGATION if principal.role in entry.roles]


def home_of(principal: Principal) -> str:
    """Out: where the principal's day begins."""
    return HOME.get(principal.role, "/cases")
