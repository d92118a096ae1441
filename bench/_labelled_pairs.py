"""Two lists of made-up children, and which are the same child: what the matcher is measured on besides the samples.

Everything that registers do to each other is in it: another clerk's keyboard (Telex and VNI keys left behind, tones
forgotten or mistaken), another order, nicknames, dates swapped or known by the year only, carers missing, families that
moved; and who only looks alike: twins, siblings, cousins, namesakes. `alike` leaves out what the samples' lists do not
have and slips about as often as they do. The same seed makes the same lists.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

from bench import _slips as slips

COLUMNS = ("id", "name", "birth_date", "sex", "ethnicity", "number", "mother", "father", "unit", "hamlet")
_FIRST_BIRTH = date(2011, 1, 1)
_BIRTH_DAYS = 5_600
_UNITS = 92
_HAMLETS = ("Xóm Làng Mới", "Xóm Trung Tâm", "Xóm Đồng Tâm", "Bản Tèn", "Xóm Na Biểu", "Tổ 1", "Tổ 2", "Tổ 3", "Tổ 12")
_ETHNICITIES = {"Kinh": 70, "Tày": 14, "Nùng": 7, "Dao": 4, "Sán Dìu": 3, "Mông": 2}
# Shares in thousands, as telephone books and examination lists of the north have them; about a fifth is left to others.
_FAMILY = {
    "Nguyễn": 300, "Trần": 80, "Lê": 70, "Hoàng": 65, "Phạm": 55, "Vũ": 35, "Nông": 35, "Dương": 33, "Lý": 30, "Ma": 28,
    "Bùi": 27, "Đặng": 26, "Đỗ": 25, "Hà": 22, "Triệu": 22, "Lương": 20, "Ngô": 18, "Đinh": 12, "Phan": 12,
    "Trương": 10, "Phùng": 10, "Chu": 9, "Lưu": 8, "Tạ": 7, "Đào": 7, "Hứa": 6, "Giàng": 5, "Sùng": 4,
    "Bàn": 4, "Vi": 4,
}  # fmt: skip
_MIDDLE = {
    "male": (
        "Văn Đức Minh Quang Anh Gia Tuấn Hữu Quốc Xuân Bảo Thành Công Ngọc Đình Hoàng Mạnh Thanh Trung Duy Việt Nhật "
        "Thế Hải Tiến"
    ),
    "female": (
        "Thị Ngọc Thu Bảo Phương Minh Khánh Hà Thanh Mai Diệu Kim Thùy Hồng Quỳnh Hoài Lan Như Hải Bích Ánh Yến Tường "
        "Tú Cẩm"
    ),
}
_GIVEN = {
    "male": (
        "Anh Huy Minh Nam Khôi Phong Khang Bảo Long Dũng Quân Tùng Sơn Hiếu Đạt Kiên Thắng Hải Hưng Trung Việt Nghĩa "
        "Phúc Tài Lâm Toàn Vinh Hùng Cường Thành Đức Tuấn Hoàng Quang Duy Thịnh An Bình Khánh Khoa Nguyên Tú Trường "
        "Thái Thiện Bách Hòa Quý Tiến Hậu"
    ),
    "female": (
        "Anh Linh Trang Chi Hà Hương Ngọc Thảo My Ngân Vy Hân Nhi Trâm Yến Mai Lan Hoa Dung Quỳnh Thùy Hiền Huyền Oanh "
        "Thơ Diệp Nga Hằng Thủy Thúy Phương Ánh Uyên Châu Như Giang Loan Nhung Tuyết Hạnh Vân Thư Trà Diễm Hậu Liên "
        "Bích Xuân Tâm Hoài"
    ),
}
_NICKNAMES = ["Bin", "Bon", "Na", "Tèo", "Tí", "Cún", "Nhím", "Sóc", "Bống", "Bi", "Bún", "Mít", "Ken", "Gấu", "Thỏ"]


@dataclass(frozen=True, slots=True)
class Child:
    """A child as one list writes it; every field is text, as in a file."""

    id: str
    name: str
    birth_date: str
    sex: str
    ethnicity: str
    number: str
    mother: str
    father: str
    unit: str
    hamlet: str


@dataclass(slots=True)
class Lists:
    """Two lists, and for each child of `b` that is in `a` which one."""

    a: list[Child] = field(default_factory=list)
    b: list[Child] = field(default_factory=list)
    truth: set[tuple[str, str]] = field(default_factory=set)
    # What kind of look-alike a child of `b` is, where it is one.
    kinds: dict[str, str] = field(default_factory=dict)


def make(children: int, seed: int = 1, units: Sequence[str] = (), *, alike: bool = False) -> Lists:
    """Lists with `children` in `a` and about half as many in `b`, of which two thirds are in `a`.

    In: `units`: the communes they live in; without: numbers like those of the province. `alike`: as the samples are.
    """
    kinds, again = (_LIKE_SAMPLES, _as_in_samples) if alike else (_LOOKALIKES, rewritten)
    random = Random(seed)
    places = units or [f"{1_800 + 37 * at:05d}" for at in range(_UNITS)]
    lists = Lists()
    for number in range(children):
        lists.a.append(born(random, f"a{number}", number, places))
    chosen = random.sample(lists.a, children // 3)
    b: list[tuple[Child, str | None, str]] = [(again(random, child, places), child.id, "same") for child in chosen]
    for kind, make_one in kinds.items():
        for child in random.sample(lists.a, max(1, children // (27 if alike else 40))):
            b.append((again(random, make_one(random, child), places), None, kind))
    b += [(born(random, "", children + at, places), None, "new") for at in range(children // 20)]
    random.shuffle(b)
    for at, (child, same, kind) in enumerate(b):
        lists.b.append(replace(child, id=f"b{at}"))
        lists.kinds[f"b{at}"] = kind
        if same is not None:
            lists.truth.add((same, f"b{at}"))
    return lists


def write(path: Path, children: Iterable[Child]) -> None:
    """A list as the samples write theirs."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(child, column) for column in COLUMNS] for child in children)


