"""Any number of made-up children with the names, families and places of a province; the same seed makes the same ones.

Names follow each people of the province (Kinh, Tày, Nùng, Dao, Sán Dìu, Sán Chay, Mông) in family, middle and given
names; children come in families, which share household, hamlet and carers. `children` gives them one by one in constant
memory, `fill` writes them into the registry's tables, `slipped` writes one child as somebody misremembers it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, islice
from random import Random
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import _slips
from services.registry.domain.children import lead_of
from services.registry.domain.traits import blocking_keys, traits_of
from shared.contracts.vocabulary import ChildDescription, Sex
from shared.database import Database
from shared.messaging.outbox import stable_id
from shared.reference.text import fold
from shared.reference.units import Units

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
_TODAY = NOW.date()
_OLDEST = date(2010, 12, 1)
_BIRTH_DAYS = (_TODAY - _OLDEST).days
_BATCH = 20_000
_REGISTER, _SECTOR = "commune-roster", "dolisa"
_COLUMNS = {
    "child": (
        "id", "sequence", "unit", "birth_date", "birth_year", "name_folded", "carers_folded", "description",
        "circumstances", "confirmed_on", "registered_at", "changed_at", "state", "sources",
    ),
    "statement": (
        "record_id", "child_id", "register_kind", "sector", "as_of", "unit", "description", "circumstances",
        "dropped_out", "sequence", "received_at",
    ),
    "block": ("key", "child_id"),
    "circumstance": ("record_id", "code", "child_id", "since", "sector"),
}  # fmt: skip
# In 100,000: circumstance groups and flags about as frequent as the province counts them.
_CIRCUMSTANCES = {"01": 60, "02": 15, "03": 180, "04": 450, "05": 12, "09": 10, "11": 6, "13": 90, "poor": 4_000}
_STATES = ("collected", "checked", "verified", "verified", "verified", "due")


class Chosen:
    """Words drawn by their shares: "Nguyễn:38 Trần:11"; without a share each is somewhat rarer than the one before."""

    def __init__(self, shares: str) -> None:
        said = [part.partition(":") for part in shares.split()]
        self._words = [word.replace("_", " ") for word, _, _ in said]
        self._until = list(accumulate(float(share) if share else 8 / (at + 4) for at, (_, _, share) in enumerate(said)))

    def draw(self, random: Random) -> str:
        """One of them."""
        return random.choices(self._words, cum_weights=self._until)[0]


_GIVEN = {
    "male": Chosen(
        "Anh Huy Minh Nam Khôi Phong Khang Bảo Long Dũng Quân Tùng Sơn Hiếu Đạt Kiên Thắng Hải Hưng Trung Việt Nghĩa "
        "Phúc Tài Lâm Toàn Vinh Hùng Cường Thành Đức Tuấn Hoàng Quang Duy Thịnh An Bình Khánh Khoa Nguyên Tú Trường "
        "Thái Thiện Bách Hòa Quý Tiến Hậu Nhật Đăng Khải Phát Sang Giang Chiến Công Định Đông Hà Hiệp Hoan Kỳ Lộc Luân "
        "Mạnh Ninh Phi Quyền Tân Thuận Tín Toản Triều Trí Tuyên Tường Văn Vũ Vương Xuân Đại Đoàn Lực Lợi Nhân Ngọc"
    ),
    "female": Chosen(
        "Anh Linh Trang Chi Hà Hương Ngọc Thảo My Ngân Vy Hân Nhi Trâm Yến Mai Lan Hoa Dung Quỳnh Thùy Hiền Huyền Oanh "
        "Thơ Diệp Nga Hằng Thủy Thúy Phương Ánh Uyên Châu Như Giang Loan Nhung Tuyết Hạnh Vân Thư Trà Diễm Hậu Liên "
        "Bích Xuân Tâm Hoài An Bảo Cúc Đào Duyên Gấm Hiếu Hòa Hợp Huệ Khánh Khuê Kiều Lệ Liễu Ly Minh Mơ Nguyệt Nhàn "
        "Ninh Phúc Phượng Quyên Sen Thanh Thắm Thêu Thi Thoa Thu Thương Tiên Tình Trinh Tú Tươi Vui Ý Đan Hồng Nụ"
    ),
}
_MIDDLE = {
    "male": Chosen(
        "Văn:20 Đức:9 Minh:9 Quang:6 Anh:5 Gia:6 Tuấn:4 Hữu:4 Quốc:4 Xuân:3 Bảo:4 Thành:4 Công:3 Ngọc:4 Đình:3 "
        "Hoàng:4 Mạnh:3 Thanh:2 Trung:2 Duy:2 Việt:2 Nhật:2 Thế:2 Hải:2 Tiến:2 Trọng:1 Bá:1 Khánh:1 Tùng:1 Viết:1"
    ),
    "female": Chosen(
        "Thị:34 Ngọc:9 Thu:7 Bảo:5 Phương:5 Minh:4 Khánh:4 Hà:3 Thanh:4 Mai:3 Diệu:2 Kim:2 Thùy:3 Hồng:3 Quỳnh:2 "
        "Hoài:2 Lan:1 Như:1 Hải:1 Bích:1 Ánh:1 Yến:1 Tường:1 Tú:1 Cẩm:1 Huyền:1 Linh:1 Gia:1 An:1 Trúc:1"
    ),
}


@dataclass(frozen=True, slots=True)
class People:
    """One of the province's peoples: its code in the list of 121-TCTK, its share, and how it names its children."""

    name: str
    code: str
    share: float
    families: Chosen
    middles: dict[str, Chosen] = field(default_factory=lambda: _MIDDLE)
    givens: dict[str, Chosen] = field(default_factory=lambda: _GIVEN)


