"""From a child's record to a Patient: the fields chosen, and no others."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from services.registry.domain.children import birth_text
from services.registry.domain.exporting import Leaving
from services.registry.exchange.fhir.names import (
    ABSENT,
    BIRTH_PLACE,
    CONFIDENTIALITY,
    IDENTIFIER_TYPES,
    OBSERVATION_VALUE,
    ROLES,
    TEXT_EXTENSIONS,
    code_system,
    extension,
)
from shared.contracts.vocabulary import ChildDescription, Person, Stay
from shared.reference.exchange import FhirWords

Json = dict[str, Any]


def patient_of(
    leaving: Leaving,
    fields: Collection[str],
    words: FhirWords,
    unit_name: Callable[[str], str],
    *,
    export_id: str | None = None,
) -> Json:
    """In: the record, the codes of the fields to be told, and how communes are called. Out: a Patient.

    `export_id`: of the export that it leaves with, written as a tag.
    """
    said = leaving.description
    found: Json = {
        "resourceType": "Patient",
        "id": leaving.id,
        "meta": _meta(leaving, words, export_id),
        "active": leaving.status == "active",
        "identifier": _identifiers(leaving, fields, words),
        "extension": _extensions(leaving, fields, words),
    }
    if "name" in fields and said.name:
        found["name"] = [_name(said.name)]
    if "sex" in fields:
        found["gender"] = said.sex
    if "birth_date" in fields and (born := birth_text(said)):
        found["birthDate"] = born
    if "status" in fields and leaving.status == "deceased":
        found["deceasedBoolean"] = True
    found["address"] = _addresses(leaving, fields, words, unit_name)
    if "carers" in fields:
        found["contact"] = [_contact(carer, words) for carer in said.carers if any(dict(carer).values())]
    return {name: value for name, value in found.items() if value not in ([], {})}


def replaced(child_id: str, by: str) -> Json:
    """A record that was merged: it stands for another one from now."""
    link = {"other": {"reference": f"Patient/{by}"}, "type": "replaced-by"}
    return {"resourceType": "Patient", "id": child_id, "active": False, "link": [link]}


def known_by_id(leaving: Leaving, words: FhirWords) -> Json:
    """A Patient that tells nothing but which record it is: for those who may not read it."""
    found = patient_of(leaving, {"id"}, words, str)
    found["meta"]["tag"] = [{"system": OBSERVATION_VALUE, "code": "SUBSETTED"}]
    return found


def _meta(leaving: Leaving, words: FhirWords, export_id: str | None) -> Json:
    found: Json = {
        "versionId": str(leaving.version),
        "lastUpdated": leaving.changed_at.isoformat(timespec="milliseconds"),
        "security": [{"system": CONFIDENTIALITY, "code": "R"}],
    }
    if export_id:
        found["tag"] = [{"system": code_system(words.base, "export"), "code": export_id}]
    return found


def _identifiers(leaving: Leaving, fields: Collection[str], words: FhirWords) -> list[Json]:
    found = []
    for name, known in words.identifiers.items():
        value = leaving.id if name == "id" else getattr(leaving.description, name)
        if name in fields and value:
            kind = {"coding": [{"system": IDENTIFIER_TYPES, "code": known.type}]}
            found.append({"type": kind, "system": known.system, "value": value})
    return found


def _name(name: str) -> Json:
    parts = name.split()
    found: Json = {"use": "official", "text": name}
    if parts:
        found["family"] = parts[0]
    if parts[1:]:
        found["given"] = parts[1:]
    return found


def _extensions(leaving: Leaving, fields: Collection[str], words: FhirWords) -> list[Json]:
    said = leaving.description
    found: list[Json] = []

    def add(name: str, kind: str, value: object) -> None:
        found.append({"url": extension(words.base, name), f"value{kind}": value})

    for field, name in TEXT_EXTENSIONS.items():
        if field in fields and (value := getattr(said, field)):
            add(name, "String", value)
    if "birth_date" in fields and said.age is not None:
        add("estimated-age", "UnsignedInt", said.age)
    if "birth_place" in fields and said.birth_place:
        found.append({"url": BIRTH_PLACE, "valueAddress": {"text": said.birth_place}})
    if "ethnicity" in fields and (said.ethnicity or said.ethnicity_code):
        add("ethnicity", "CodeableConcept", _ethnicity(said, words))
    if "disability" in fields:
        for kind in said.disability_kinds:
            add("disability-kind", "Code", kind)
        if said.disability_level:
            add("disability-level", "Code", said.disability_level)
    if "circumstances" in fields:
        for code in leaving.circumstances:
            add("circumstance", "Code", code)
    if "state" in fields:
        add("verification", "Code", leaving.state)
    if "verified_on" in fields and leaving.verified_on:
        add("verified-on", "Date", leaving.verified_on.isoformat())
    return found


def _ethnicity(said: ChildDescription, words: FhirWords) -> Json:
    found: Json = {}
    if said.ethnicity_code:
        name = f"ethnicity-{said.ethnicity_list}" if said.ethnicity_list else "ethnicity"
        found["coding"] = [{"system": code_system(words.base, name), "code": said.ethnicity_code}]
    if said.ethnicity:
        found["text"] = said.ethnicity
    return found


def _addresses(
    leaving: Leaving, fields: Collection[str], words: FhirWords, unit_name: Callable[[str], str]
) -> list[Json]:
    said = leaving.description
    home = _address(
        words,
        unit_name,
        unit=leaving.unit if "unit" in fields else None,
        line=said.address if "address" in fields else None,
        hamlet=said.hamlet if "hamlet" in fields else None,
    )
    found = [{"use": "home", **home}] if home else []
    if "stay" in fields and said.stay is not None and (temporary := _stay(said.stay, words, unit_name)):
        found.append({"use": "temp", **temporary})
    return found


def _stay(stay: Stay, words: FhirWords, unit_name: Callable[[str], str]) -> Json:
    found = _address(words, unit_name, unit=stay.unit, line=stay.address, hamlet=stay.hamlet)
    if stay.since:
        found["period"] = {"start": stay.since.isoformat()}
    return found


def _address(
    words: FhirWords, unit_name: Callable[[str], str], *, unit: str | None, line: str | None, hamlet: str | None
) -> Json:
    found: Json = {}
    extensions = []
    if unit:
        extensions.append({"url": extension(words.base, "commune-code"), "valueCode": unit})
        found["city"] = unit_name(unit)
    if hamlet:
        extensions.append({"url": extension(words.base, "hamlet"), "valueString": hamlet})
    if extensions:
        found["extension"] = extensions
    if line:
        found["line"] = [line]
    return found


def _contact(carer: Person, words: FhirWords) -> Json:
    found: Json = {}
    if carer.relation:
        found["relationship"] = [{"text": carer.relation}]
        if code := words.relation_code(carer.relation):
            found["relationship"][0]["coding"] = [{"system": ROLES, "code": code}]
    # FHIR's rule pat-1: a contact has at least a name, an address or a telephone.
    absent = {"_text": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}
    found["name"] = {"text": carer.name} if carer.name else absent
    if carer.phone:
        found["telecom"] = [{"system": "phone", "value": carer.phone}]
    if carer.address:
        found["address"] = {"text": carer.address}
    return found
