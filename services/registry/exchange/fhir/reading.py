"""From a Patient of another system to what it says of a child; what the registry has no place for is named, not lost
in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from fhir.resources.R4B.patient import Patient
from pydantic import ValidationError

from services.registry.exchange.fhir.names import BIRTH_PLACE, ROLES, TEXT_EXTENSIONS, code_system, extension
from services.registry.exchange.incoming import Incoming, day_of, left_out, refused
from shared.contracts.errors import Rejected, Violation, refuse_unstorable
from shared.contracts.vocabulary import ChildDescription
from shared.reference.exchange import FhirWords

Json = Mapping[str, Any]
# What is read, and what tells nothing about the child.
_READ: Final = frozenset({"identifier", "name", "gender", "birthDate", "address", "contact", "extension", "active"})
_ABOUT: Final = frozenset({"resourceType", "id", "meta", "text", "language"})
_GENDERS: Final = {"male": "male", "female": "female", "unknown": "unknown"}
_PATHS: Final = {
    "name": "Patient.name",
    "birth_date": "Patient.birthDate",
    "age": "Patient.extension",
    "sex": "Patient.gender",
    "number": "Patient.identifier",
    "birth_certificate": "Patient.identifier",
    "health_insurance": "Patient.identifier",
    "carers": "Patient.contact",
    "as_of": "Patient.meta.lastUpdated",
    "unit": "Patient.address",
    "address": "Patient.address",
    "hamlet": "Patient.address",
    "stay": "Patient.address",
    "source_id": "Patient.identifier",
}
_EXTENDED: Final = frozenset({"circumstance", *ChildDescription.model_fields})


def path_of(field: str) -> str:
    """Where in a Patient a field of the registry stands."""
    first = field.partition(".")[0]
    return _PATHS.get(first, "Patient.extension" if first in _EXTENDED else field)


def read_patient(document: object, words: FhirWords) -> Incoming:
    """What a Patient says; never raises for what is wrong with it (`wrong`, `left_out` tell)."""
    if not isinstance(document, dict) or document.get("resourceType") != "Patient":
        return Incoming(None, wrong=(_NO_PATIENT,))
    try:
        refuse_unstorable(document, "Patient")
    except Rejected as rejected:
        return Incoming(None, wrong=rejected.violations)
    if wrong := _structure(document):
        return Incoming(_source_id(document, words), wrong=tuple(wrong))
    return _Reading(document, words).read()


def _structure(document: Json) -> list[Violation]:
    """What breaks FHIR's own rules."""
    found: dict[str, Violation] = {}
    for name in ("implicitRules", "modifierExtension"):
        if name in document:
            found[name] = refused(f"Patient.{name}", "must-understand", "không hiểu được", "cannot be understood")
    try:
        Patient.model_validate(document)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            place = ".".join(["Patient", *(str(part) for part in item["loc"])])
            vi, en = (
                ("không có trong FHIR R4", "is not an element of FHIR R4")
                if item["type"] == "extra_forbidden"
                else ("không đúng kiểu của FHIR R4", "is not of the type that FHIR R4 asks for")
            )
            found.setdefault(place, refused(place, "fhir-structure", vi, en))
    return list(found.values())


def _source_id(document: Json, words: FhirWords) -> str | None:
    """The sender's own id: an identifier of a system that is not ours, else the resource's id."""
    listed = document.get("identifier")
    for identifier in listed if isinstance(listed, list) else []:
        if not isinstance(identifier, dict):
            continue
        system, value = identifier.get("system"), identifier.get("value")
        if isinstance(system, str) and isinstance(value, str) and value and words.field_of(system) is None:
            return f"{system}|{value}"
    own = document.get("id")
    return own if isinstance(own, str) and own else None


