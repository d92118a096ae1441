"""What looks wrong in a child's record though it may be right: said to whoever types it, and kept for whoever checks.

Nothing is refused for it: numbers are misprinted, children are found without papers, and life is messier than rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from services.registry.domain.children.statements import Period
from services.registry.domain.names import name_of
from shared.contracts.errors import Violation
from shared.contracts.vocabulary import ChildDescription, Person, age_on
from shared.reference.terms import Terms

# Decree 137/2015/ND-CP, Art. 13 (now Law 26/2023, Art. 12): 12 digits; the fourth tells the century and the sex.
_NUMBER: Final = re.compile(r"(?P<province>\d{3})(?P<century>\d)(?P<year>\d{2})\d{6}")
# Decision 1351/QD-BHXH and the codes before it: fifteen signs of a card, or ten digits of the insurance number; a
# personal number stands for both since 2025.
_INSURANCE: Final = re.compile(r"[A-Z]{2}[1-5]\d{12}|\d{10}|\d{12}")
_PHONE: Final = re.compile(r"(?:\+84|0)\d{9,10}")
# Cards of code TE are for children under 6; they are changed with the school year.
_LAST_AGE_OF_TE: Final = 7


def warnings(description: ChildDescription, today: date) -> list[Violation]:
    """Everything that looks wrong in a description, each beside its field. `today`: in the province."""
    return [
        *_name(description),
        *_number(description),
        *_ethnicity(description),
        *_insurance(description, today),
        *_carers(description),
        *_disability(description),
    ]


def circumstance_warnings(periods: Sequence[Period]) -> list[Violation]:
    """What contradicts itself in a child's circumstances: the same one told of twice for a time, or two that exclude
    each other."""
    flags = Terms.load("flags")
    found: list[Violation] = []
    for place, one in enumerate(periods):
        for other in periods[place + 1 :]:
            if not one.overlaps(other):
                continue
            if one.code == other.code:
                found.append(
                    _say(
                        "circumstance",
                        "circumstance-twice",
                        "Cùng một hoàn cảnh được ghi hai lần cho khoảng thời gian chồng nhau. Hãy xem lại ngày.",
                        "One circumstance is recorded twice for times that overlap. Please look at the dates.",
                    )
                )
            elif other.code in (flags.get(one.code, "excludes") or ()) or one.code in (
                flags.get(other.code, "excludes") or ()
            ):
                found.append(
                    _say(
                        "circumstance",
                        "circumstances-exclude",
                        f"«{flags.label(one.code)}», «{flags.label(other.code)}» không thể cùng lúc; hãy kết thúc một.",
                        f"“{flags.label(one.code, 'en')}” and “{flags.label(other.code, 'en')}” cannot hold at one "
                        "time. Please end one of them.",
                    )
                )
    return list(dict.fromkeys(found))


def coded(description: ChildDescription) -> ChildDescription:
    """The description with the code of its ethnic group by the list of 1979, as what is written says where no code is
    given, or as a code of the census's list says; unchanged where neither is listed."""
    groups = Terms.load("ethnic-groups")
    code = description.ethnicity_code
    if code is None:
        code = groups.find(description.ethnicity) if description.ethnicity else None
    elif description.ethnicity_list == "gso":
        code = next((known for known in groups.codes() if groups.get(known, "gso") == code), None)
    else:
        return description
    if code is None:
        return description
    return description.model_copy(update={"ethnicity_code": code, "ethnicity_list": "121-tctk"})


def _name(description: ChildDescription) -> list[Violation]:
    name = description.name
    if name is None:
        return []
    if any(letter.isdigit() for letter in name):
        return [_say("name", "name-with-digits", "Họ tên có chữ số, có thể gõ nhầm.", "The name has digits: a slip?")]
    if len(name_of(name).tokens) == 1:
        return [
            _say(
                "name",
                "name-one-word",
                "Mới có một chữ; hãy ghi cả họ và tên đệm nếu biết.",
                "This is one word; write family and middle name too, if known.",
            )
        ]
    return []