def _zipf(random: Random, words: str) -> str:
    listed = words.split()
    return random.choices(listed, [1 / (place + 3) for place in range(len(listed))])[0]


def _full_name(random: Random, sex: str, family: str) -> str:
    middles = [_zipf(random, _MIDDLE[sex])]
    if random.random() < 0.25:
        middles.append(_zipf(random, _MIDDLE[sex]))
    return " ".join([family, *dict.fromkeys(middles), _zipf(random, _GIVEN[sex])])


def _family(random: Random) -> str:
    return random.choices(list(_FAMILY), list(_FAMILY.values()))[0]


def born(random: Random, child_id: str, number: int, places: Sequence[str]) -> Child:
    """A child as its first register has it; `number` is the order in which it was registered."""
    sex = random.choice(("male", "female"))
    born = _FIRST_BIRTH + timedelta(days=random.randrange(_BIRTH_DAYS))
    family = _family(random)
    return Child(
        id=child_id,
        name=_full_name(random, sex, family),
        birth_date=born.isoformat(),
        sex="Nam" if sex == "male" else "Nữ",
        ethnicity=random.choices(list(_ETHNICITIES), list(_ETHNICITIES.values()))[0],
        number=_number(random, sex, born, number) if random.random() < 0.7 else "",
        mother=_full_name(random, "female", _family(random)) if random.random() < 0.93 else "",
        father=_full_name(random, "male", family) if random.random() < 0.85 else "",
        unit=random.choice(places),
        hamlet=random.choice(_HAMLETS),
    )


def _number(random: Random, sex: str, born: date, at: int) -> str:
    # Children registered one after the other have neighbouring numbers.
    century = "2" if sex == "male" else "3"
    return f"019{century}{born.year % 100:02d}{(at * 7 + random.randrange(7)) % 1_000_000:06d}"


def _twin(random: Random, child: Child) -> Child:
    sex = "male" if child.sex == "Nam" else "female"
    *rest, given = child.name.split()
    other = random.choice([name for name in _GIVEN[sex].split() if name != given])
    return replace(child, name=" ".join([*rest, other]), number=_sibling_number(random, child))


def _sibling(random: Random, child: Child) -> Child:
    born = date.fromisoformat(child.birth_date) + timedelta(days=random.choice((-1, 1)) * random.randint(330, 2000))
    twin = _twin(random, child)
    return replace(twin, birth_date=born.isoformat())


def _sibling_number(random: Random, child: Child) -> str:
    if not child.number:
        return ""
    return child.number[:-1] + str((int(child.number[-1]) + random.randint(1, 9)) % 10)


def _namesake(random: Random, child: Child) -> Child:
    """Another child of the same name and year, of other parents."""
    born = date(int(child.birth_date[:4]), 1, 1) + timedelta(days=random.randrange(365))
    return _of_others(random, replace(child, birth_date=born.isoformat()))


def _namesake_of_the_day(random: Random, child: Child) -> Child:
    """Another child of the same name, born on the same day, of other parents."""
    return _of_others(random, child)


def _of_others(random: Random, child: Child) -> Child:
    return replace(
        child,
        number="",
        mother=_full_name(random, "female", _family(random)),
        father=_full_name(random, "male", child.name.split()[0]),
        hamlet=random.choice(_HAMLETS),
        unit=child.unit if random.random() < 0.5 else f"{random.randrange(2000, 6000):05d}",
    )


def _cousin(random: Random, child: Child) -> Child:
    """Of the same family and hamlet, with a name that differs in the middle, born within the year."""
    family, *_, given = child.name.split()
    sex = "male" if child.sex == "Nam" else "female"
    middle = random.choice([word for word in _MIDDLE[sex].split() if word not in child.name.split()])
    return replace(_namesake(random, child), name=f"{family} {middle} {given}", unit=child.unit, hamlet=child.hamlet)


_LOOKALIKES: dict[str, Callable[[Random, Child], Child]] = {
    "twin": _twin,
    "sibling": _sibling,
    "namesake": _namesake,
    "namesake-of-the-day": _namesake_of_the_day,
    "cousin": _cousin,
}


