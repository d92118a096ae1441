"""How codes are called on screen. All texts are msgids: Vietnamese, with English in `locale/en.po`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from services.registry.domain import circumstances
from services.registry.domain.children import Known, Source, is_said, lead_of
from services.registry.domain.names import tidied
from shared.contracts.vocabulary import Person, Stay, age_on
from shared.reference.terms import Terms
from shared.web.navigation import SECTOR_NAMES

SEXES: Final = {"female": "Nữ", "male": "Nam", "unknown": "Chưa rõ"}
REGISTERS: Final = {
    "registry-page": "Cán bộ ghi tại sổ đăng ký",
    "commune-roster": "Sổ trẻ em của xã",
    "school-roster": "Danh sách học sinh",
    "health-record": "Hồ sơ y tế",
    "report": "Báo tin",
}
FIELDS: Final = {
    "name": "Họ và tên",
    "birth_date": "Ngày sinh",
    "age": "Tuổi ước chừng",
    "sex": "Giới tính",
    "birth_place": "Nơi sinh",
    "birth_certificate": "Giấy khai sinh",
    "ethnicity": "Dân tộc",
    "number": "Số định danh cá nhân",
    "unit": "Xã, phường nơi ở",
    "hamlet": "Thôn, xóm, tổ",
    "address": "Địa chỉ",
    "household": "Số hộ khẩu, mã hộ",
    "stay": "Nơi tạm trú",
    "school": "Trường",
    "grade": "Lớp",
    "health_insurance": "Thẻ bảo hiểm y tế",
    "health": "Sức khỏe",
    "disability_kinds": "Dạng khuyết tật",
    "disability_level": "Mức độ khuyết tật",
    "carers": "Người chăm sóc",
}
# Shown though nobody said them; shown in short lists only where somebody did.
ALWAYS: Final = frozenset({"name", "birth_date", "sex", "number", "ethnicity", "unit", "carers"})
RARE: Final = (
    "birth_place",
    "birth_certificate",
    "household",
    "stay",
    "health_insurance",
    "health",
    "disability_kinds",
    "disability_level",
)
# What clerks write most; anything else may be typed.
RELATIONS: Final = (
    "mẹ",
    "cha",
    "ông nội",
    "bà nội",
    "ông ngoại",
    "bà ngoại",
    "anh",
    "chị",
    "cô",
    "dì",
    "chú",
    "bác",
    "cậu",
    "mẹ kế",
    "cha dượng",
    "người giám hộ",
    "cơ sở trợ giúp xã hội",
)
METHODS: Final = {
    "home-visit": "đến nhà",
    "papers": "đối chiếu giấy tờ",
    "phone": "gọi điện",
    "school-list": "đối chiếu danh sách trường",
    "blind": "phúc tra độc lập",
}
CAUSES: Final = {
    "told": "Nguồn gửi thông tin",
    "corrected": "Sửa thông tin",
    "moved": "Chuyển nơi ở",
    "settled": "Chọn giữa các nguồn mâu thuẫn",
    "verified": "Xác minh",
    "circumstance": "Hoàn cảnh thay đổi",
    "changed": "Thông tin thay đổi",
    "merged": "Gộp hai hồ sơ",
    "separated": "Tách lại hai hồ sơ",
    "checked": "Đã kiểm tra",
    "due": "Đến hạn xác minh lại",
    "aged-out": "Đã đủ 16 tuổi",
    "deceased": "Đã mất",
    "moved-away": "Chuyển đi tỉnh khác",
    "adopted": "Đã được nhận làm con nuôi",
    "withdrawn": "Đã rút khỏi sổ",
    "returned": "Mở lại hồ sơ",
}
CASE_STATUSES: Final = {"open": "đang xử lý", "closed": "đã kết thúc", "merged": "đã nhập vào vụ khác"}
REASONS: Final = {
    "name-same": "cùng họ tên",
    "name-same-without-marks": "cùng họ tên, một bên không dấu",
    "name-slip": "họ tên gần như nhau, có thể gõ sai",
    "name-near": "họ tên gần giống",
    "name-differs": "khác họ tên",
    "nickname-same": "trùng tên gọi ở nhà",
    "birth-date-same": "cùng ngày sinh",
    "birth-date-swapped": "ngày và tháng sinh bị đảo",
    "birth-year-off": "lệch một năm sinh",
    "birth-day-off": "lệch một ngày sinh",
    "birth-date-slip": "ngày sinh khác một chữ số",
    "birth-year-same": "cùng năm sinh, một bên chỉ biết năm",
    "birth-date-two-slips": "ngày sinh gần nhau, có thể ghi nhầm hai chỗ",
    "birth-date-differs": "khác ngày sinh",
    "age-fits": "tuổi phù hợp",
    "age-differs": "tuổi không phù hợp",
    "number-same": "cùng số định danh",
    "number-near": "số định danh khác một chữ số",
    "number-differs": "khác số định danh",
    "carer-same": "cùng người chăm sóc",
    "carers-both-same": "cùng cả hai người chăm sóc",
    "carer-near": "tên người chăm sóc gần giống",
    "carer-differs": "một người chăm sóc khác",
    "carers-differ": "khác người chăm sóc",
    "commune-same": "cùng xã, phường",
    "commune-differs": "khác xã, phường",
    "hamlet-same": "cùng thôn, xóm",
    "hamlet-differs": "khác thôn, xóm",
    "sex-same": "cùng giới tính",
    "sex-differs": "khác giới tính",
    "ethnicity-same": "cùng dân tộc",
    "ethnicity-differs": "khác dân tộc",
    "guard-twin-or-sibling": "có thể là anh chị em hoặc sinh đôi",
    "guard-middle-name": "tên đệm khác nhau",
    "guard-birth-date": "ngày sinh khác nhau nên không thể chắc chắn",
    "guard-other-number": "số định danh khác nhau nên không thể chắc chắn",
    "guard-namesake": "có thể chỉ trùng tên",
    "guard-birth-unknown": "chưa biết ngày sinh nên không thể chắc chắn",
    "guard-nickname": "chỉ biết tên gọi nên không thể chắc chắn",
    "guard-nothing-else": "ngoài họ tên và ngày sinh, chưa có gì khác khẳng định",
    "guard-number-on-another": "cùng số định danh nhưng thông tin khác khác nhau",
}
SIDES: Final = {"alike": "Giống nhau", "unlike": "Khác nhau", "unsure": "Vì sao máy chưa chắc"}
# A guard that says no more than a difference that is named already.
_SAID_BY: Final = {
    "guard-birth-date": "birth-date-differs",
    "guard-other-number": "number-differs",
    "guard-nickname": "nickname-same",
}
HISTORY: Final = {
    "registered": "Đăng ký trẻ",
    "changed": "Thông tin thay đổi",
    "merged": "Gộp hai hồ sơ",
    "separated": "Tách lại hai hồ sơ",
    "withdrawn": "Rút hồ sơ, vì tệp danh sách lập ra nó được hoàn tác",
    "photo-added": "Thêm ảnh",
    "photo-dropped": "Gỡ ảnh",
}
ACTS: Final = {
    "child-page": "Xem hồ sơ",
    "match": "Xem khi so sánh hồ sơ",
    "photo": "Xem ảnh",
    "field-list": "Tải về máy để đi xác minh tại nhà",
    "quality-list": "Xem danh sách cần sửa",
    "export": "Xuất ra tệp",
    "exchange": "Hệ thống khác đọc",
}


# Of rules on records, of their severity, of what doubts are about.
KINDS: Final = {
    "impossible": "Không thể đúng",
    "contradictory": "Mâu thuẫn",
    "missing": "Còn thiếu",
    "stale": "Để đã lâu",
}
SEVERITIES: Final = {"serious": "Nghiêm trọng", "medium": "Vừa", "slight": "Nhẹ"}
MEASURES: Final = {
    "special-share": "Hoàn cảnh đặc biệt",
    "male-share": "Trẻ nam",
    "first-of-january-share": "Sinh ngày 01/01",
}
STATES: Final = {
    "collected": "Mới thu thập",
    "checked": "Đã kiểm tra",
    "verified": "Đã xác minh",
    "due": "Đến hạn xác minh lại",
}
STATUSES: Final = {
    "active": "Đang theo dõi",
    "aged-out": "Đã đủ 16 tuổi",
    "deceased": "Đã mất",
    "moved-away": "Chuyển đi tỉnh khác",
    "adopted": "Đã được nhận làm con nuôi",
    "withdrawn": "Đã rút khỏi sổ",
    "erased": "Đã xóa theo luật",
}
WORK_LISTS: Final = {
    "due": "Đến hạn xác minh lại",
    "arrived": "Mới chuyển đến, chờ kiểm tra",
    "collected": "Chưa xác minh lần nào",
    "conflicts": "Các nguồn nói khác nhau",
    "growing-up": "Đủ 16 tuổi trong tháng này",
    "closed": "Hồ sơ đã đóng",
}
FIELD_RESULTS: Final = {"met": "Đã xác minh", "not-met": "Không gặp", "moved": "Đã chuyển đi"}
# What is asked at a child's home (domain/fieldwork.py).
ASKED: Final = {
    **{name: FIELDS[name] for name in ("name", "birth_date", "carers", "hamlet", "address", "school", "grade")},
    "circumstances": "Hoàn cảnh",
}
SAID: Final = {"right": "Đúng", "wrong": "Sai", "unknown": "Chưa rõ"}
SAID_OF_UNKNOWN: Final = {"wrong": "Bổ sung", "unknown": "Chưa rõ"}
WITHDRAWN: Final = {"not-a-child": "Không phải trẻ em", "made-up": "Không có người này"}

IMPORT_STATES: Final = {
    "received": "Chờ chỉ rõ các cột",
    "checking": "Đang đọc tệp",
    "checked": "Đã xem xét, chưa nhận vào sổ",
    "trying": "Đang nhận thử",
    "taking": "Đang nhận vào sổ",
    "finished": "Đã nhận vào sổ",
    "stopped": "Đã dừng",
    "refused": "Không đọc được",
    "undoing": "Đang hoàn tác",
    "undone": "Đã hoàn tác",
}
ROSTER_FIELDS: Final = {
    "id": "Mã của nguồn (mỗi trẻ một mã)",
    "child.name": "Họ và tên trẻ",
    "child.birth_date": "Ngày sinh",
    "child.sex": "Giới tính",
    "child.number": "Số định danh cá nhân",
    "child.ethnicity": "Dân tộc",
    "child.hamlet": "Thôn, xóm, tổ",
    "child.address": "Địa chỉ",
    "child.household": "Số hộ",
    "child.birth_place": "Nơi sinh",
    "child.birth_certificate": "Số giấy khai sinh",
    "child.health_insurance": "Số thẻ bảo hiểm y tế",
    "child.school": "Trường",
    "child.grade": "Lớp",
    "child.carers.mẹ": "Họ tên mẹ",
    "child.carers.bố": "Họ tên bố",
    "child.carers.người chăm sóc": "Họ tên người chăm sóc",
    "unit": "Xã, phường",
    "circumstances": "Hoàn cảnh",
    "dropped_out": "Trạng thái học (bỏ học)",
}
IMPORT_COUNTS: Final = {
    "new": "Trẻ mới",
    "known": "Trẻ đã có trong sổ",
    "corrected": "Nguồn sửa lại dòng đã gửi trước",
    "unchanged": "Không có gì mới",
    "superseded": "Cũ hơn bản đã có của nguồn, giữ bản mới",
    "unsure": "Cặp chưa chắc, chờ người xem",
    "rejected": "Dòng bị từ chối",
    "children_withdrawn": "Hồ sơ trẻ đã rút",
    "withdrawn": "Lời khai của nguồn đã rút",
    "restored": "Trả về như trước",
    "kept": "Giữ lại vì người khác đã ghi thêm",
}
UNDO_COUNTS: Final = ("children_withdrawn", "withdrawn", "restored", "kept")
IMPORT_RULES: Final = {
    "name-missing": "Thiếu họ và tên",
    "birth-date-invalid": "Ngày sinh không có thật, như 31/02",
    "birth-date-in-future": "Ngày sinh ở tương lai",
    "not-a-child": "Từ đủ 16 tuổi",
    "as-of-in-future": "Thời điểm của danh sách ở tương lai",
    "unit-not-yours": "Xã, phường khác địa bàn của anh chị",
    "unit-missing": "Không nhận ra xã, phường",
    "columns": "Thừa ô so với dòng tiêu đề",
    "id-missing": "Thiếu mã của nguồn",
}


class Names:
    """Names of codes in the request's language."""

    def __init__(self, say: Callable[[str], str], language: str, person: Callable[[str], str] = str) -> None:
        self._say = say
        self._language = language
        # A person's name by the account; the account where nobody is found.
        self.person = person

    def of(self, table: dict[str, str], code: str | None) -> str:
        """A code's name; the code itself where the table does not have it."""
        return "" if code is None else self._say(table[code]) if code in table else code

    def options(self, table: dict[str, str]) -> list[tuple[str, str]]:
        """Pairs for a choice."""
        return [(code, self._say(text)) for code, text in table.items()]

    def circumstance(self, code: str) -> str:
        """A circumstance group's or flag's name, with the group's number as the law has it."""
        return circumstances.label(code, self._language)

    def circumstances(self, *, subgroups: bool = False) -> list[tuple[str, str]]:
        """All groups and flags, for a choice; with `subgroups`, a group's own stand behind it."""
        below = Terms.load("circumstance-subgroups")
        found: list[tuple[str, str]] = []
        for code in circumstances.codes():
            found.append((code, self.circumstance(code)))
            if subgroups:
                found += [
                    (sub, f"\u2003– {below.label(sub, self._language)}")
                    for sub in below.codes()
                    if below.get(sub, "group") == code
                ]
        return found

    def term(self, name: str, code: str | None) -> str:
        """What a code of a reference list means; nothing for no code."""
        return "" if code is None else Terms.load(name).label(code, self._language)

    def terms(self, name: str) -> list[tuple[str, str]]:
        """A reference list for a choice."""
        return [(code, self.term(name, code)) for code in Terms.load(name).offered()]

    def reason(self, text: str | None) -> str:
        """Why something was changed or ended: a code of the lists, perhaps with words behind it, or words alone."""
        code, _, words = (text or "").partition(": ")
        listed = next((name for name in ("correction-reasons", "circumstance-ends") if code in Terms.load(name)), None)
        if listed is None:
            return text or ""
        return f"{self.term(listed, code)}: {words}" if words else self.term(listed, code)

    def value(self, name: str, value: object, unit: Callable[[str], str] = str) -> str:
        """A field's value in words. `unit`: names a commune."""
        if value in (None, [], ""):
            return "–"
        if name == "birth_date":
            return "/".join(reversed(str(value).split("-")))
        if name == "sex":
            return self.of(SEXES, str(value))
        if name == "unit":
            return unit(str(value))
        if name == "disability_level":
            return self.term("disability-levels", str(value))
        if isinstance(value, Stay):
            place = [value.address, value.hamlet, unit(value.unit) if value.unit else None]
            return ", ".join(part for part in place if part)
        if isinstance(value, list):
            return ", ".join(
                (item.name or "–") if isinstance(item, Person) else self.term("disability-kinds", str(item))
                for item in value
            )
        return str(value)

    def source(self, known: Known, name: str) -> Source | None:
        """Where a field comes from; of a birth date that nobody knows, the age."""
        found = known.sources.get(lead_of(name))
        return known.sources.get("age") if found is None and name == "birth_date" else found

    def verified(self, known: Known) -> tuple[int, int]:
        """How many fields of a record that are known were verified, and how many are known."""
        found = [known.sources[name] for name in FIELDS if name in known.sources]
        return sum(source.verified_on is not None for source in found), len(found)

    def actor(self, actor: str) -> str:
        """Who did something: a sector or a person by name."""
        if actor == "time":
            return self._say("tự động")
        if actor.startswith("person:"):
            return self.person(actor.removeprefix("person:"))
        return self._say(SECTOR_NAMES[actor]) if actor in SECTOR_NAMES else actor


