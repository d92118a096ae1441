"""Who would be told of an event, and why, and why nobody else: the rules are asked, and nobody is told."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from services.notify.api.dry_run import Overseer
from services.notify.desk.dry_run import DryRun, Run
from services.notify.desk.emergencies import CALL_TYPE
from services.notify.domain.samples import field_of, sample_of
from services.notify.pages.room import Room
from services.notify.texts import Preview
from services.notify.views import (
    CHANNEL_NAMES,
    ENDPOINT_WHYS,
    FIELD_NAMES,
    SUBSTITUTE_WHYS,
    TIMING_WHYS,
    URGENCY_NAMES,
    VALUE_NAMES,
    WAIT_WHYS,
    WHYS,
    audience_name,
)
from shared.contracts.base import Contract
from shared.contracts.errors import Rejected
from shared.reference.notify_rules import LISTS, NotifyRules, heard_contracts
from shared.reference.terms import Terms
from shared.web.i18n import Language
from shared.web.pages import language_of

# The fields that a form may set: those that rules look at.
_SET: Final = "set."


def routes(room: Room, dry_run: DryRun, base_url: str) -> APIRouter:
    """`/notify/dry-run`."""
    router = APIRouter()

    @router.get("/dry-run")
    async def show(
        request: Request,
        _principal: Overseer,
        event: Annotated[str, Query(max_length=120)] = "",
        unit: Annotated[str, Query(max_length=10)] = "",
        case: Annotated[str, Query(max_length=40)] = "",
    ) -> Response:
        language = language_of(request)
        models = {name: model for name, model in heard_contracts().items() if name in room.texts.wordings}
        model = models.get(event)
        run: Run | None = None
        violations: Any = ()
        chosen: dict[str, str] = {}
        about_case = model is not None and "case_id" in model.model_fields
        if model is not None:
            chosen = {path: request.query_params.get(_SET + path, "")[:40] for path in _looked_at(event)}
            try:
                run = await dry_run.run(
                    event,
                    _supposed(sample_of(model, room.pages.clock()), unit, case.strip() if about_case else "", chosen),
                )
            except Rejected as rejected:
                violations = rejected.violations
        said = lambda audience: audience_name(room.pages, language, audience)  # noqa: E731
        return room.pages.render(
            request,
            "dry_run.html",
            status=422 if violations else 200,
            violations=violations,
            types=sorted(((name, room.texts.explanation(name, language)) for name in models), key=lambda one: one[1]),
            units=sorted(room.units.items(), key=lambda one: one[1]),
            asked={"event": event if model else "", "unit": unit, "case": case},
            about_case=about_case,
            fields=_fields(model, chosen, event, language) if model is not None else [],
            run=run,
            previews=_previews(room, base_url, run) if run else [],
            audience=said,
            channels=CHANNEL_NAMES,
            urgencies=URGENCY_NAMES,
            timings=TIMING_WHYS,
            substitutes=SUBSTITUTE_WHYS,
            whys=WHYS,
            endpoint_whys=ENDPOINT_WHYS,
            wait_whys=WAIT_WHYS,
            field_names=FIELD_NAMES,
        )

    return router


def _previews(room: Room, base_url: str, run: Run) -> list[tuple[str, Preview]]:
    """What people would read: of an emergency its calls, before what happened."""
    place = run.happening.unit
    calls = room.previews(CALL_TYPE, base_url, place, run.ladder) if run.ladder else []
    return [*calls, *room.previews(run.happening.event_type, base_url, place)]


def _looked_at(event_type: str) -> list[str]:
    """The fields that some rule about a type looks at, dotted."""
    rules = NotifyRules.load().of(event_type)
    return list(dict.fromkeys(path for rule in rules for path in [*rule.when, *rule.unless]))


def _fields(model: type[Contract], chosen: dict[str, str], event_type: str, language: Language) -> list[dict[str, Any]]:
    """For each of them what it may say: as the contract has it, as a list of codes has it, or as the rules name it."""
    sample, found = sample_of(model), []
    for path, value in chosen.items():
        schema = field_of(model, path)
        named = [
            str(one)
            for rule in NotifyRules.load().of(event_type)
            for one in [*rule.when.get(path, ()), *rule.unless.get(path, ())]
        ]
        options = [(str(code), VALUE_NAMES.get(code, str(code))) for code in schema.get("enum", ())]
        if not options and path in LISTS:
            terms = Terms.load(LISTS[path])
            options = [(code, terms.label(code, language)) for code in terms.codes()]
        options = options or [(code, code) for code in dict.fromkeys([_at(sample, path), *named])]
        found.append({"path": path, "name": _SET + path, "options": options, "value": value or _at(sample, path)})
    return found


def _supposed(data: dict[str, Any], unit: str, case: str, chosen: dict[str, str]) -> dict[str, Any]:
    """A made-up event's data with what somebody set."""
    for path, value in chosen.items():
        if value:
            _put(data, path, value)
    if case:
        data["case_id"] = case
    if unit:
        for place in ("unit", "facts.unit"):
            if _at(data, place):
                _put(data, place, unit)
    return data


def _at(data: dict[str, Any], path: str) -> str:
    value: Any = data
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return "" if value is None else str(value)


def _put(data: dict[str, Any], path: str, value: str) -> None:
    *above, last = path.split(".")
    at = data
    for name in above:
        at = at.setdefault(name, {})
    at[last] = value
