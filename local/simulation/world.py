"""The children of the made-up province, and what befalls them. The same seed makes the same province."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import NamedTuple

from local.simulation.names import family_name, full_name
from shared.contracts.vocabulary import Channel, Request, Sector, Sex, age_on
from shared.reference.units import Units

# Of every group of the list: abuse, injury, difficulty, development.
KINDS: dict[str, int] = {
    "violence": 16, "neglect": 14, "domestic-violence": 10, "sexual-abuse": 8, "school-violence": 7, "exploitation": 4,
    "child-labour": 5, "online-abuse": 4, "abandonment": 5, "trafficking": 2, "injury": 4, "drowning": 3,
    "orphaned": 4, "covid-affected": 2, "special-circumstances": 3, "difficult-circumstances": 4, "mental-health": 4,
    "early-childhood": 2, "other": 5,
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
# In which danger is often now.
_GRAVE = {"sexual-abuse", "trafficking", "violence", "domestic-violence", "drowning"}


class Setting(NamedTuple):
    """Where something of a kind happens, who does it, and how somebody tells it."""

    environments: Sequence[str]
    harmers: Sequence[str]
    stories: Sequence[str]


_HOME = ("parent", "step-parent", "relative", "carer")
SETTINGS: dict[str, Setting] = {
    "violence": Setting(
        ("family", "family", "community", "school"),
        (*_HOME, "acquaintance"),
        (
            "Hàng xóm nghe tiếng trẻ khóc và thấy vết bầm trên tay trẻ.",
            "Trẻ kể với bạn rằng không dám về nhà buổi tối.",
        ),
    ),
    "neglect": Setting(("family",), ("parent", "carer"), ("Trẻ ở nhà một mình nhiều ngày, không có người chăm sóc.",)),
    "domestic-violence": Setting(("family",), _HOME, ("Bố say rượu đánh mẹ và các con, hàng xóm phải can.",)),
    "sexual-abuse": Setting(
        ("family", "community", "school"),
        ("step-parent", "relative", "acquaintance", "stranger"),
        ("Trẻ kể với cô giáo rằng bị người quen động chạm vào người.",),
    ),
    "school-violence": Setting(
        ("school",), ("peer", "peer", "teacher"), ("Trẻ bị một nhóm bạn chặn đánh sau giờ học.",)
    ),
    "exploitation": Setting(
        ("community", "workplace"), ("employer", "relative"), ("Trẻ bị bắt đi bán vé số, xin tiền đến khuya.",)
    ),
    "child-labour": Setting(("workplace",), ("employer",), ("Trẻ phải đi làm thuê ở xưởng gỗ thay vì đến trường.",)),
    "online-abuse": Setting(("online",), ("stranger", "peer"), ("Người gọi lo trẻ bị nhắn tin đe dọa trên mạng.",)),
    "abandonment": Setting(
        ("family", "care-facility"), ("parent",), ("Mẹ để trẻ lại nhà bà ngoại rồi không liên lạc nữa.",)
    ),
    "trafficking": Setting(
        ("community", "online"),
        ("acquaintance", "stranger"),
        ("Có người hứa việc làm, rủ trẻ đi xa không cho nhà biết.",),
    ),
    "injury": Setting(
        ("family", "road", "school"), ("nobody",), ("Trẻ bị bỏng nước sôi, vết thương cần theo dõi lâu dài.",)
    ),
    "drowning": Setting(("water",), ("nobody",), ("Trẻ được cứu lên từ ao, nhà không có rào quanh ao.",)),
    "orphaned": Setting(("family",), ("nobody",), ("Bố mẹ trẻ đã mất, trẻ ở với ông bà già yếu.",)),
    "covid-affected": Setting(("family",), ("nobody",), ("Mẹ mất vì COVID-19, bố đi làm xa, trẻ sống với cô ruột.",)),
    "special-circumstances": Setting(
        ("family",), ("nobody",), ("Trẻ khuyết tật vận động, nhà nghèo, chưa được hỗ trợ.",)
    ),
    "difficult-circumstances": Setting(
        ("family",), ("nobody",), ("Cô giáo thấy trẻ nghỉ học nhiều ngày vì nhà mất việc, hết gạo.",)
    ),
    "mental-health": Setting(("school", "family"), ("nobody",), ("Trẻ buồn bã, tự rạch tay, không muốn gặp ai.",)),
    "early-childhood": Setting(("family",), ("nobody",), ("Trẻ chậm nói, chưa được khám, ở nhà với bà cả ngày.",)),
    "other": Setting(
        ("community", "elsewhere"), ("acquaintance", "stranger"), ("Cô giáo thấy trẻ đến lớp mệt mỏi và sợ hãi.",)
    ),
}
# What is asked where no child is harmed.
_QUESTIONS: dict[Request, str] = {
    "counselling": "Người mẹ hỏi cách nói chuyện với con đang tuổi dậy thì hay cáu giận.",
    "prevention": "Trưởng xóm hỏi lớp dạy bơi và rào ao cho trẻ trong xóm.",
    "information": "Người gọi hỏi thủ tục hưởng trợ cấp cho trẻ mồ côi.",
}


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
    environment: str
    harmer: str
    request: Request = "protection"
    siblings: tuple[Child, ...] = ()


@dataclass(frozen=True, slots=True)
class Injury:
    """One made-up injury, as a hospital records it."""

    number: int
    child: Child
    occurred_on: date
    cause: str
    result: str


class World:
    """A province with `size` children on the day of `now` (aware UTC). `town`: a commune with eight times as many."""

    def __init__(self, size: int, seed: int, now: datetime, town: str | None = None) -> None:
        self.now = now
        self._random = Random(seed)  # noqa: S311 - a simulation, no secret
        self._units = Units.load().codes()
        # Communes differ in size, as they do.
        self._weights = [self._random.lognormvariate(0, 0.45) * (8 if unit == town else 1) for unit in self._units]
        self.children: Sequence[Child] = [self._child(number) for number in range(1, size + 1)]

    def concern(
        self,
        number: int,
        received_at: datetime,
        child: Child | None = None,
        request: Request = "protection",
        siblings: int = 0,
    ) -> Concern:
        """Somebody reports something at that moment, of any child or of this one, and of so many of its siblings."""
        random = self._random
        sector, channel = random.choices(list(REPORTERS), list(REPORTERS.values()))[0]
        kind = random.choices(list(KINDS), list(KINDS.values()))[0]
        setting = SETTINGS[kind]
        asks = request != "protection"
        danger = not asks and random.random() < (0.45 if kind in _GRAVE else 0.12)
        child = child or self._born_by(received_at.date())
        return Concern(
            number=number,
            child=child,
            sector=sector,
            channel=channel,
            received_at=received_at,
            kind=kind,
            danger=danger,
            reporter=full_name(random, random.choice(("male", "female"))),
            story=_QUESTIONS[request] if asks else random.choice(setting.stories),
            environment=random.choice(setting.environments),
            harmer=random.choice(setting.harmers),
            request=request,
            siblings=tuple(self._sibling(child) for _ in range(siblings)),
        )

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

    def _sibling(self, child: Child) -> Child:
        """A brother or sister who is in no register yet: of the same parents, one to five years older."""
        random = self._random
        sex: Sex = random.choice(("male", "female"))
        birth = child.birth - timedelta(days=random.randrange(365, 5 * 365))
        return replace(
            child, number=0, name=full_name(random, sex, child.name.split()[0]), sex=sex, birth=birth, school=None
        )

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
