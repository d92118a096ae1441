"""Vietnamese names about as frequent as they are, for made-up people only."""

from __future__ import annotations

from random import Random

from shared.contracts.vocabulary import Sex

# Shares in thousands: Kinh family names of the north, and those frequent among Tày, Nùng, Dao, Sán Dìu and Hmông.
_FAMILY = {
    "Nguyễn": 280, "Trần": 75, "Hoàng": 70, "Lê": 55, "Phạm": 50, "Nông": 48, "Ma": 42, "Lý": 40, "Dương": 38, "Vũ": 34,
    "Triệu": 32, "Hà": 28, "Bùi": 26, "Đặng": 25, "Đỗ": 24, "Lương": 22, "Ngô": 20, "Lường": 16, "Bàn": 15, "Phùng": 14,
    "Trương": 13, "Đinh": 12, "Chu": 11, "Lưu": 10, "Vi": 9, "Đàm": 9, "Giàng": 8, "Sùng": 7, "Hứa": 7, "Mông": 6,
}  # fmt: skip
_MIDDLE: dict[Sex, tuple[str, ...]] = {
    "male": ("Văn", "Văn", "Đức", "Minh", "Quang", "Anh", "Gia", "Tuấn", "Hữu", "Quốc", "Xuân", "Bảo", "Thành"),
    "female": ("Thị", "Thị", "Thị", "Ngọc", "Thu", "Bảo", "Phương", "Minh", "Khánh", "Hà", "Thanh", "Mai", "Diệu"),
}
_GIVEN: dict[Sex, tuple[str, ...]] = {
    "male": ("Anh", "Huy", "Nam", "Khôi", "Phong", "Khang", "Bảo", "Long", "Dũng", "Quân", "Tùng", "Sơn", "Hiếu", "Đạt",
             "Kiên", "Thắng", "Hải", "Hưng", "Trung", "Việt", "Nghĩa", "Phúc", "Tài", "Lâm", "Toàn", "Vinh"),
    "female": ("Anh", "Linh", "Trang", "Chi", "Hà", "Hương", "Ngọc", "Thảo", "My", "Ngân", "Vy", "Hân", "Nhi", "Trâm",
               "Yến", "Mai", "Lan", "Hoa", "Dung", "Quỳnh", "Thùy", "Hiền", "Huyền", "Oanh", "Thơ", "Diệp"),
}  # fmt: skip


def full_name(random: Random, sex: Sex, family: str | None = None) -> str:
    """A name for a person of that sex; children take their father's family name."""
    key: Sex = "female" if sex == "female" else "male"
    return f"{family or family_name(random)} {random.choice(_MIDDLE[key])} {random.choice(_GIVEN[key])}"


def family_name(random: Random) -> str:
    """A family name."""
    return random.choices(list(_FAMILY), list(_FAMILY.values()))[0]
