"""Files of an edition: the same figures in each, hidden ones nowhere, readable by the programs they are for."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from typing import Any

import docx
import openpyxl
import orjson
import pytest

from services.stats.domain.closing import Edition, Frozen
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.exporting import FILES, write
from services.stats.exporting.dhis2 import uid
from services.stats.exporting.labels import Labels
from services.stats.exporting.report import INTERNAL, sections
from shared.reference.files import lay_over
from shared.reference.indicators import Indicators
from shared.reference.plan_report import PlanForms
from tests.unit.stats.made_up_edition import OCTOBER, made_up, words

PUBLISHED = made_up()
EXACT = made_up("exact", revision=1)


def file(name: str, edition: Edition = PUBLISHED, language: Any = "vi") -> bytes:
    return write(name, edition.content(), words(language))


def rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))


def text_of(pdf: bytes) -> str:
    read = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return re.sub(r"\s+", " ", read.stdout.decode())


def test_the_plan_s_report_names_indicators_that_there_are() -> None:
    form = PlanForms.load().on(PUBLISHED.at)
    placed = {code for part in form.parts() for code in part.indicators}
    assert placed <= {indicator.code for indicator in Indicators.load()}
    assert set(form.by_unit) <= placed


def test_what_no_section_of_the_report_names_is_printed_last() -> None:
    form = PlanForms.load().on(PUBLISHED.at)
    labels = Labels(PUBLISHED, words(), Indicators.load())
    short = replace(form, sections=form.sections[1:])
    told = [code for part in sections(labels, short) for code in part.indicators]
    assert sorted(told) == sorted(labels.names)
    assert "children" in sections(labels, short)[-1].indicators


def test_csv_holds_every_figure_and_no_value_of_a_hidden_one() -> None:
    told = rows(file("figures.csv"))
    assert len(told) == len(PUBLISHED.figures)
    places = PUBLISHED.at_place()
    for row in told:
        figure = places.pop((row["indicator"], row["period"], row["dimension"], row["category"]))
        if figure.hidden:
            assert (row["status"], row["value"], row["numerator"], row["denominator"]) == ("protected", "", "", "")
        elif figure.value is not None:
            assert (row["status"], float(row["value"])) == ("shown", figure.value)
        else:
            assert (row["status"], row["value"]) == ("missing", "")
    assert {row["status"] for row in told} == {"protected", "shown", "missing"}
    assert {row["category_name"] for row in told if row["category"] == "female"} == {"Nữ"}


def test_a_breakdown_stands_in_the_order_in_which_people_read_it_in_every_file() -> None:
    shuffled = {
        "age": (["0-3", "4-5", "6-10", "11-15", "16+", "unknown"], "Tuổi"),
        "risk": (["high", "medium", "low", "unassessed"], "Nguy cơ"),
        "kind": (["violence", "exploitation", "sexual-abuse", "school-violence", "unclassified"], "Hình thức"),
    }
    found = sorted(
        Frozen("cases-opened", OCTOBER.code, dimension, code, 7.0, 7, None)
        for dimension, (codes, _) in shuffled.items()
        for code in codes
    )
    edition = replace(PUBLISHED, figures=tuple(found))
    table = list(openpyxl.load_workbook(io.BytesIO(file("report.xlsx", edition)))["Phân tổ"].values)
    labels = Labels(edition, words(), Indicators.load())
    for dimension, (codes, name) in shuffled.items():
        assert [row["category"] for row in rows(file("figures.csv", edition)) if row["dimension"] == dimension] == codes
        assert [row[2] for row in table if row[1] == name] == [
            labels.category("cases-opened", dimension, code) for code in codes
        ]
    # What was signed is as it was.
    assert [figure[3] for figure in Edition.read(edition.content()).figures] == [figure[3] for figure in found]


def test_csv_speaks_the_language_that_is_asked_for() -> None:
    assert {row["name"] for row in rows(file("figures.csv", language="en")) if row["indicator"] == "drownings"} == {
        "Children in drowning accidents"
    }


def test_sdmx_csv_tells_each_observation_once_and_says_what_is_suppressed() -> None:
    told = rows(file("figures.sdmx.csv"))
    keys = [(row["INDICATOR"], row["REF_AREA"], row["BREAKDOWN"], row["CATEGORY"], row["TIME_PERIOD"]) for row in told]
    assert len(set(keys)) == len(keys) == len(PUBLISHED.figures)
    assert {row["STRUCTURE_ID"] for row in told} == {"VONGTAY:CHILDREN(1.0.0)"}
    hidden = [row for row in told if row["OBS_STATUS"] == "Q"]
    assert len(hidden) == sum(bool(figure.hidden) for figure in PUBLISHED.figures)
    assert {(row["OBS_VALUE"], row["NUMERATOR"], row["CONF_STATUS"]) for row in hidden} == {("", "", "C")}
    assert all(re.fullmatch(r"[A-Za-z0-9_@$-]+", part) for key in keys for part in key)


def test_sdmx_marks_the_internal_edition_as_not_for_publication() -> None:
    assert {row["CONF_STATUS"] for row in rows(file("figures.sdmx.csv", EXACT))} == {"N"}


def test_sdmx_json_says_the_same_as_sdmx_csv() -> None:
    message = orjson.loads(file("figures.sdmx.json"))
    structure = message["data"]["structures"][0]
    lists = [[value["id"] for value in one["values"]] for one in structure["dimensions"]["observation"]]
    assert [one["id"] for one in structure["dimensions"]["observation"]] == [
        "FREQ",
        "INDICATOR",
        "REF_AREA",
        "BREAKDOWN",
        "CATEGORY",
        "TIME_PERIOD",
    ]
    statuses = [value["id"] for value in structure["attributes"]["observation"][1]["values"]]
    found = {}
    for places, values in message["data"]["dataSets"][0]["observations"].items():
        key = tuple(codes[int(at)] for codes, at in zip(lists, places.split(":"), strict=True))
        found[key] = (values[0], statuses[values[4]])
    names = ("FREQ", "INDICATOR", "REF_AREA", "BREAKDOWN", "CATEGORY", "TIME_PERIOD")
    for row in rows(file("figures.sdmx.csv")):
        value, status = found.pop(tuple(row[name] for name in names))
        assert status == row["OBS_STATUS"]
        assert value == (float(row["OBS_VALUE"]) if row["OBS_VALUE"] else None)
    assert found == {}


def test_dhis2_takes_the_period_s_figures_and_none_that_is_hidden() -> None:
    message = orjson.loads(file("dhis2.json"))
    told = message["dataValues"]
    shown = [
        figure
        for figure in PUBLISHED.figures
        if figure.period == OCTOBER.code
        and figure.value is not None
        and not (figure.dimension == UNIT and figure.category == "unclassified")
    ]
    assert len(told) == len(shown)
    assert {value["period"] for value in told} == {"202610"}
    keys = [(value["dataElement"], value["orgUnit"], value.get("categoryOptionCombo")) for value in told]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{10}", value["orgUnit"]) for value in told)


def test_dhis2_s_metadata_explains_every_identifier_of_the_values() -> None:
    meant = orjson.loads(file("dhis2-metadata.json"))
    elements = {one["id"]: one for one in meant["dataElements"]}
    combos = {one["id"]: one for one in meant["categoryOptionCombos"]}
    for value in orjson.loads(file("dhis2.json"))["dataValues"]:
        element = elements[value["dataElement"]]
        if "categoryOptionCombo" in value:
            assert combos[value["categoryOptionCombo"]]["categoryCombo"] == element["categoryCombo"]
        else:
            assert "categoryCombo" not in element
    for kind in ("dataElements", "categories", "categoryCombos", "dataSets"):
        shorts = [one["shortName"] for one in meant[kind]]
        assert max(map(len, shorts)) <= 50
        identifiers = [one["id"] for one in meant[kind]]
        assert len(set(identifiers)) == len(identifiers)
    assert len({one["shortName"] for one in meant["dataElements"]}) == len(meant["dataElements"])


def test_an_identifier_of_dhis2_never_changes() -> None:
    assert uid("element", "drownings", "") == uid("element", "drownings", "")
    assert uid("element", "drownings", "") != uid("element", "drownings", "sex")


def test_the_workbook_has_numbers_as_numbers_and_signs_for_what_is_hidden() -> None:
    book = openpyxl.load_workbook(io.BytesIO(file("report.xlsx")))
    assert book.sheetnames == ["Báo cáo", "Theo xã, phường", "Phân tổ"]
    by_unit = list(book["Theo xã, phường"].values)
    heads = by_unit[0]
    for row in by_unit[1:]:
        for name, cell in zip(heads[2:], row[2:], strict=True):
            code = next(one.code for one in PUBLISHED.indicators if one.vi == name)
            figure = PUBLISHED.at_place().get((code, OCTOBER.code, UNIT, str(row[0])))
            assert figure is not None
            assert cell == ("…" if figure.hidden else "–" if figure.value is None else figure.value)
    assert next(iter(book["Phân tổ"].values))[:4] == ("Chỉ tiêu", "Phân tổ", "Giá trị", "Kết quả")


def _media(packed: bytes) -> list[bytes]:
    """The pictures in a file of an office, in no order."""
    with zipfile.ZipFile(io.BytesIO(packed)) as opened:
        return sorted(opened.read(name) for name in opened.namelist() if name.endswith(".png"))


def test_the_workbook_of_a_revision_names_every_change() -> None:
    book = openpyxl.load_workbook(io.BytesIO(file("report.xlsx", EXACT)))
    changed = list(book["Đính chính"].values)
    assert changed[1] == ("Số vụ việc được mở trong kỳ", "2026-10", "Giới tính", "Nữ", 6, 7)
    assert book["Báo cáo"]["A1"].value == INTERNAL


def test_a_name_that_looks_like_a_formula_is_no_formula_in_the_workbook() -> None:
    named = PUBLISHED.indicators[0]
    fields = {name: getattr(PUBLISHED, name) for name in Edition.__dataclass_fields__}
    hostile = type(named)(**{f: getattr(named, f) for f in type(named).__dataclass_fields__} | {"vi": "=1+1"})
    edition = Edition(**fields | {"indicators": (hostile, *PUBLISHED.indicators[1:])})
    book = openpyxl.load_workbook(io.BytesIO(file("report.xlsx", edition)))
    assert all(cell.data_type != "f" for sheet in book for row in sheet for cell in row)


def _printed(edition: Edition) -> str:
    word = docx.Document(io.BytesIO(file("report.docx", edition)))
    cells = (cell.text for table in word.tables for row in table.rows for cell in row.cells)
    return "\n".join([*(paragraph.text for paragraph in word.paragraphs), *cells])


def test_the_report_says_every_indicator_with_its_figure_and_what_it_is_compared_with() -> None:
    printed = _printed(PUBLISHED)
    for named in PUBLISHED.indicators:
        assert named.vi in printed
    children = PUBLISHED.at_place()["children", OCTOBER.code, TOTAL, ""]
    assert words().number(PUBLISHED.indicators[0], children.value) in printed or children.hidden
    for said in ("BÁO CÁO", "Tháng\u00a010/2026", "Số: 07/2026", "Kỳ trước", "Cùng kỳ năm trước", "«…»"):
        assert said in printed
    assert "0,05 (2030)" in printed
    assert "Chưa đến hạn" in printed
    assert "Chưa đạt" not in printed
    assert INTERNAL not in printed


def test_the_report_of_the_internal_edition_says_so_on_every_page_and_what_was_revised() -> None:
    printed = _printed(EXACT)
    assert "Đính chính lần 1" in printed
    assert "Tin báo, hồ sơ đến sau khi chốt (văn bản số 12/BC-SYT)" in printed
    word = docx.Document(io.BytesIO(file("report.docx", EXACT)))
    assert all(INTERNAL in section.footer.paragraphs[0].text for section in word.sections)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext reads the PDF back")
def test_the_pdf_says_the_same() -> None:
    printed = text_of(file("report.pdf"))
    assert "Kết quả thực hiện công tác trẻ em theo Kế hoạch 63/KH-UBND" in printed
    assert "Phụ lục. Số liệu theo xã, phường" in printed
    assert "NGƯỜI LẬP BIỂU" in printed


def test_what_the_form_wants_drawn_is_drawn_of_what_is_told_and_of_nothing_that_is_hidden() -> None:
    channels = [("hotline-111", 30), ("hospital", 12), ("school", None)]
    told = tuple(
        Frozen("reports-received", OCTOBER.code, "channel", code, n and float(n), n, None, "" if n else "protected")
        for code, n in channels
    )
    edition = replace(PUBLISHED, figures=(*PUBLISHED.figures, *told))
    word = docx.Document(io.BytesIO(file("report.docx", edition)))
    [picture] = word.inline_shapes
    said = picture._inline.docPr.get("descr")
    assert "Cao nhất" in said
    assert "30" in said
    titles = [one.text for one in word.paragraphs if "chỉ vẽ các số được công bố" in one.text]
    assert titles == ["Số tin báo, tố giác đã tiếp nhận, theo kênh tiếp nhận (chỉ vẽ các số được công bố)"]
    # The workbook has the same picture, and its title in a cell.
    workbook = file("report.xlsx", edition)
    assert _media(workbook) == _media(file("report.docx", edition))
    assert openpyxl.load_workbook(io.BytesIO(workbook))["Biểu đồ"]["A1"].value == titles[0]
    # Of what nobody may read there is no picture at all.
    nothing = tuple(one._replace(value=None, numerator=None, hidden="protected") for one in told)
    hidden = replace(PUBLISHED, figures=(*PUBLISHED.figures, *nothing))
    assert not docx.Document(io.BytesIO(file("report.docx", hidden))).inline_shapes
    assert _media(file("report.xlsx", hidden)) == []


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext reads the PDF back")
def test_the_words_of_a_drawing_are_printed() -> None:
    told = Frozen("reports-received", OCTOBER.code, "channel", "line-18008080", 321.0, 321, None)
    other = told._replace(category="school", value=654.0, numerator=654)
    printed = text_of(file("report.pdf", replace(PUBLISHED, figures=(*PUBLISHED.figures, told, other))))
    drawn = printed.partition("theo kênh tiếp nhận")[2]
    assert "321" in drawn
    assert "654" in drawn
    assert "18008080" in drawn


def test_what_the_plan_s_report_draws_is_counted_by_what_it_is_drawn_by() -> None:
    indicators = Indicators.load()
    drawn = [pair for part in PlanForms.load().on(PUBLISHED.at).parts() for pair in part.charts]
    assert drawn
    for code, dimension in drawn:
        indicator = indicators.get(code)
        assert indicator is not None
        assert dimension in indicator.by


def test_the_signed_file_is_the_very_bytes_that_were_signed() -> None:
    assert file("signed.json") == PUBLISHED.content()


def test_an_indicator_that_a_province_took_away_is_still_told(tmp_path: Any) -> None:
    """What was closed stays closed: its name is in the edition."""
    (tmp_path / "indicators.yaml").write_text("indicators:\n  hotline-calls: null\n")
    try:
        lay_over(tmp_path)
        assert "Số cuộc gọi 111 và 18008080" in _printed(PUBLISHED)
        assert len(rows(file("figures.csv"))) == len(PUBLISHED.figures)
    finally:
        lay_over(None)


@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize("edition", [PUBLISHED, EXACT], ids=["published", "exact"])
def test_every_file_can_be_written_of_every_edition(name: str, edition: Edition) -> None:
    assert len(file(name, edition)) > 100