_PEOPLES = (
    People(
        "Kinh", "01", 58,
        Chosen("Nguyễn:38 Trần:11 Lê:9.5 Phạm:7 Hoàng:5.1 Phan:4.5 Vũ:3.9 Đặng:2.1 Bùi:2 Đỗ:1.4 Hồ:1.3 Ngô:1.3 Dương:1 "
               "Lý:0.5 Đinh:0.6 Đào:0.6 Hà:0.6 Lương:0.5 Trịnh:0.6 Tạ:0.5 Mai:0.5 Lưu:0.4 Chu:0.4 Cao:0.4 Phùng:0.4 "
               "Trương:0.5 Đoàn:0.5 Nghiêm:0.2 Đồng:0.2 Tống:0.2 Thân:0.2 Quách:0.1 Khổng:0.1 Kiều:0.1"),
    ),
    People(
        "Tày", "02", 19,
        Chosen("Hoàng:15 Nông:14 Nguyễn:12 Ma:11 Lý:7 Triệu:5 Hà:5 Lường:4 Dương:4 Đàm:4 Hứa:3 Lương:3 Bế:2 La:2 Vi:2 "
               "Chu:2 Quan:1 Phan:1 Cà:0.5 Lèng:0.5 Mạc:0.5 Tô:0.5 Ban:0.5"),
    ),
    People(
        "Nùng", "06", 8.5,
        Chosen("Nông:16 Hoàng:14 Lương:7 Lý:7 Triệu:6 Vi:6 Hứa:5 Lục:4 Chu:4 Mông:4 Phùng:3 Lâm:3 Lăng:2 Long:2 Đàm:2 "
               "Trần:3 Nguyễn:3 Linh:1 Sầm:1 Dương:3 Liễu:1 Tạ:1"),
    ),
    People("Dao", "09", 4.5, Chosen("Triệu:28 Bàn:18 Đặng:17 Lý:10 Phùng:7 Dương:6 Hoàng:5 Tẩn:3 Chảo:3 Phượng:1 Lò:1"),
           {"male": Chosen("Văn:10 Hữu:6 Tiến:6 Phúc:6 Tài:4 Quý:4 Kim:3 Đức:4 Sinh:2 Thanh:2 Nguyên:2 Vần:1"),
            "female": Chosen("Thị:24 Mùi:8 Thu:3 Ngọc:3 Phương:2 Kim:2 Hồng:2")}),
    People("Sán Dìu", "22", 4,
           Chosen("Trần:16 Lưu:14 Diệp:13 Lê:8 Trương:8 Tạ:7 Đàm:6 Từ:5 Đặng:5 Ninh:4 Dương:4 Chu:3 Lục:3 "
                  "Hoàng:3 Lâm:1")),
    People("Sán Chay", "18", 3.5,
           Chosen("Trần:22 Hoàng:16 Nịnh:12 Lý:10 Lâm:9 Hầu:8 Lê:6 Đàm:5 Vi:4 Tiêu:3 Lục:3 La:2")),
    People("Mông", "08", 2.5,
           Chosen("Giàng:13 Sùng:12 Hoàng:10 Lý:10 Dương:10 Vàng:8 Thào:7 Mã:5 Lầu:5 Hầu:5 Ngô:5 Đào:4 Vừ:3 "
                  "Cứ:1 Hạng:2"),
           {"male": Chosen("A:30 Văn:14 Seo:10 Mí:6 Bá:3 Chí:2"), "female": Chosen("Thị:40 Y:4 Thị_Ngọc:3 Mai:2")},
           {"male": Chosen("Páo Chúng Sử Dình Tủa Lử Sáng Thề Giống Sình Lềnh Dủa Pó Chơ Thành Tú Sơn Chinh Hùng Vảng"),
            "female": Chosen("Mỷ Dợ Súa Mai Chư Pà Sua Dính Xuân Dung Chá Máy Si Sâu Hoa Cu Xìa Linh Mào Vàng")}),
)  # fmt: skip
_SHARES = list(accumulate(people.share for people in _PEOPLES))
_HAMLET_NAMES = (
    "Làng Mới", "Trung Tâm", "Đồng Tâm", "Na Biểu", "Bản Tèn", "Khuổi Mèo", "Nà Lom", "Đồng Chùa", "Bãi Bông",
    "Cầu Mây", "Phú Thọ", "Tân Tiến", "Đồng Hỷ", "Làng Cam", "Nà Khoang", "Pác Nặm", "Cốc Lùng", "Bản Chang",
    "Đèo Khế", "Hợp Thành", "Quyết Thắng", "Soi Vàng",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Child:
    """A child as the registry knows it. `birth_year` is all that is known of some births (`birth_precision` then)."""

    id: str
    name: str
    sex: Sex
    birth_date: date
    birth_precision: str | None
    ethnicity: str
    ethnicity_code: str
    number: str | None
    mother: str | None
    father: str | None
    unit: str
    hamlet: str
    household: str
    school: str | None
    grade: str | None
    circumstances: tuple[str, ...]
    state: str

    @property
    def described(self) -> dict[str, Any]:
        """What is known of it, as it is stored."""
        carers = [
            {"name": name, "relation": relation}
            for name, relation in ((self.mother, "mẹ"), (self.father, "bố"))
            if name is not None
        ]
        said = {
            "name": self.name,
            "birth_date": self.birth_date.isoformat(),
            "birth_precision": self.birth_precision,
            "sex": self.sex,
            "ethnicity": self.ethnicity,
            "ethnicity_code": self.ethnicity_code,
            "ethnicity_list": "121-tctk",
            "number": self.number,
            "hamlet": self.hamlet,
            "household": self.household,
            "school": self.school,
            "grade": self.grade,
            "carers": carers,
        }
        return {key: value for key, value in said.items() if value is not None}

    @property
    def description(self) -> ChildDescription:
        """The same as services tell each other."""
        return ChildDescription.model_validate(self.described)


def children(count: int, seed: int = 1, units: Sequence[str] = ()) -> Iterator[Child]:
    """`count` children, in constant memory.

    Args:
        units: the communes they live in; without: the province's of today, wards three times as full as communes.
    """
    return islice(_families(Random(seed), units or Units.load().codes()), count)


def _families(random: Random, units: Sequence[str]) -> Iterator[Child]:
    kinds = Units.load().names()
    wards = {code for code in units if kinds.get(code, "").startswith("Phường")}
    until = list(accumulate(3 if code in wards else 1 for code in units))
    while True:
        unit = random.choices(units, cum_weights=until)[0]
        yield from _family(random, unit, ward=unit in wards)


def _family(random: Random, unit: str, *, ward: bool) -> Iterator[Child]:
    """The children of one household, the eldest first."""
    hit = random.random
    people = random.choices(_PEOPLES, cum_weights=_SHARES)[0]
    family = people.families.draw(random)
    hers = people if hit() < 0.85 else random.choices(_PEOPLES, cum_weights=_SHARES)[0]
    mother = full_name(random, hers, "female", hers.families.draw(random)) if hit() < 0.95 else None
    father = full_name(random, people, "male", family) if hit() < 0.88 else None
    hamlet = f"Tổ {random.randint(1, 24)}" if ward else f"Xóm {random.choice(_HAMLET_NAMES)}"
    household = f"{unit}-{random.randrange(10**6):06d}"
    day = random.randrange(_BIRTH_DAYS)
    for _ in range(random.choices((1, 2, 3), (52, 38, 10))[0]):
        if day >= _BIRTH_DAYS:
            return
        born = _OLDEST + timedelta(days=day)
        sex: Sex = "male" if hit() < 0.528 else "female"
        age = _TODAY.year - born.year
        vague = hit() < 0.01
        yield Child(
            id=str(UUID(int=random.getrandbits(128), version=4)),
            name=full_name(random, people, sex, family),
            sex=sex,
            birth_date=born.replace(month=1, day=1) if vague else born,
            birth_precision="year" if vague else None,
            ethnicity=people.name,
            ethnicity_code=people.code,
            number=_number(random, sex, born) if hit() < 0.85 else None,
            mother=mother,
            father=father,
            unit=unit,
            hamlet=hamlet,
            household=household,
            school=_school(random, unit, age),
            grade=f"{age - 5}{random.choice('ABC')}" if age >= 6 else None,
            circumstances=_circumstances(random),
            state=random.choice(_STATES),
        )
        # Twins in one birth of a hundred; else the next child comes after a year or more.
        day += 0 if hit() < 0.01 else random.randint(360, 2_000)


def full_name(random: Random, people: People, sex: Sex, family: str) -> str:
    """A name as that people gives it: a family name, one middle name or two, a given name."""
    key = "female" if sex == "female" else "male"
    middles = [people.middles[key].draw(random)]
    if random.random() < 0.28:
        middles.append(people.middles[key].draw(random))
    given = people.givens[key].draw(random)
    return " ".join([family, *(word for word in dict.fromkeys(middles) if word != given), given])


def _number(random: Random, sex: Sex, born: date) -> str:
    province = "019" if random.random() < 0.68 else "006"
    return f"{province}{'2' if sex == 'male' else '3'}{born.year % 100:02d}{random.randrange(10**6):06d}"


def _school(random: Random, unit: str, age: int) -> str | None:
    kind = "Mầm non" if 3 <= age < 6 else "Tiểu học" if 6 <= age < 11 else "THCS" if age >= 11 else None
    if kind is None or random.random() < 0.05:
        return None
    return f"{kind} {Units.load().name(unit).split(' ', 1)[1]}{random.choice(('', ' 1', ' 2'))}"


def _circumstances(random: Random) -> tuple[str, ...]:
    return tuple(code for code, share in _CIRCUMSTANCES.items() if random.random() * 100_000 < share)


def rows_of(child: Child) -> dict[str, list[tuple[Any, ...]]]:
    """The rows that a registration of the child leaves in the registry's tables, in the order of `_COLUMNS`."""
    known, child_id, record_id = child.described, UUID(child.id), UUID(stable_id("bench", child.id))
    traits = traits_of(ChildDescription.model_validate(known), child.unit, _TODAY)
    born = None if child.birth_precision else child.birth_date
    carers = [fold(name) for name in (child.mother, child.father) if name is not None]
    said = orjson.dumps(known).decode()
    groups = list(child.circumstances)
    source = {"record_id": str(record_id), "register_kind": _REGISTER, "sector": _SECTOR, "as_of": _TODAY.isoformat()}
    fields = dict.fromkeys(sorted({lead_of(name) for name in known} | {"unit"}))
    return {
        "child": [(
            child_id, 1 + len(groups), child.unit, born, child.birth_date.year, fold(child.name), " | ".join(carers),
            said, groups, _TODAY, NOW, NOW, child.state, orjson.dumps([{**source, "fields": fields}]).decode(),
        )],
        "statement": [(
            record_id, child_id, _REGISTER, _SECTOR, _TODAY, child.unit, said, groups, False, 1, NOW,
        )],
        "block": [(key, child_id) for key in blocking_keys(traits)],
        "circumstance": [(record_id, code, child_id, _TODAY, _SECTOR) for code in groups],
    }  # fmt: skip


async def fill(database: Database, count: int, seed: int = 1) -> None:
    """Write `count` children into a registry's fresh database, as if each had been registered from a roster: with what
    was said of it and the keys it is filed under. Indexes and constraints are made again at the end."""
    made = children(count, seed)
    async with database.transaction() as connection:
        again = await _without_indexes(connection)
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        while some := [rows_of(child) for child in islice(made, _BATCH)]:
            for table, columns in _COLUMNS.items():
                rows = [row for rows in some for row in rows[table]]
                await driver.copy_records_to_table(table, records=rows, columns=columns)
        await connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        for statement in again:
            # The colon of a cast is no parameter of ours.
            await connection.execute(text(statement.replace(":", r"\:")))
        # Whoever registers a child works out at once what its record breaks.
        await connection.execute(text("TRUNCATE unsettled"))
    async with database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text(f"VACUUM (ANALYZE, PARALLEL 0) {', '.join(_COLUMNS)}"))


