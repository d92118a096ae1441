"""HL7 FHIR R4: Patient read, search, `$match`, create, bundles, filtered export. Faults are OperationOutcomes.

No identity stands in an address: searches are posted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.registry.api.bodies import read_json, status_of
from services.registry.exchange.fhir import bundles
from services.registry.exchange.fhir.capability import capability
from services.registry.exchange.fhir.names import MEDIA, VERSION
from services.registry.exchange.fhir.outcomes import outcome
from services.registry.exchange.fhir.patients import known_by_id, patient_of, replaced
from services.registry.exchange.fhir.reading import read_patient
from services.registry.exchange.incoming import refused
from services.registry.exchange.intake import Intake, Outcome, may_send
from services.registry.exchange.readers import Criteria, Readers
from services.registry.seeing import NotThereError
from shared.contracts.errors import Rejected, Violation
from shared.database import is_passing
from shared.identity import NotAllowedError, SignedIn
from shared.reference.exchange import Exchange
from shared.reference.units import Units

P = ParamSpec("P")
_BODIES = (MEDIA, "application/json")
_MOST_FOUND = 50
_LONGEST_FORM = 20_000
_SINCE = datetime(2026, 11, 25, tzinfo=UTC)
_Include = Annotated[list[str], Query(default_factory=list, max_length=20)]


def _answer(document: dict[str, Any], status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(orjson.dumps(document), status, media_type=MEDIA, headers={"Cache-Control": "no-store", **named})


def _fault(status: int, *violations: Violation, **headers: str) -> Response:
    return _answer(outcome(Exchange.load().fhir, violations), status, **headers)


def _told(route: Callable[Concatenate[Request, P], Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Refusals of what is behind a route, as FHIR says them."""

    @wraps(route)
    async def telling(request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
        try:
            return await route(request, *args, **kwargs)
        except Rejected as rejected:
            return _fault(status_of(rejected.violations), *rejected.violations)
        except NotThereError:
            return _fault(404, _NOT_FOUND)
        except NotAllowedError:
            return _fault(403, _NOT_ALLOWED)
        except Exception as error:
            if not is_passing(error):
                raise
            return _fault(503, _TRY_AGAIN, Retry_After="5")

    return telling


class Fhir:
    """The FHIR interface.

    Args:
        readers, intake: do the work. units: how communes are called.
    """

    def __init__(self, readers: Readers, intake: Intake, units: Units) -> None:
        self._readers = readers
        self._intake = intake
        self._units = units

    async def read(self, request: Request, principal: SignedIn, child_id: str, include: _Include) -> Response:
        """A child. `include`: sensitive fields, each asked for by name."""
        found = await self._readers.child(principal, child_id, include)
        if found.leaving is None:
            return _answer(replaced(child_id, found.replaced_by or ""))
        etag = bundles.etag_of(found.leaving)
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": etag})
        patient = patient_of(found.leaving, found.fields, Exchange.load().fhir, self._units.name)
        changed = found.leaving.changed_at.astimezone(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        return _answer(patient, ETag=etag, Last_Modified=changed)

    async def search(self, request: Request, principal: SignedIn) -> Response:
        """Children by name, birthdate, identifier, gender."""
        length = request.headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 10) or int(length) > _LONGEST_FORM:
            raise Rejected([refused("body", "too-large", "quá lớn hoặc thiếu độ dài", "is too large or has no length")])
        form = await request.form()
        given = {name: value for name, value in form.items() if isinstance(value, str)}
        include = [value for value in form.getlist("include") if isinstance(value, str)]
        criteria, most = _criteria(given)
        words = Exchange.load().fhir
        found = await self._readers.search(principal, criteria, include)
        patients = [patient_of(one.leaving, one.fields, words, self._units.name) for one in found[:most] if one.leaving]
        return _answer(bundles.found(patients))

    async def match(self, request: Request, principal: SignedIn, include: _Include) -> Response:
        """Who a described child may be; see FHIR's `Patient/$match`."""
        exchange = Exchange.load()
        document = await read_json(request, exchange.most_bytes, _BODIES, VERSION)
        resource, certain, most = bundles.read_match(document, _MOST_FOUND)
        described = read_patient(resource, exchange.fhir)
        if described.wrong:
            raise Rejected(described.wrong)
        candidates = await self._readers.match(principal, described, certain=certain, include=include)
        told = [
            (
                one,
                patient_of(one.leaving, one.fields, exchange.fhir, self._units.name)
                if one.fields
                else known_by_id(one.leaving, exchange.fhir),
            )
            for one in candidates[:most]
        ]
        return _answer(bundles.matched(told))

    async def create(self, request: Request, principal: SignedIn) -> Response:
        """A record of another system. The same record sent again makes no second child."""
        _must_send(may_send(principal))
        exchange = Exchange.load()
        document = await read_json(request, exchange.most_bytes, _BODIES, VERSION)
        (done,) = await self._intake.take(principal, "fhir", [read_patient(document, exchange.fhir)], together=True)
        told = outcome(exchange.fhir, done.wrong, done.left_out)
        if done.child_id is None:
            return _answer(told, 422)
        where = f"{bundles.BASE}/Patient/{done.child_id}"
        return _answer(told, {"created": 201, "superseded": 409}.get(done.done, 200), Location=where)

    async def bundle(self, request: Request, principal: SignedIn) -> Response:
        """Records of another system: `transaction` all or none, `batch` each for itself."""
        _must_send(may_send(principal))
        exchange = Exchange.load()
        document = await read_json(request, exchange.most_bytes, _BODIES, VERSION)
        resources, together = bundles.read_bundle(document, exchange.most_records)
        records = [read_patient(resource, exchange.fhir) for resource in resources]
        outcomes = await self._intake.take(principal, "fhir", records, together=together)
        if together and any(_failed(one) for one in outcomes):
            return _answer(bundles.all_wrong(exchange.fhir, outcomes), 422)
        return _answer(bundles.answered(exchange.fhir, outcomes, together=together))


def _failed(one: Outcome) -> bool:
    return one.done in {"refused", "not-tried"}


def _must_send(allowed: bool) -> None:
    if not allowed:
        raise NotAllowedError("The role sends no records")


def _criteria(given: dict[str, str]) -> tuple[Criteria, int]:
    """What a search gives. Raises `Rejected`."""
    wrong: list[Violation] = []
    known = {"name", "birthdate", "identifier", "gender", "_count", "include", "form_token"}
    for name in given.keys() - known:
        wrong.append(refused(name[:60], "search-parameter", "không dùng để tìm được", "cannot be searched by"))
    if any("\x00" in value or len(value) > 300 for value in given.values()):
        wrong.append(
            refused("body", "value-invalid", "có mục quá dài hoặc có ký tự lạ", "has a value too long or with NUL")
        )
    day, year = _born(given.get("birthdate", ""), wrong)
    number, child_id = _identifier(given.get("identifier", ""), wrong)
    gender = given.get("gender") or None
    if gender not in {None, "male", "female", "unknown"}:
        wrong.append(
            refused("gender", "value-invalid", "phải là male, female hoặc unknown", "must be male, female or unknown")
        )
    count = given.get("_count", str(_MOST_FOUND))
    if not count.isdecimal() or not 1 <= int(count[:6]) <= _MOST_FOUND:
        wrong.append(refused("_count", "value-invalid", f"phải từ 1 đến {_MOST_FOUND}", f"must be 1 to {_MOST_FOUND}"))
    if not (given.get("name") or day or year or number or child_id or wrong):
        wrong.append(
            refused("name", "search-empty", "hoặc birthdate, identifier phải có", "or birthdate, identifier is needed")
        )
    if wrong:
        raise Rejected(wrong)
    return Criteria(given.get("name", ""), day, year, number, child_id, gender), int(count)


def _born(value: str, wrong: list[Violation]) -> tuple[date | None, int | None]:
    value = value.removeprefix("eq")
    if not value:
        return None, None
    try:
        if len(value) == 4 and value.isdecimal():
            return None, int(value)
        return date.fromisoformat(value), None
    except ValueError:
        wrong.append(refused("birthdate", "date-invalid", "phải là YYYY-MM-DD hoặc YYYY", "must be YYYY-MM-DD or YYYY"))
        return None, None


def _identifier(value: str, wrong: list[Violation]) -> tuple[str | None, str | None]:
    """A personal number or a record's id; other numbers are not looked for."""
    if not value:
        return None, None
    system, bar, number = value.rpartition("|")
    field = Exchange.load().fhir.field_of(system) if bar and system else "number"
    if field == "number":
        return number, None
    if field == "id":
        return None, number
    wrong.append(
        refused(
            "identifier",
            "search-parameter",
            "chỉ tìm theo số định danh cá nhân hoặc mã hồ sơ",
            "must be a personal number or a record's id",
        )
    )
    return None, None


async def _get_search(_request: Request) -> Response:
    """Searches with values in the address are refused."""
    return _fault(405, _POST_ONLY, Allow="POST")


async def _metadata(request: Request) -> Response:
    """What this interface can do."""
    return _answer(capability(str(request.url_for("fhir-metadata")).removesuffix("/metadata"), _SINCE))


def routes(fhir: Fhir) -> APIRouter:
    """The routes of this part."""
    router = APIRouter(prefix="/fhir", tags=["fhir"])
    add = router.add_api_route
    add("/metadata", _metadata, methods=["GET"], name="fhir-metadata")
    add("/Patient", _get_search, methods=["GET"])
    add("/Patient", _told(fhir.create), methods=["POST"])
    add("/Patient/_search", _told(fhir.search), methods=["POST"])
    add("/Patient/$match", _told(fhir.match), methods=["POST"])
    add("/Patient/{child_id}", _told(fhir.read), methods=["GET"])
    add("", _told(fhir.bundle), methods=["POST"])
    add("/", _told(fhir.bundle), methods=["POST"], include_in_schema=False)
    return router


_NOT_FOUND = refused(
    "Patient.id", "not-found", "không có, hoặc không dành cho anh chị", "is not there, or is not for you"
)
_NOT_ALLOWED = refused("Authorization", "not-allowed", "không cho phép việc này", "does not allow this")
_TRY_AGAIN = refused("server", "try-again", "tạm bận, hãy gửi lại", "is busy for a moment; send again")
_POST_ONLY = refused(
    "Patient", "search-parameter", "chỉ tìm bằng POST Patient/_search", "is searched by POST Patient/_search only"
)
