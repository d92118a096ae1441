"""Figures as DHIS2's `dataValueSets` (Web API 2.40), and the metadata that gives its identifiers a meaning.

An indicator's whole and its communes are one data element; each breakdown is another, with a category combination of
its own. Identifiers are made of our codes, the same at every export. What is hidden is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

from services.stats.domain.closing import Frozen
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period, Span
from services.stats.exporting.delimited import plain
from services.stats.exporting.labels import Labels
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.calendar import local_day
from shared.reference.exchange import Dhis2Words
from shared.reference.units import Units

_TYPES: Final[Mapping[Span, str]] = {
    "month": "Monthly",
    "quarter": "Quarterly",
    "half-year": "SixMonthly",
    "year": "Yearly",
}
_SIGNS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PREFIX: Final = "vt"
_LENGTH: Final = 11
_SHORT: Final = 50
_NAME: Final = 230


def write_data_values(labels: Labels) -> bytes:
    """A body for `POST /api/dataValueSets`: the period's own figures."""
    period = labels.edition.period
    values = [
        {
            "dataElement": element_of(figure),
            "period": period_of(period),
            "orgUnit": _org_unit(figure),
            **_option_combo(figure),
            "value": plain(figure.value),
        }
        for figure in _told(labels)
    ]
    at = local_day(labels.edition.at).isoformat()
    return orjson.dumps({"dataSet": uid("set", _TYPES[period.span]), "completeDate": at, "dataValues": values})


def write_metadata(labels: Labels) -> bytes:
    """A body for `POST /api/metadata`: what the identifiers of this edition's values mean."""
    elements: dict[str, dict[str, Any]] = {}
    options: dict[str, dict[str, Any]] = {}
    categories: dict[str, dict[str, Any]] = {}
    combos: dict[str, dict[str, Any]] = {}
    option_combos: dict[str, dict[str, Any]] = {}
    for figure in labels.own():
        element = element_of(figure)
        named = labels.names[figure.indicator]
        broken_down = figure.dimension not in {TOTAL, UNIT}
        by = labels.words.dimension(figure.dimension) if broken_down else ""
        combo = uid("combo", figure.indicator, figure.dimension)
        elements[element] = {
            "id": element,
            "code": f"{figure.indicator}.{figure.dimension}" if broken_down else figure.indicator,
            **_named(f"{named.vi}: {by}" if broken_down else named.vi, element),
            "domainType": "AGGREGATE",
            "valueType": "NUMBER",
            # A share or a median of communes is no sum of theirs.
            "aggregationType": "SUM" if named.unit == "number" else "NONE",
            **({"categoryCombo": {"id": combo}} if broken_down else {}),
        }
        if not broken_down:
            continue
        option = uid("option", figure.indicator, figure.dimension, figure.category)
        said = labels.category(figure.indicator, figure.dimension, figure.category)
        options[option] = {"id": option, **_named(said, option)}
        category = uid("category", figure.indicator, figure.dimension)
        known = categories.setdefault(
            category,
            {"id": category, **_named(by, category), "dataDimensionType": "DISAGGREGATION", "categoryOptions": []},
        )
        known["categoryOptions"].append({"id": option})
        combos[combo] = {
            "id": combo,
            **_named(f"{by}: {named.vi}", combo),
            "dataDimensionType": "DISAGGREGATION",
            "categories": [{"id": category}],
        }
        both = _option_combo(figure)["categoryOptionCombo"]
        option_combos[both] = {
            "id": both,
            "name": said[:_NAME],
            "categoryCombo": {"id": combo},
            "categoryOptions": [{"id": option}],
        }
    span = _TYPES[labels.edition.period.span]
    data_set = {
        "id": uid("set", span),
        **_named(f"Vòng Tay, {span}", uid("set", span)),
        "periodType": span,
        "dataSetElements": [{"dataElement": {"id": element}} for element in elements],
    }
    return orjson.dumps(
        {
            "categoryOptions": list(options.values()),
            "categories": list(categories.values()),
            "categoryCombos": list(combos.values()),
            "categoryOptionCombos": list(option_combos.values()),
            "dataElements": list(elements.values()),
            "dataSets": [data_set],
        }
    )


def uid(*parts: str) -> str:
    """A DHIS2 identifier (a letter, then ten letters or digits) that the same words always have."""
    number = int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "big")
    signs = ""
    for _ in range(_LENGTH - len(_PREFIX)):
        number, at = divmod(number, len(_SIGNS))
        signs += _SIGNS[at]
    return _PREFIX + signs


def element_of(figure: Frozen) -> str:
    """The data element that a figure is a value of."""
    return uid("element", figure.indicator, "" if figure.dimension in {TOTAL, UNIT} else figure.dimension)


def period_of(period: Period) -> str:
    """A period as DHIS2 writes it: 202610, 2026Q4, 2026S2, 2026."""
    return period.code.replace("-H", "S").replace("-", "")


def _told(labels: Labels) -> Iterator[Frozen]:
    for figure in labels.own():
        # What lies in no known commune has no orgUnit: it is in the province's whole.
        nowhere = figure.dimension == UNIT and figure.category in {"", UNCLASSIFIED}
        if figure.value is not None and not nowhere:
            yield figure


def _org_unit(figure: Frozen) -> str:
    prefix = Dhis2Words.load().org_unit_prefix
    code = figure.category if figure.dimension == UNIT else Units.load().province()
    return f"{prefix}{code:0>5}"


def _option_combo(figure: Frozen) -> dict[str, str]:
    if figure.dimension in {TOTAL, UNIT}:
        return {}
    return {"categoryOptionCombo": uid("option-combo", figure.indicator, figure.dimension, figure.category)}


def _named(name: str, identifier: str) -> dict[str, str]:
    """DHIS2 asks that short names differ: cut off, two of ours may be alike."""
    short = name if len(name) <= _SHORT else f"{name[: _SHORT - 5]} {identifier[-4:]}"
    return {"name": name[:_NAME], "shortName": short}
