"""Children as DHIS2 tracked entities (`/api/tracker`, 2.40 and later), out and in, with DHIS2's own import report."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from services.registry.domain.exporting import Leaving
from services.registry.exchange.incoming import Incoming, day_of, left_out, refused
from services.registry.exchange.intake import Outcome
from shared.contracts.errors import Rejected, Violation, refuse_unstorable
from shared.contracts.vocabulary import ChildDescription
from shared.reference.exchange import Attribute, Dhis2Words

Json = dict[str, Any]
MEDIA: Final = "application/json"
_UID: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{10}")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# A record's field that goes with another one where fields are chosen.
_GOES_WITH: Final = {
    "birth_precision": "birth_date",
    "age": "birth_date",
    "disability_kinds": "disability",
    "disability_level": "disability",
}
_LISTS: Final = frozenset({"circumstances", "disability_kinds"})
_STATUSES: Final = {"active": "ACTIVE", "deceased": "CANCELLED", "moved-away": "CANCELLED"}
_LONGEST_TEXT: Final = 50_000
_READ: Final = frozenset({"trackedEntity", "trackedEntityType", "orgUnit", "attributes", "enrollments", "updatedAt"})
# DHIS2 writes these itself; coming back they tell nothing about the child.
_ABOUT: Final = frozenset(
    {"createdAt", "createdAtClient", "updatedAtClient", "createdBy", "updatedBy", "storedBy", "inactive", "deleted",
     "potentialDuplicate", "programOwners", "relationships"}
)  # fmt: skip


def uid_of(text: str) -> str:
    """A DHIS2 identifier (11 signs, a letter first), always the same for the same text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:12])
    number, first = divmod(number, 52)
    signs = [_LETTERS[first]]
    for _ in range(10):
        number, place = divmod(number, 62)
        signs.append(_LETTERS[place])
    return "".join(signs)


def entity_of(leaving: Leaving, fields: Collection[str], words: Dhis2Words, *, export_id: str) -> Json:
    """A child as a tracked entity with its enrolment: the fields chosen, and no others."""
    uid = uid_of(leaving.id)
    place = {"orgUnit": f"{words.org_unit_prefix}{leaving.unit}"} if leaving.unit else {}
    day = leaving.confirmed_on.isoformat()
    return {
        "trackedEntity": uid,
        "trackedEntityType": words.tracked_entity_type,
        **place,
        "updatedAt": leaving.changed_at.isoformat(timespec="milliseconds"),
        "storedBy": f"vongtay export {export_id}",
        "attributes": [
            {"attribute": known.uid, "code": known.code, "valueType": known.type, "value": value}
            for known in words.attributes
            if _GOES_WITH.get(lead := known.field.split(".")[0], lead) in fields
            and (value := _written(known, leaving)) is not None
        ],
        "enrollments": [
            {
                "enrollment": uid_of(f"enrollment {leaving.id}"),
                "trackedEntity": uid,
                "program": words.program,
                **place,
                "enrolledAt": day,
                "occurredAt": day,
                "status": _STATUSES.get(leaving.status, "COMPLETED"),
            }
        ],
    }


def _written(known: Attribute, leaving: Leaving) -> str | None:
    value = _value(known.field, leaving)
    if value is None or value == []:
        return None
    if known.options is not None:
        return known.options.get(str(value))
    if isinstance(value, date):
        return value.isoformat()
    return ",".join(value) if isinstance(value, list) else str(value)


def _value(field: str, leaving: Leaving) -> Any:
    if field == "id":
        return leaving.id
    if field == "circumstances":
        return list(leaving.circumstances)
    first, *rest = field.split(".")
    value = getattr(leaving.description, first)
    if not rest:
        return value
    place = int(rest[0])
    return getattr(value[place], rest[1]) if place < len(value) else None


def read_payload(document: object, most: int) -> list[Any]:
    """The tracked entities of a payload. Raises `Rejected`."""
    if not isinstance(document, dict) or not isinstance(document.get("trackedEntities"), list):
        raise Rejected([refused("trackedEntities", "property-missing", "phải là một danh sách", "must be a list")])
    others = [name for name in ("events", "relationships", "enrollments") if document.get(name)]
    if others:
        raise Rejected(
            [refused(name, "not-taken-alone", "không nhận riêng", "is not taken on its own") for name in others]
        )
    entities: list[Any] = document["trackedEntities"]
    if not 1 <= len(entities) <= most:
        raise Rejected(
            [refused("trackedEntities", "too-many", f"phải có từ 1 đến {most} mục", f"must have 1 to {most} items")]
        )
    return entities


