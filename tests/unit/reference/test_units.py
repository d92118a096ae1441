"""Which unit people mean, by every usual way of writing it; and what each code meant when."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date

import pytest
from vietnam_provinces import ProvinceCode, Ward

from shared.reference.files import ReferenceDataError
from shared.reference.units import Area, Unit, Units

MERGER = date(2025, 7, 1)
UNITS = Units.load()
MEANT = {
    # today's names
    "Xã Văn Lang": "02143",
    "Xã Văn Lăng": "05665",
    "PHƯỜNG BẮC KẠN": "01843",
    "phường Bắc Cạn": "01843",
    "phu binh": "05908",
    "Xã  Phú\u00a0Đình": "05602",
    "xã Ðồng Phúc": "01933",
    "Xã Đồng Hỉ": "05692",
    "Lam Vĩ": "05542",
    "Phu Binh Commune": "05908",
    "Quan Triều Ward": "05482",
    "Chợ Mới": "02086",
    "xã Yên Bình (mới)": "02116",
    "xa phuong tien": "05563",
    "Phuong Tien": "05563",
    "xa trang xa": "05746",
    # short for the kind
    "P.Gia Sàng - TP Thái Nguyên": "05467",
    "P Quan Triều": "05482",
    "x.Văn Lang": "02143",
    "TT Đu, Phú Lương": "05611",
    # the kind and the district tell namesakes apart
    "Phường Tân Thành": "05500",
    "Xã Tân Thành": "05923",
    "Tân Thành, TP. Thái Nguyên": "05500",
    "Phường Trung Thành": "05899",
    "Phường Trung Thành, thành phố Thái Nguyên": "05500",
    "thị trấn Hương Sơn": "05908",
    "Phường Hương Sơn": "05467",
    "Thị trấn Sông Cầu": "05692",
    "Phường Sông Cầu": "01843",
    "xa Yen Lac": "05611",
    "thi tran Yen Lac": "02155",
    "Xa Van Lang, huyen Na Ri": "02143",
    "Van Lang (Na Ri)": "02143",
    "Tân Long, Đồng Hỷ": "05674",
    "Tân Long, Thái Nguyên, tỉnh Thái Nguyên": "05482",
    "Hùng Sơn, Đại Từ": "05488",
    "Đại Từ": "05830",
    # an older district or a slip in it does not matter where the name is the only one
    "Xã Linh Sơn, huyện Đồng Hỷ": "05710",
    # whole addresses
    "Xóm Đồng Tâm, xã Phú Lương, tỉnh Thái Nguyên": "05611",
    "Tổ 5, phường Trung Thành, TP Phổ Yên": "05899",
    "Thôn Nà Pái, Văn Lang, Na Rì, Bắc Kạn, Việt Nam": "02143",
    "Xóm 3, Hòa Bình, Đồng Hỷ": "05665",
    "thôn 3 xã Văn Lang huyện Na Rì tỉnh Bắc Kạn": "02143",
    "UBND xã Chợ Mới": "02086",
    # old names
    "Xã Hoà Mục": "02104",
    "xã Hòa Mục": "02104",
    "Xã Thanh Định cũ": "05587",
    "Xã Thanh Định (cũ)": "05587",
    "Xã Thanh Định (nay là xã Bình Yên)": "05587",
    "Phường Quán Triều": "05482",
    # codes
    "05665": "05665",
    "01834": "01840",
    "Xã Văn Lăng (05665)": "05665",
}
NOT_MEANT = [
    *("", "   ", "???", "xã", "Xã Không Có Thật", "huyện Đại Từ", "Tỉnh Hòa Bình", "Trường Tiểu học Thành Công"),
    "xa van lang",  # fits Văn Lang and Văn Lăng
    "Xã Văn Lang, Đồng Hỷ",  # the tones say one, the district the other
    "Hương Sơn",  # a town that became Phú Bình, a ward that became Gia Sàng
    "Yen Lac",
    "Xã Văn Lang (05665)",
    "Xã Tân Thành, tỉnh Lạng Sơn",
    "Xã Tân Thành, Lạng Sơn",
    "Xã Tân Thành, huyện Hàm Thuận Nam",
    "Xã Thượng Đình",  # divided in 2025
    "Phường Cam Giá",
    "Gia Sàng cũ",
]


def test_units_are_those_of_the_statistics_office() -> None:
    official = {f"{ward.code.value:05d}": ward.name for ward in Ward.iter_by_province(ProvinceCode.P_19)}
    assert UNITS.names() == official
    assert len(UNITS.codes()) == 92
    assert sum(name.startswith("Phường ") for name in UNITS.names().values()) == 15


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(("text", "code"), MEANT.items())
def test_a_unit_is_found_as_people_write_it(text: str, code: str, form: str) -> None:
    assert UNITS.find(unicodedata.normalize(form, text)) == code  # type: ignore[arg-type]


@pytest.mark.parametrize("text", NOT_MEANT)
def test_what_is_unknown_or_fits_two_is_no_unit(text: str) -> None:
    assert UNITS.find(text) is None


@pytest.mark.parametrize("code", UNITS.codes())
def test_each_unit_of_today_is_found_by_each_form_of_its_name(code: str) -> None:
    name = UNITS.name(code)
    english = UNITS.name(code, "en")
    for text in (name, name.upper(), name.split(" ", 1)[1], english, f"{name}, Thái Nguyên", f"Xóm 1, {name}"):
        assert UNITS.find(text) == code, text


def test_each_old_unit_is_found_with_its_old_district() -> None:
    districts = {area.code: area.name for area in UNITS.areas()}
    old = {unit for code in UNITS.codes() for unit in UNITS.predecessors(code)}
    assert len(old) == 280
    for unit in old:
        expected = unit.successors[0] if len(unit.successors) == 1 else None
        if unit.name == "Phường Gia Sàng":  # divided, but the name lives on
            expected = "05467"
        assert UNITS.find(f"{unit.name}, {districts[unit.district or '']}") == expected
        assert UNITS.find(f"{unit.name} {districts[unit.district or '']}".lower()) == expected


def test_a_code_given_anew_means_what_it_meant_that_day() -> None:
    before, after = UNITS.on("01843", date(2025, 6, 30)), UNITS.on("01843", MERGER)
    assert before is not None
    assert after is not None
    assert (before.name, after.name) == ("Phường Phùng Chí Kiên", "Phường Bắc Kạn")


def test_an_old_code_belongs_to_the_unit_that_took_it_in() -> None:
    assert UNITS.current("01834") == "01840"
    assert UNITS.name("01834") == "Phường Nguyễn Thị Minh Khai"
    assert UNITS.current("99999") is None
    assert UNITS.name("99999") == "99999"


def test_a_divided_unit_belongs_to_none_but_names_its_parts() -> None:
    assert UNITS.current("05932") is None
    assert UNITS.successors("05932") == ("05908", "05941")
    # 05467 is Gia Sàng today and was the divided Cam Giá.
    assert UNITS.current("05467") == "05467"
    assert UNITS.current("05467", date(2025, 6, 30)) is None
    assert UNITS.successors("05467", date(2025, 6, 30)) == ("05467", "05500")


def test_predecessors_are_those_of_the_resolution() -> None:
    # Resolution 1683/NQ-UBTVQH15, Art. 1(2).
    names = {unit.name for unit in UNITS.predecessors("05488")}
    assert names == {"Thị trấn Hùng Sơn", "Xã Phúc Xuân", "Xã Phúc Trìu", "Xã Tân Thái", "Xã Phúc Tân"}


OLD = Unit("00001", "Xã Cũ", "commune", None, MERGER, "001", ("00002",), (), "law")
NEW = Unit("00002", "Xã Mới", "commune", MERGER, legal_source="law")
AREAS = [Area("001", "Huyện Kia", "district", "19"), Area("19", "Tỉnh Thái Nguyên", "province")]


@pytest.mark.parametrize(
    ("units", "says"),
    [
        ([replace(OLD, code="001"), NEW], "five digits"),
        ([OLD, replace(NEW, name="Phường Mới")], "begin with its kind"),
        ([replace(OLD, successors=("00003",)), NEW], "no unit of today"),
        ([replace(OLD, successors=()), NEW], "has successors"),
        ([replace(OLD, effective_to=date(2025, 6, 1)), NEW], "gap or overlap"),
        ([replace(OLD, effective_from=MERGER), NEW], "ends before it begins"),
        ([replace(OLD, district="002"), NEW], "not in areas.csv"),
        ([OLD, NEW, replace(NEW, name="Xã Khác")], "two units at once"),
        ([OLD, NEW, replace(OLD, code="00002", effective_to=date(2020, 1, 1))], "gap"),
        ([OLD, NEW, replace(NEW, code="00003")], "no predecessor"),
        ([OLD, replace(NEW, legal_source="")], "legal source"),
    ],
)
def test_units_that_contradict_themselves_are_not_loaded(units: list[Unit], says: str) -> None:
    with pytest.raises(ReferenceDataError, match=says):
        Units(units, AREAS)


def test_good_units_are_loaded() -> None:
    assert Units([OLD, NEW], AREAS).find("Xã Cũ, huyện Kia") == "00002"


def test_each_commune_of_today_lies_in_one_old_district_and_bears_the_codes_of_what_became_it() -> None:
    units = Units.load()
    districts = [area.code for area in units.areas() if area.kind == "district"]
    placed = [code for district in districts for code in units.in_district(district)]
    assert sorted(placed) == sorted(units.codes())
    assert units.folded("01834") == "01840"
    assert units.named_as(["01840"]) >= {"01840", "01834", "01846"}
    assert units.folded("99999") == "unclassified"
    named = [name for code in units.codes() for name in units.named_as([code])]
    assert len(named) == len(set(named)), "no code counts twice"
