"""Which files there are of an edition, and how each is written. CPU work: whoever serves people does it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.stats.domain.closing import Edition, digest
from services.stats.exporting.delimited import write_csv
from services.stats.exporting.dhis2 import write_data_values, write_metadata
from services.stats.exporting.labels import Labels
from services.stats.exporting.report import report
from services.stats.exporting.sdmx import write_sdmx_csv, write_sdmx_json
from services.stats.exporting.workbook import write_workbook
from services.stats.views import Words
from shared.documents import Document, write_docx, write_pdf
from shared.files.sheets import CSV_MEDIA, XLSX_MEDIA
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicators
from shared.reference.plan_report import PlanForm, PlanForms
from shared.web.downloads import DOCX_TYPE, PDF_TYPE

JSON_MEDIA: Final = "application/json"
Writing = Callable[["Paper"], bytes]


@dataclass(frozen=True)
class Paper:
    """An edition about to be written. `content`: the very bytes that were signed, where they are handed out."""

    labels: Labels
    content: bytes

    @property
    def digest(self) -> bytes:
        """By which a paper says which edition it is."""
        return digest(self.content)

    @property
    def form(self) -> PlanForm:
        """The plan's form that was in force when the figures were frozen."""
        return PlanForms.load().on(self.labels.edition.at)

    def document(self) -> Document:
        """The report as a paper."""
        day = local_day(self.labels.edition.at)
        return report(self.labels, self.form, self.digest, day)


@dataclass(frozen=True)
class File:
    """A kind of file. `name`: behind the period's code; `title`: a msgid."""

    name: str
    media: str
    title: str
    write: Writing


FILES: Final[Mapping[str, File]] = {
    file.name: file
    for file in (
        File("report.docx", DOCX_TYPE, "Báo cáo, Word", lambda paper: write_docx([paper.document()])),
        File("report.pdf", PDF_TYPE, "Báo cáo, PDF", lambda paper: write_pdf([paper.document()])),
        File(
            "report.xlsx",
            XLSX_MEDIA,
            "Báo cáo và mọi số liệu, Excel",
            lambda paper: write_workbook(paper.labels, paper.form, paper.digest),
        ),
        File("figures.csv", CSV_MEDIA, "Mọi số liệu, CSV", lambda paper: write_csv(paper.labels)),
        File(
            "figures.sdmx.csv",
            "application/vnd.sdmx.data+csv; version=2.0.0",
            "SDMX-CSV 2.0",
            lambda paper: write_sdmx_csv(paper.labels),
        ),
        File(
            "figures.sdmx.json",
            "application/vnd.sdmx.data+json; version=2.0.0",
            "SDMX-JSON 2.0",
            lambda paper: write_sdmx_json(paper.labels),
        ),
        File("dhis2.json", JSON_MEDIA, "DHIS2, dataValueSets", lambda paper: write_data_values(paper.labels)),
        File("dhis2-metadata.json", JSON_MEDIA, "DHIS2, metadata", lambda paper: write_metadata(paper.labels)),
        File("signed.json", JSON_MEDIA, "Bản gốc đã ký số, JSON", lambda paper: paper.content),
    )
}


def write(name: str, content: bytes, words: Words) -> bytes:
    """An edition as a file. In: a name of `FILES`, the signed bytes, words. Raises KeyError for another name."""
    labels = Labels(Edition.read(content), words, Indicators.load())
    return FILES[name].write(Paper(labels, content))