def read_entity(entity: object, words: Dhis2Words) -> Incoming:
    """What a tracked entity says of a child; never raises for what is wrong with it."""
    if not isinstance(entity, dict):
        return Incoming(
            None, wrong=(refused("trackedEntity", "property-missing", "phải là đối tượng", "must be an object"),)
        )
    try:
        refuse_unstorable(entity, "trackedEntity")
    except Rejected as rejected:
        return Incoming(None, wrong=rejected.violations)
    return _Reading(entity, words).read()


class _Reading:
    """One tracked entity."""

    def __init__(self, entity: Mapping[str, Any], words: Dhis2Words) -> None:
        self._entity = entity
        self._words = words
        self._said: dict[str, Any] = {}
        self._carers: dict[int, dict[str, str]] = {}
        self._circumstances: list[str] = []
        self._wrong: list[Violation] = []
        self._left_out = [left_out(name) for name in entity if name not in _READ | _ABOUT]

    def read(self) -> Incoming:
        uid = self._entity.get("trackedEntity")
        if not isinstance(uid, str) or not _UID.fullmatch(uid):
            self._refuse(
                "trackedEntity", "uid-invalid", "phải là mã DHIS2 11 ký tự", "must be a DHIS2 identifier of 11 signs"
            )
            uid = None
        if self._entity.get("trackedEntityType") != self._words.tracked_entity_type:
            wanted = self._words.tracked_entity_type
            self._refuse("trackedEntityType", "entity-type-unknown", f"phải là {wanted}", f"must be {wanted}")
        unit = self._org_unit(self._entity.get("orgUnit"), "orgUnit", "unit-unknown")
        self._attributes(self._entity.get("attributes"))
        as_of = self._enrollments(self._entity.get("enrollments") or [])
        if (updated := self._entity.get("updatedAt")) is not None:
            as_of = day_of(str(updated))
            if as_of is None:
                self._refuse("updatedAt", "value-type", "không phải thời điểm có thật", "is no real time")
        self._said["carers"] = [self._carers[place] for place in sorted(self._carers)]
        description = ChildDescription()
        try:
            description = ChildDescription.model_validate(self._said)
        except ValidationError as error:
            for item in error.errors(include_input=False, include_url=False, include_context=False):
                place = ".".join(map(str, item["loc"]))
                self._refuse(
                    self._name_of(place), "value-type", "quá dài hoặc không hợp lệ", "is too long or not valid"
                )
        return Incoming(
            source_id=uid,
            description=description,
            unit=unit,
            circumstances=tuple(dict.fromkeys(self._circumstances)),
            as_of=as_of,
            wrong=tuple(self._wrong),
            left_out=tuple(self._left_out),
        )

    def _refuse(self, field: str, rule: str, vi: str, en: str) -> None:
        self._wrong.append(refused(field, rule, vi, en))

    def _name_of(self, field: str) -> str:
        known = next((one for one in self._words.attributes if field.startswith(one.field)), None)
        return f"attributes.{known.uid}" if known else field

    def _org_unit(self, value: object, field: str, rule: str) -> str | None:
        if value is None:
            self._refuse(field, "property-missing", "bị thiếu", "is missing")
            return None
        unit = self._words.unit_of(value) if isinstance(value, str) else None
        if unit is None:
            self._refuse(field, rule, "không phải mã xã, phường", "is no commune")
        return unit

    def _attributes(self, attributes: object) -> None:
        if not isinstance(attributes, list):
            self._refuse("attributes", "property-missing", "phải là một danh sách", "must be a list")
            return
        seen: set[str] = set()
        for item in attributes:
            uid, code = (item.get("attribute"), item.get("code")) if isinstance(item, dict) else (None, None)
            if not isinstance(uid or code, str):
                self._refuse(
                    "attributes", "attribute-missing-uid", "có mục thiếu mã", "has an item without an identifier"
                )
                continue
            known = self._words.attribute(uid, code)
            field = f"attributes.{uid or code}"[:60]
            if known is None:
                self._refuse(field, "attribute-unknown", "không có trong danh mục thuộc tính", "does not exist")
            elif known.uid in seen:
                self._refuse(field, "stands-twice", "có hai lần", "stands twice")
            else:
                seen.add(known.uid)
                self._attribute(known, item.get("value"), field)
        for known in self._words.attributes:
            if known.mandatory and known.uid not in seen:
                self._refuse(f"attributes.{known.uid}", "name-missing", "bắt buộc phải có", "is mandatory")

    def _attribute(self, known: Attribute, value: object, field: str) -> None:
        if value is None or value == "" or known.field == "id":
            return
        if isinstance(value, bool | dict | list | float):
            self._refuse(field, "value-type", f"phải là {known.type}", f"must be {known.type}")
            return
        text = str(value)
        if len(text) > _LONGEST_TEXT:
            self._refuse(field, "too-long", "quá dài", "is too long")
        elif known.options is not None:
            ours = next((mine for mine, theirs in known.options.items() if theirs == text), None)
            if ours is None:
                self._refuse(field, "option-unknown", "không có trong bộ lựa chọn", "is not a valid option")
            else:
                self._said[known.field] = ours
        elif known.field == "circumstances":
            self._circumstances += [code.strip() for code in text.split(",") if code.strip()]
        elif known.field in _LISTS:
            self._said[known.field] = [code.strip() for code in text.split(",") if code.strip()]
        elif known.type == "DATE":
            self._date(known, text, field)
        elif known.field.startswith("carers."):
            _, place, part = known.field.split(".")
            self._carers.setdefault(int(place), {})[part] = text
        else:
            self._said[known.field] = text

    def _date(self, known: Attribute, text: str, field: str) -> None:
        try:
            self._said[known.field] = date.fromisoformat(text[:10])
        except ValueError:
            self._refuse(field, "value-type", "không phải ngày có thật (YYYY-MM-DD)", "is no real date (YYYY-MM-DD)")

    def _enrollments(self, enrollments: object) -> date | None:
        """The latest day that an enrolment tells of."""
        days: list[date] = []
        if not isinstance(enrollments, list):
            self._refuse("enrollments", "property-missing", "phải là một danh sách", "must be a list")
            return None
        for place, item in enumerate(enrollments):
            field = f"enrollments.{place}"
            if not isinstance(item, dict):
                self._refuse(field, "property-missing", "phải là đối tượng", "must be an object")
                continue
            if item.get("program") != self._words.program:
                self._refuse(f"{field}.program", "program-unknown", "không có chương trình này", "is no known program")
            self._org_unit(item.get("orgUnit"), f"{field}.orgUnit", "enrollment-unit-unknown")
            enrolled = day_of(str(item.get("enrolledAt")))
            if enrolled is None:
                self._refuse(f"{field}.enrolledAt", "enrolled-at-invalid", "không phải ngày có thật", "is no real date")
            else:
                days.append(enrolled)
            for name in ("events", "notes", "attributes"):
                if item.get(name):
                    self._left_out.append(left_out(f"{field}.{name}"))
        return max(days, default=None)


