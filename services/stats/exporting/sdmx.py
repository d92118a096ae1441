"""Figures as SDMX 3.0: SDMX-CSV 2.0 and an SDMX-JSON 2.0 data message, by one data structure.

Dimensions: FREQ, INDICATOR, REF_AREA (the province's or a commune's code), BREAKDOWN and CATEGORY (`_T`: the whole),
TIME_PERIOD. Codes of SDMX's own lists (CL_FREQ 2.1, CL_OBS_STATUS 2.2, CL_CONF_STATUS 1.3) where it has one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from services.stats.domain.closing import Frozen
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period, Span
from services.stats.exporting.delimited import plain
from services.stats.exporting.labels import Labels
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.units import Units
from shared.web.i18n import iso

AGENCY: Final = "VONGTAY"
STRUCTURE: Final = f"{AGENCY}:CHILDREN(1.0.0)"
_SCHEMA: Final = "https://json.sdmx.org/2.0.0/sdmx-json-data-schema.json"
_URN: Final = f"urn:sdmx:org.sdmx.infomodel.datastructure.Dataflow={STRUCTURE}"
DIMENSIONS: Final = ("FREQ", "INDICATOR", "REF_AREA", "BREAKDOWN", "CATEGORY", "TIME_PERIOD")
MEASURES: Final = ("OBS_VALUE", "NUMERATOR", "DENOMINATOR")
ATTRIBUTES: Final = ("UNIT_MEASURE", "OBS_STATUS", "CONF_STATUS")
_FREQUENCIES: Final[Mapping[Span, str]] = {"month": "M", "quarter": "Q", "half-year": "S", "year": "A"}
_UNITS: Final = {"number": "NUMBER", "percent": "PT", "hours": "H", "days": "D"}
_WHOLE: Final = "_T"
_UNKNOWN: Final = "_U"
_NO_CODE: Final = re.compile(r"[^A-Za-z0-9_@$-]")
_NAMES: Final = {
    "FREQ": "Frequency",
    "INDICATOR": "Indicator",
    "REF_AREA": "Reference area",
    "BREAKDOWN": "Breakdown",
    "CATEGORY": "Category",
    "TIME_PERIOD": "Time period",
    "OBS_VALUE": "Observation value",
    "NUMERATOR": "Numerator",
    "DENOMINATOR": "Denominator",
    "UNIT_MEASURE": "Unit of measure",
    "OBS_STATUS": "Observation status",
    "CONF_STATUS": "Confidentiality status",
}
_STATUSES: Final = {
    "A": "Normal value",
    "M": "Missing value; data cannot exist",
    "Q": "Missing value; suppressed",
    "F": "Free",
    "N": "Not for publication, restricted for internal use only",
    "C": "Confidential statistical information",
}


class Observation(NamedTuple):
    """One figure by SDMX's codes: `key` in the order of `DIMENSIONS`, with what each code is called."""

    key: tuple[str, ...]
    names: tuple[str, ...]
    measures: tuple[float | int | None, ...]
    attributes: tuple[str, ...]


def observations(labels: Labels) -> Iterator[Observation]:
    """Every figure of an edition."""
    units = Units.load()
    for figure in labels.figures:
        period = Period.parse(figure.period)
        named = labels.names[figure.indicator]
        area = figure.category if figure.dimension == UNIT else units.province()
        broken_down = figure.dimension not in {TOTAL, UNIT}
        breakdown = figure.dimension if broken_down else _WHOLE
        category = figure.category if broken_down else _WHOLE
        language = labels.words.language
        yield Observation(
            key=(
                _FREQUENCIES[period.span],
                figure.indicator,
                _area(area),
                code_of(breakdown),
                code_of(category),
                time_of(period),
            ),
            names=(
                period.span,
                named.label(language),
                labels.words.unit(area) if figure.dimension == UNIT else units.province_name(language),
                labels.words.dimension(figure.dimension) if broken_down else labels.words("Tất cả"),
                labels.category(figure.indicator, figure.dimension, figure.category)
                if broken_down
                else labels.words("Tất cả"),
                labels.words.period(period),
            ),
            measures=(figure.value, figure.numerator, figure.denominator),
            attributes=(_UNITS.get(named.unit, named.unit.upper()), _status(figure), _confidence(labels, figure)),
        )