async def _without_indexes(connection: AsyncConnection) -> list[str]:
    """Drop the tables' indexes and constraints but the key of `child`. Out: the statements that make them again."""
    tables = {"tables": list(_COLUMNS)}
    constraints = await connection.execute(
        text(
            """SELECT conrelid::regclass AS of, conname AS name, pg_get_constraintdef(oid) AS said FROM pg_constraint
               WHERE conrelid = ANY(CAST(CAST(:tables AS text[]) AS regclass[]))
                     AND (contype = 'f' OR (contype = 'p' AND conrelid <> CAST('child' AS regclass)))
               ORDER BY contype = 'f'"""  # a foreign key goes back last
        ),
        tables,
    )
    again = []
    for row in constraints.all():
        await connection.execute(text(f"ALTER TABLE {row.of} DROP CONSTRAINT {row.name}"))
        again.append(f"ALTER TABLE {row.of} ADD CONSTRAINT {row.name} {row.said}")
    indexes = await connection.execute(
        text(
            """SELECT indexname AS name, indexdef AS said FROM pg_indexes
               WHERE tablename = ANY(CAST(:tables AS text[])) AND indexname <> 'child_pkey'"""
        ),
        tables,
    )
    made = []
    for row in indexes.all():
        await connection.execute(text(f"DROP INDEX {row.name}"))
        made.append(row.said)
    return [*made, *again]


@dataclass(frozen=True, slots=True)
class Slipped:
    """A child as somebody misremembers or mistypes it; `kind` says what went wrong."""

    kind: str
    name: str
    birth_date: date


# Of a name, and of a date.
SLIPS = (*_slips.OF_A_NAME, "day and month swapped")


def slipped(random: Random, child: Child, kind: str) -> Slipped | None:
    """The child with one slip of `SLIPS`; None where that slip would change nothing."""
    if kind == "day and month swapped":
        turned = _slips.day_for_month(child.birth_date)
        return None if turned is None else Slipped(kind, child.name, turned)
    name = _slips.OF_A_NAME[kind](random, child.name)
    same = unicodedata.normalize("NFC", name) == child.name
    return None if same else Slipped(kind, name, child.birth_date)