def rewritten(random: Random, child: Child, places: Sequence[str]) -> Child:
    """The same child by another clerk, who knows less and slips now and then."""
    hit = random.random
    unit = random.choice(places) if hit() < 0.05 else "" if hit() < 0.02 else child.unit
    return replace(
        child,
        name=_name_of_another_clerk(random, child.name),
        birth_date=_date_of_another_clerk(random, date.fromisoformat(child.birth_date)),
        sex="" if hit() < 0.02 else child.sex,
        ethnicity="" if hit() < 0.1 else child.ethnicity,
        number=child.number if hit() < 0.4 else "",
        mother="" if hit() < 0.15 else _name_of_another_clerk(random, child.mother),
        father="" if hit() < 0.25 else _name_of_another_clerk(random, child.father),
        unit=unit,
        hamlet="" if hit() < 0.05 else random.choice(_HAMLETS) if unit != child.unit or hit() < 0.08 else child.hamlet,
    )


def _as_in_samples(random: Random, child: Child, places: Sequence[str]) -> Child:
    """The same child as the samples' second list has it: shares and kinds of slips as counted in its true pairs."""
    hit, number = random.random, child.number
    if number and hit() < 0.33:
        number = ""
    elif number and hit() < 0.015:
        number = number[:-1] + str((int(number[-1]) + 1) % 10)
    return replace(
        child,
        name=random.choice(_SAMPLE_SLIPS)(random, child.name) if hit() < 0.75 else child.name,
        birth_date=_date_as_in_samples(random, date.fromisoformat(child.birth_date)),
        number=number,
        mother=random.choice(_SAMPLE_SLIPS)(random, child.mother) if child.mother and hit() < 0.3 else child.mother,
        unit=random.choice(places) if hit() < 0.105 else child.unit,
    )


def _date_as_in_samples(random: Random, born: date) -> str:
    """One of eight births is a day, ten days or a year off, or has the day and the month in each other's place."""
    at = random.random()
    if at < 0.035 and born.day <= 12:
        return born.replace(day=born.month, month=born.day).isoformat()
    if at < 0.07:
        return (born + timedelta(days=random.choice((-1, 1)))).isoformat()
    if at < 0.105 and (born.month, born.day) != (2, 29):
        return born.replace(year=born.year + random.choice((-1, 1))).isoformat()
    return (born + timedelta(days=random.choice((-10, 10)))).isoformat() if at < 0.125 else born.isoformat()


def _name_of_another_clerk(random: Random, name: str) -> str:
    if not name:
        return name
    how = random.choices([slip for slip, _ in _SLIPS], [share for _, share in _SLIPS])[0]
    return how(random, name)


def _date_of_another_clerk(random: Random, born: date) -> str:
    at = random.random()
    if at < 0.80:
        return born.isoformat()
    if at < 0.84 and born.day <= 12:
        return born.replace(day=born.month, month=born.day).isoformat()
    if at < 0.87:
        year = born.year + random.choice((-1, 1))
        return (born.replace(year=year) if (born.month, born.day) != (2, 29) else born).isoformat()
    if at < 0.90:
        return (born + timedelta(days=random.choice((-1, 1)))).isoformat()
    if at < 0.92:
        return (born + timedelta(days=random.choice((-10, 10)))).isoformat()
    if at < 0.95:
        return f"{born.year}-01-01"
    if at < 0.97:
        return str(born.year)
    return "" if at < 0.98 else born.isoformat()


def _with_nickname(random: Random, name: str) -> str:
    nickname = random.choice(_NICKNAMES)
    return random.choice((f"{name} ({nickname})", f"Bé {name}", f"{name} - {nickname}"))


# How another clerk writes a name, in thousands.
_SLIPS: Sequence[tuple[Callable[[Random, str], str], int]] = (
    (lambda _, name: name, 500),
    (lambda _, name: name.upper(), 60),
    (lambda _, name: name.lower(), 30),
    (lambda _, name: name.replace(" ", "  ") + " ", 40),
    (lambda _, name: unicodedata.normalize("NFD", name), 20),
    (lambda _, name: slips.bare(name), 90),
    (slips.y_for_i, 20),
    (slips.telex, 25),
    (slips.vni, 15),
    (slips.telex_key_left, 30),
    (slips.letter_twice, 40),
    (slips.two_swapped, 20),
    (slips.without_middle, 45),
    (slips.tone_mistaken, 20),
    (slips.one_bare, 20),
    (slips.given_first, 10),
    (_with_nickname, 15),
)
_SAMPLE_SLIPS: Sequence[Callable[[Random, str], str]] = (
    lambda _, name: name.upper(),
    lambda _, name: name.lower(),
    lambda _, name: name.replace(" ", "  ", 1) + " ",
    lambda _, name: unicodedata.normalize("NFD", name),
    lambda _, name: slips.bare(name),
    lambda random, name: " ".join([*name.split()[:-1], slips.bare(name.split()[-1])]) + random.choice("sfrxj"),
    slips.letter_twice,
    slips.y_for_i,
    slips.without_middle,
)
_LIKE_SAMPLES = {"twin": _twin, "sibling": _sibling, "namesake": _namesake}