class _Reading:
    """One Patient that FHIR's own rules allow."""

    def __init__(self, document: Json, words: FhirWords) -> None:
        self._document = document
        self._words = words
        self._said: dict[str, Any] = {}
        self._unit: str | None = None
        self._place: str | None = None
        self._circumstances: list[str] = []
        self._as_of: date | None = None
        self._wrong: list[Violation] = []
        self._left_out: list[Violation] = []

    def read(self) -> Incoming:
        document = self._document
        # A name that begins with _ belongs to the element of that name; elements of its own are told as such.
        for name in document:
            if name.lstrip("_") not in _READ | _ABOUT:
                self._left_out.append(left_out(f"Patient.{name}"))
        if document.get("active") is False:
            self._wrong.append(
                refused(
                    "Patient.active",
                    "inactive",
                    "cho biết hồ sơ đã ngừng dùng",
                    "says that the record is no longer in use",
                )
            )
        self._meta(document.get("meta") or {})
        self._identifiers(document.get("identifier") or [])
        self._name(document.get("name") or [])
        self._gender(document.get("gender"))
        if born := document.get("birthDate"):
            self._birth(str(born))
        self._addresses(document.get("address") or [])
        self._said["carers"] = [self._carer(contact) for contact in document.get("contact") or []]
        for one in document.get("extension") or []:
            self._extension(one)
        return self._result()

    def _result(self) -> Incoming:
        description = ChildDescription()
        self._said["carers"] = [carer for carer in self._said["carers"] if any(carer.values())]
        try:
            description = ChildDescription.model_validate(self._said)
        except ValidationError as error:
            for item in error.errors(include_input=False, include_url=False, include_context=False):
                place = path_of(str(item["loc"][0]))
                self._wrong.append(
                    refused(place, "value-invalid", "quá dài hoặc không hợp lệ", "is too long or not valid")
                )
        return Incoming(
            source_id=_source_id(self._document, self._words),
            description=description,
            unit=self._unit,
            place=self._place,
            circumstances=tuple(dict.fromkeys(self._circumstances)),
            as_of=self._as_of,
            wrong=tuple(self._wrong),
            left_out=tuple(self._left_out),
        )

    def _meta(self, meta: Json) -> None:
        if updated := meta.get("lastUpdated"):
            self._as_of = day_of(str(updated))
            if self._as_of is None:
                self._wrong.append(
                    refused(
                        "Patient.meta.lastUpdated", "out-of-calendar", "không phải thời điểm có thật", "is no real time"
                    )
                )

    def _identifiers(self, identifiers: Iterable[Json]) -> None:
        for place, identifier in enumerate(identifiers):
            field = self._words.field_of(identifier.get("system") or "")
            if field is None:
                if f"{identifier.get('system')}|{identifier.get('value')}" != _source_id(self._document, self._words):
                    self._left_out.append(left_out(f"Patient.identifier[{place}]"))
            elif field != "id" and field not in self._said and identifier.get("use") != "old":
                self._said[field] = identifier.get("value")

    def _name(self, names: list[Json]) -> None:
        usable = [name for name in names if name.get("use") not in {"old", "nickname", "maiden"}]
        chosen = next((name for name in usable if name.get("use") == "official"), next(iter(usable), None))
        for place, name in enumerate(names):
            if name is not chosen:
                self._left_out.append(left_out(f"Patient.name[{place}]"))
        if chosen is not None:
            # Vietnamese names are written from the family name on; a text says it as the source does.
            parts = [chosen.get("family"), *(chosen.get("given") or [])]
            self._said["name"] = chosen.get("text") or " ".join(part for part in parts if part) or None

    def _gender(self, gender: object) -> None:
        if gender is not None and gender not in _GENDERS:
            self._left_out.append(left_out("Patient.gender"))
        self._said["sex"] = _GENDERS.get(str(gender), "unknown")

    def _birth(self, born: str) -> None:
        precision = {4: "year", 7: "month"}.get(len(born))
        try:
            self._said["birth_date"] = date.fromisoformat(born + "-01-01"[len(born) - 4 :] if precision else born)
        except ValueError:
            self._wrong.append(
                refused("Patient.birthDate", "date-invalid", "không phải ngày có thật", "is no real date")
            )
            return
        if precision:
            self._said["birth_precision"] = precision

    def _addresses(self, addresses: Iterable[Json]) -> None:
        homes = 0
        for place, address in enumerate(addresses):
            path = f"Patient.address[{place}]"
            told = self._address(address, path)
            if address.get("use") == "temp" and "stay" not in self._said:
                start = (address.get("period") or {}).get("start")
                self._said["stay"] = {**told, "since": str(start)[:10] if start and len(str(start)) >= 10 else None}
            elif address.get("use") in {None, "home"} and address.get("type") != "postal" and not homes:
                homes += 1
                self._unit = told.pop("unit")
                self._place = ", ".join(
                    str(address[part]) for part in ("city", "district", "state") if address.get(part)
                ) or address.get("text")
                self._said.update(told)
            else:
                self._left_out.append(left_out(path))

    def _address(self, address: Json, path: str) -> dict[str, Any]:
        lines = ", ".join(line for line in address.get("line") or [] if line)
        told: dict[str, Any] = {"unit": None, "hamlet": None, "address": lines or address.get("text")}
        for one in address.get("extension") or []:
            if one.get("url") == extension(self._words.base, "commune-code"):
                told["unit"] = one.get("valueCode") or one.get("valueString")
            elif one.get("url") == extension(self._words.base, "hamlet"):
                told["hamlet"] = one.get("valueString")
            else:
                self._left_out.append(left_out(f"{path}.extension"))
        return told

    def _carer(self, contact: Json) -> dict[str, Any]:
        name = contact.get("name") or {}
        parts = [name.get("family"), *(name.get("given") or [])]
        concepts = contact.get("relationship") or []
        relation = next((concept["text"] for concept in concepts if concept.get("text")), None)
        if relation is None:
            codes = [
                c.get("code") for concept in concepts for c in concept.get("coding") or [] if c.get("system") == ROLES
            ]
            relation = next((said for code in codes if (said := self._words.relation_words(str(code)))), None)
        phones = [t.get("value") for t in contact.get("telecom") or [] if t.get("system") in {None, "phone", "sms"}]
        address = contact.get("address") or {}
        return {
            "name": name.get("text") or " ".join(part for part in parts if part) or None,
            "relation": relation,
            "phone": next(iter(phones), None),
            "address": address.get("text") or ", ".join(line for line in address.get("line") or [] if line) or None,
        }

    def _extension(self, one: Json) -> None:
        base, url = self._words.base, one.get("url")
        texts = {extension(base, name): field for field, name in TEXT_EXTENSIONS.items()}
        if url in texts:
            self._said[texts[str(url)]] = one.get("valueString")
        elif url == extension(base, "estimated-age"):
            self._said["age"] = one.get("valueUnsignedInt")
        elif url == BIRTH_PLACE:
            place = one.get("valueAddress") or {}
            self._said["birth_place"] = place.get("text") or place.get("city")
        elif url == extension(base, "ethnicity"):
            self._ethnicity(one.get("valueCodeableConcept") or {})
        elif url == extension(base, "disability-kind"):
            self._said.setdefault("disability_kinds", []).append(one.get("valueCode"))
        elif url == extension(base, "disability-level"):
            self._said["disability_level"] = one.get("valueCode")
        elif url == extension(base, "circumstance"):
            self._circumstances.append(str(one.get("valueCode")))
        elif url not in {extension(base, "verification"), extension(base, "verified-on")}:
            self._left_out.append(left_out("Patient.extension"))

    def _ethnicity(self, concept: Json) -> None:
        self._said["ethnicity"] = concept.get("text")
        lists = {code_system(self._words.base, f"ethnicity-{name}"): name for name in ("121-tctk", "gso")}
        lists[code_system(self._words.base, "ethnicity")] = ""
        for coding in concept.get("coding") or []:
            if coding.get("system") in lists:
                self._said["ethnicity_code"] = coding.get("code")
                self._said["ethnicity_list"] = lists[coding["system"]] or None
                return


_NO_PATIENT = refused("resourceType", "no-patient", "phải là «Patient»", "must be «Patient»")
