"""The children of the made-up province, and what befalls them. The same seed makes the same province."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from local.simulation.names import family_name, full_name
from shared.contracts.vocabulary import Channel, Sector, Sex, age_on
from shared.reference.units import Units

KINDS: dict[str, int] = {
    "violence": 26, "neglect": 22, "sexual-abuse": 12, "exploitation": 10, "abandonment": 8, "trafficking": 4,
    "other": 18,
}  # fmt: skip
# Circumstance groups with their share among 1,000 children (Law on Children, Art. 10).
CIRCUMSTANCES = {"01": 4, "02": 2, "03": 12, "04": 2, "08": 3, "09": 2, "10": 60, "13": 2}
CAUSES = {"Ngã": 33, "Tai nạn giao thông": 24, "Bỏng": 14, "Đuối nước": 9, "Ngộ độc": 8, "Bạo lực gia đình": 3,
          "Bạo lực học đường": 3, "Tai nạn lao động": 2, "Khác": 4}  # fmt: skip
RESULTS = {"Khỏi": 62, "Nặng": 33, "Tử vong": 5}
REPORTERS: dict[tuple[Sector, Channel], int] = {
    ("hotline", "hotline-111"): 42, ("hotline", "line-18008080"): 18, ("education", "school"): 14,
    ("health", "hospital"): 12, ("police", "police"): 7, ("unions", "in-person"): 5, ("justice", "letter"): 2,
}  # fmt: skip
_STORIES = (
    "Hàng xóm nghe tiếng trẻ khóc và thấy vết bầm trên tay trẻ.",
    "Cô giáo thấy trẻ nghỉ học nhiều ngày, đến lớp thì mệt mỏi và sợ hãi.",
    "Trẻ kể với bạn rằng không dám về nhà buổi tối.",
    "Trẻ ở nhà một mình nhiều ngày, không có người chăm sóc.",
    "Trẻ phải đi làm thuê ở xưởng gỗ thay vì đến trường.",
    "Người gọi lo trẻ bị nhắn tin đe dọa trên mạng.",
)


@dataclass(frozen=True, slots=True)
class Child:
    """One made-up child."""

    number: int
    name: str
    birth: date
    sex: Sex
    unit: str
    hamlet: str
    mother: str
    father: str
    school: str | None
    circumstances: tuple[str, ...]
    dropped_out: bool


@dataclass(frozen=True, slots=True)
class Concern:
    """One made-up report that somebody fears for a child."""

    number: int
    child: Child
    sector: Sector
    channel: Channel
    received_at: datetime
    kind: str
    danger: bool
    reporter: str
    story: str


@dataclass(frozen=True, slots=True)
class Injury:
    """One made-up injury, as a hospital records it."""

    number: int
    child: Child
    occurred_on: date
    cause: str
    result: str


class World:
    """A province with `size` children on the day of `now` (aware UTC)."""

    def __init__(self, size: int, seed: int, now: datetime) -> None:
        self.now = now
        self._random = Random(seed)  # noqa: S311 - a simulation, no secret
        self._units = Units.load().codes()
        # Communes differ in size, as they do.
        self._weights = [self._random.lognormvariate(0, 0.45) for _ in self._units]
        self.children: Sequence[Child] = [self._child(number) for number in range(1, size + 1)]

    def concern(self, number: int, received_at: datetime, child: Child | None = None) -> Concern:
        """Somebody reports something at that moment, of any child or of this one."""
        random = self._random
        sector, channel = random.choices(list(REPORTERS), list(REPORTERS.values()))[0]
        kind = random.choices(list(KINDS), list(KINDS.values()))[0]
        danger = random.random() < (0.45 if kind in {"sexual-abuse", "trafficking", "violence"} else 0.12)
        child = child or self._born_by(received_at.date())
        reporter = full_name(random, random.choice(("male", "female")))
        return Concern(number, child, sector, channel, received_at, kind, danger, reporter, random.choice(_STORIES))

    def injury(self, number: int, occurred_on: date) -> Injury:
        """A child is hurt on that day."""
        cause = self._random.choices(list(CAUSES), list(CAUSES.values()))[0]
        result = self._random.choices(list(RESULTS), list(RESULTS.values()))[0]
        return Injury(number, self._born_by(occurred_on), occurred_on, cause, result)

    def _born_by(self, day: date) -> Child:
        """Any child there is on that day; in a small world of infants, the oldest."""
        for _ in range(100):
            child = self._random.choice(self.children)
            if child.birth <= day:
                return child
        return min(self.children, key=lambda one: one.birth)

    def _child(self, number: int) -> Child:
        random = self._random
        sex: Sex = "male" if random.random() < 0.525 else "female"
        family = family_name(random)
        birth = (self.now - timedelta(days=random.randrange(20, int(15.9 * 365)))).date()
        age = age_on(birth, self.now.date())
        unit = random.choices(self._units, self._weights)[0]
        school = None
        if 6 <= age <= 15 and random.random() < 0.95:
            level = "Tiểu học" if age <= 10 else "THCS"
            school = f"Trường {level} {Units.load().name(unit).split(' ', 1)[1]}"
        return Child(
            number=number,
            name=full_name(random, sex, family),
            birth=birth,
            sex=sex,
            unit=unit,
            hamlet=f"Xóm {random.randint(1, 18)}",
            mother=full_name(random, "female"),
            father=full_name(random, "male", family),
            school=school,
            circumstances=tuple(code for code, share in CIRCUMSTANCES.items() if random.random() * 1000 < share),
            dropped_out=school is not None and random.random() < 0.012,
        )