def called(name: str | None) -> str:
    """A person's name for reading; what each source wrote stands beside the source."""
    return tidied(name) if name else ""


def age(known: Known, day: date) -> int | None:
    """Completed years on a day, as far as the birth date is known; else about how many by an age that was told once."""
    if known.description.birth_date is not None:
        return age_on(known.description.birth_date, day)
    return None if known.birth_year is None else day.year - known.birth_year


def _as_read(known: Known, name: str) -> Any:
    """A field as it is compared by whoever reads it: in what letters a name was written is no difference."""
    value = known.value(name)
    if name == "name":
        return called(value)
    return [person.model_copy(update={"name": called(person.name)}) for person in value] if name == "carers" else value


def any_of(values: Mapping[str, str], names: Iterable[str]) -> bool:
    """Whether a form has anything in some of its fields."""
    return any(values.get(name) for name in names)


def any_disability(values: Mapping[str, str]) -> bool:
    """Whether a form has a kind of disability ticked."""
    return any_of(values, (f"disability_{code}" for code in Terms.load("disability-kinds").codes()))


def sides(reasons: Sequence[str]) -> dict[str, list[str]]:
    """The reasons of a comparison by what they speak for: keys of `SIDES`, without those that nothing speaks for."""
    found: dict[str, list[str]] = {side: [] for side in SIDES}
    for reason in reasons:
        if reason == "guard-middle-name" or reason.endswith(("-differs", "-differ")):
            found["unlike"].append(reason)
        elif not reason.startswith("guard-"):
            found["alike"].append(reason)
        elif _SAID_BY.get(reason) not in reasons:
            found["unsure"].append(reason)
    return {side: said for side, said in found.items() if said}


def differing(one: Known, other: Known) -> dict[str, str]:
    """What two records say differently (`differs`), or only one of them says (`one`), by field of `FIELDS`."""
    found = {}
    for name in FIELDS:
        mine, theirs = _as_read(one, name), _as_read(other, name)
        said = [is_said(mine), is_said(theirs)]
        if all(said) and mine != theirs:
            found[name] = "differs"
        elif any(said) and not all(said):
            found[name] = "one"
    return found