def write_sdmx_csv(labels: Labels) -> bytes:
    """SDMX-CSV 2.0: information, codes only. A hidden figure has no value, and says that it is suppressed."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(("STRUCTURE", "STRUCTURE_ID", "ACTION", *DIMENSIONS, *MEASURES, *ATTRIBUTES))
    for one in observations(labels):
        values = (plain(None if value is None else float(value)) or "" for value in one.measures)
        rows.writerow(("dataflow", STRUCTURE, "I", *one.key, *values, *one.attributes))
    return out.getvalue().encode()


def write_sdmx_json(labels: Labels) -> bytes:
    """An SDMX-JSON 2.0 data message: a flat set of observations, each by the places of its codes in the lists."""
    lists: list[dict[str, int]] = [{} for _ in DIMENSIONS]
    called: list[list[str]] = [[] for _ in DIMENSIONS]
    attributes: list[dict[str, int]] = [{} for _ in ATTRIBUTES]
    found: dict[str, list[Any]] = {}
    for one in observations(labels):
        places = []
        for at, (code, name) in enumerate(zip(one.key, one.names, strict=True)):
            if code not in lists[at]:
                lists[at][code] = len(lists[at])
                called[at].append(name)
            places.append(lists[at][code])
        values = [attributes[at].setdefault(code, len(attributes[at])) for at, code in enumerate(one.attributes)]
        found[":".join(map(str, places))] = [*one.measures, *values]
    language = labels.words.language
    structure = {
        "links": [{"urn": _URN, "rel": "dataflow"}],
        "dataSets": [0],
        "dimensions": {
            "observation": [_component(name, at, list(lists[at]), called[at]) for at, name in enumerate(DIMENSIONS)]
        },
        "measures": {"observation": [{"id": name, "name": _NAMES[name]} for name in MEASURES]},
        "attributes": {
            "observation": [
                _component(name, None, list(attributes[at]), [_STATUSES.get(code, code) for code in attributes[at]])
                for at, name in enumerate(ATTRIBUTES)
            ]
        },
    }
    message = {
        "meta": {
            "schema": _SCHEMA,
            "id": _NO_CODE.sub("-", f"{AGENCY}-{labels.edition.number}"),
            "prepared": iso(labels.edition.at),
            "test": False,
            "contentLanguages": [language],
            "sender": {"id": AGENCY},
        },
        "data": {
            "structures": [structure],
            "dataSets": [{"structure": 0, "action": "Information", "observations": found}],
        },
    }
    return orjson.dumps(message)


def time_of(period: Period) -> str:
    """A period as SDMX writes it (Gregorian, or a standard reporting period)."""
    return period.code.replace("-H", "-S")


def code_of(text: str) -> str:
    """A word of ours as an SDMX identifier."""
    return _NO_CODE.sub("_", text) or _UNKNOWN


def _area(code: str) -> str:
    return _UNKNOWN if code in {"", UNCLASSIFIED} else code_of(code)


def _status(figure: Frozen) -> str:
    if figure.hidden:
        return "Q"
    return "M" if figure.value is None else "A"


def _confidence(labels: Labels, figure: Frozen) -> str:
    if figure.hidden:
        return "C"
    return "F" if labels.edition.audience == "published" else "N"


def _component(name: str, at: int | None, codes: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    place = {} if at is None else {"keyPosition": at}
    values = [{"id": code, "name": said} for code, said in zip(codes, names, strict=True)]
    return {"id": name, "name": _NAMES[name], **place, "values": values}