def report_of(
    entities: Sequence[Any], outcomes: Sequence[Outcome], words: Dhis2Words, *, dry: bool
) -> tuple[int, Json]:
    """DHIS2's import report on a payload, and its HTTP status (409 where anything was refused, as DHIS2 has it)."""
    stats = {"created": 0, "updated": 0, "deleted": 0, "ignored": 0, "total": len(outcomes)}
    counted: dict[str, str] = {"created": "created", "updated": "updated", "unchanged": "updated"}
    errors: list[Json] = []
    warnings: list[Json] = []
    objects: list[Json] = []
    for place, (entity, outcome) in enumerate(zip(entities, outcomes, strict=True)):
        uid = entity.get("trackedEntity") if isinstance(entity, dict) else None
        uid = uid if isinstance(uid, str) and _UID.fullmatch(uid) else None
        stats[counted.get(outcome.done, "ignored")] += 1
        wrong = [_reported(violation, uid, words) for violation in outcome.wrong]
        # A record that a later one has overtaken is no fault of the sender's payload.
        (warnings if outcome.done == "superseded" else errors).extend(wrong)
        warnings += [_reported(violation, uid, words) for violation in outcome.left_out]
        objects.append(
            {
                "trackerType": "TRACKED_ENTITY",
                "index": place,
                "uid": uid,
                "child": outcome.child_id,
                "errorReports": wrong,
            }
        )
    status = "ERROR" if errors else "WARNING" if warnings else "OK"
    kept = dict.fromkeys(stats, 0) | {"ignored": len(outcomes), "total": len(outcomes)} if dry else stats
    return 409 if errors else 200, {
        "status": status,
        "validationReport": {"errorReports": errors, "warningReports": warnings},
        "stats": kept,
        "bundleReport": {
            "typeReportMap": {
                "TRACKED_ENTITY": {"trackerType": "TRACKED_ENTITY", "stats": stats, "objectReports": objects}
            }
        },
    }


def refusal_of(violations: Sequence[Violation], words: Dhis2Words) -> Json:
    """DHIS2's import report on a body of which nothing could be read."""
    errors = [_reported(violation, None, words) for violation in violations]
    stats = dict.fromkeys(("created", "updated", "deleted", "ignored", "total"), 0)
    return {"status": "ERROR", "validationReport": {"errorReports": errors, "warningReports": []}, "stats": stats}


def _reported(violation: Violation, uid: str | None, words: Dhis2Words) -> Json:
    return {
        "message": f"{violation.message_en} {violation.message_vi}",
        "errorCode": words.errors.get(violation.rule, "E1007"),
        "rule": violation.rule,
        "field": violation.field,
        "trackerType": "TRACKED_ENTITY",
        "uid": uid,
    }