def _number(description: ChildDescription) -> list[Violation]:
    if not description.number:
        return []
    parts = _NUMBER.fullmatch("".join(description.number.split()))
    if parts is None:
        return [
            _say(
                "number",
                "number-form",
                "Số định danh cá nhân gồm đúng 12 chữ số; xin đối chiếu giấy tờ.",
                "A personal number has exactly 12 digits; please compare with the papers.",
            )
        ]
    found: list[Violation] = []
    if parts["province"] not in Terms.load("number-provinces"):
        found.append(
            _say(
                "number",
                "number-province",
                "Ba chữ số đầu không phải mã tỉnh nơi đăng ký khai sinh.",
                "The first three digits are no province of birth registration.",
            )
        )
    century, sex = 1900 + 100 * (int(parts["century"]) // 2), ("male", "female")[int(parts["century"]) % 2]
    born = description.birth_date
    if born is not None and century + int(parts["year"]) != born.year:
        found.append(
            _say(
                "number",
                "number-year",
                f"Số này là của người sinh năm {century + int(parts['year'])}, khác năm sinh đã ghi.",
                f"This number is of somebody born in {century + int(parts['year'])}, not in the year written.",
            )
        )
    if description.sex not in {"unknown", sex}:
        found.append(
            _say(
                "number",
                "number-sex",
                "Chữ số thứ tư của số này chỉ giới tính khác với giới tính đã ghi.",
                "The number's fourth digit tells another sex than the one written.",
            )
        )
    return found


def _ethnicity(description: ChildDescription) -> list[Violation]:
    groups = Terms.load("ethnic-groups")
    written, code = description.ethnicity, description.ethnicity_code
    if (written and groups.find(written) is None and code is None) or (code is not None and code not in groups):
        return [
            _say(
                "ethnicity",
                "ethnicity-unlisted",
                "Không có trong danh mục 54 dân tộc và người nước ngoài; sẽ không được thống kê theo dân tộc.",
                "It is not in the list of the 54 peoples and foreigners, and is not counted under any.",
            )
        ]
    if written and code is not None and groups.find(written) not in {None, code}:
        return [
            _say(
                "ethnicity",
                "ethnicity-code",
                "Tên dân tộc và mã dân tộc không khớp nhau.",
                "The ethnic group's name and its code do not fit.",
            )
        ]
    return []


def _insurance(description: ChildDescription, today: date) -> list[Violation]:
    if not description.health_insurance:
        return []
    written = "".join(description.health_insurance.split()).upper()
    if not _INSURANCE.fullmatch(written):
        return [
            _say(
                "health_insurance",
                "insurance-form",
                "Mã thẻ bảo hiểm y tế gồm 15 ký tự (hoặc 10 số, hoặc số định danh 12 số); xin đối chiếu thẻ.",
                "A health insurance card has 15 signs (or 10 digits, or the personal number's 12); please compare.",
            )
        ]
    number = "".join((description.number or "").split())
    if len(written) == 12 and number and written != number:
        return [
            _say(
                "health_insurance",
                "insurance-number",
                "Mã bảo hiểm 12 số phải trùng số định danh cá nhân đã ghi.",
                "An insurance code of 12 digits is the personal number, and here it is another one.",
            )
        ]
    born = description.birth_date
    if written.startswith("TE") and born is not None and age_on(born, today) >= _LAST_AGE_OF_TE:
        return [
            _say(
                "health_insurance",
                "insurance-outgrown",
                "Thẻ mã TE cấp cho trẻ dưới 6 tuổi; trẻ đã lớn hơn, có thể đã đổi thẻ.",
                "Cards of code TE are for children under 6; the child is older and may have another card.",
            )
        ]
    return []


def _carers(description: ChildDescription) -> list[Violation]:
    return [*_phones(description.carers), *_own_carer(description)]


def _phones(carers: Sequence[Person]) -> list[Violation]:
    if all(not carer.phone or _PHONE.fullmatch(re.sub(r"[\s.()-]", "", carer.phone)) for carer in carers):
        return []
    return [
        _say(
            "carers",
            "phone-form",
            "Có số điện thoại không đủ hoặc thừa chữ số.",
            "A telephone number has too few or too many digits.",
        )
    ]


def _own_carer(description: ChildDescription) -> list[Violation]:
    if not description.name or all(name_of(carer.name) != name_of(description.name) for carer in description.carers):
        return []
    return [
        _say(
            "carers",
            "carer-is-child",
            "Người chăm sóc trùng hẳn họ tên của trẻ, có thể ghi nhầm ô.",
            "A carer has the child's own name: perhaps it is in the wrong place.",
        )
    ]


def _disability(description: ChildDescription) -> list[Violation]:
    if description.disability_level and not description.disability_kinds:
        return [
            _say(
                "disability_level",
                "disability-kind-missing",
                "Có mức độ khuyết tật nhưng chưa chọn dạng khuyết tật.",
                "A level of disability is given, and no kind.",
            )
        ]
    return []


def _say(field: str, rule: str, vi: str, en: str) -> Violation:
    return Violation(field, rule, vi, en)
