"""Who may open what, page by page and route by route: every route of the applications, everybody of the directory.

What is right stands in `who_may/`. A route that does not stand there fails: whoever adds one says whom it is for.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote

import pytest
from starlette.responses import Response

from shared.identity import Identity
from shared.identity.access import SAFE_METHODS
from tests.integration.rights.filled import HOOK, IDENTITY, town
from tests.integration.rights.knocking import ANYBODY, EVERYBODY, Entry, came, table
from tests.integration.rights.town import ACCOUNTS, NEXT, NOBODY, Town
from tests.support.visitor import Answer

SERVICES = ("cases", "notify", "registry", "stats")
# A link out of a message is its own proof; signing in has no session yet to be forged.
TOKEN = re.compile("[0-9a-f]{64}")
# Programs and sectors whose rights differ in nothing but whose they are: of these the others are tried for all.
ALIKE = {name for name in EVERYBODY if name.endswith("-program")} - {"health-program"} | {
    "education",
    "justice",
    "unions",
}
WITHOUT_A_SESSION = {"POST /notify/a/{ticket}", "POST /identity/demo-token"}


@pytest.fixture(scope="module")
async def place(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    async with town(postgres_url, tmp_path_factory.mktemp("town")) as made:
        yield made


def of(owner: str) -> list[Entry]:
    """The table's lines of a service; `front`: what is no service's own."""
    lines = table()
    return [
        one for one in lines if (one.path.split("/")[1] if one.path.split("/")[1] in SERVICES else "front") == owner
    ]


async def knock(place: Town, entry: Entry, name: str, *, made_up: bool = False) -> Answer:
    """One try that leaves nothing behind."""
    service = entry.path.split("/")[1]
    passing = nullcontext() if entry.kept or entry.method in SAFE_METHODS else place.undoing(service)
    async with asyncio.timeout(60), passing:
        return await entry.knock(place, place.someone(name), made_up=made_up)


def test_every_route_of_every_application_stands_in_the_table_and_no_other(place: Town) -> None:
    real, said = set(place.routes()), {entry.route for entry in table()}
    assert real - said == set(), "say in who_may/ whom these are for"
    assert said - real == set(), "these are no more"


@pytest.mark.parametrize("owner", ["front", *SERVICES])
async def test_who_is_named_gets_in_and_whoever_is_not_is_refused(place: Town, owner: str) -> None:
    wrong: dict[str, list[str]] = defaultdict(list)
    opens = seen_by(table())
    for entry in of(owner):
        for name in ANYBODY:
            answer = await knock(place, entry, name)
            fared = came(entry, answer)
            if name in entry.may:
                if not (fared == "in" or entry.absent) or (answer.status >= 500 and answer.status != 503):
                    wrong[entry.name].append(f"{name} should get in: {answer.status}")
                if (
                    name != NOBODY
                    and "public" in answer.headers.get("cache-control", "")
                    and "/static/" not in entry.path
                ):
                    wrong[entry.name].append(f"{name}'s answer may be kept by anybody")
                continue
            if fared == "in" and not entry.absent:
                wrong[entry.name].append(f"{name} should be refused: {answer.status}")
            if name == NOBODY and fared != "sign-in" and not entry.absent:
                wrong[entry.name].append(f"nobody is not asked to sign in: {answer.status}")
            wrong[entry.name] += [
                f"{name} is told {word}" for word in (*IDENTITY, HOOK) if word in answer.body.decode()
            ]
            if name in opens[entry.of or entry.main_thing()] or name in ALIKE or not entry.has_things():
                continue
            nothing = await knock(place, entry, name, made_up=True)
            if told(nothing, entry.address(place, made_up=True)) != told(answer, entry.address(place)):
                wrong[entry.name].append(f"{name} learns that it is there: {answer.status}, not {nothing.status}")
    assert not any(wrong.values()), "\n".join(f"{route}: {'; '.join(said)}" for route, said in wrong.items() if said)


def seen_by(lines: list[Entry]) -> dict[str, set[str]]:
    """Who may open a thing in one way or another: by another they learn nothing new of its being there."""
    found: dict[str, set[str]] = defaultdict(set)
    for entry in lines:
        if entry.method == "GET" and entry.has_things():
            found[entry.of or entry.main_thing()] |= entry.may
    return found


def told(answer: Answer, address: str) -> tuple[int, str]:
    """What somebody sees of a refusal, whatever the address was: each session has tokens of its own."""
    said = answer.body.decode().replace(address, "").replace(quote(address, safe=""), "")
    return answer.status, TOKEN.sub("", said)


@pytest.mark.parametrize("owner", ["front", *SERVICES])
async def test_nothing_is_changed_by_a_form_from_elsewhere(place: Town, owner: str) -> None:
    wrong = []
    for entry in of(owner):
        browsers = sorted(name for name in entry.may if "authorization" not in place.someone(name).sent)
        if entry.method in SAFE_METHODS or entry.route in WITHOUT_A_SESSION or not browsers:
            continue
        for how in ("no token", "another's token", "another site", "no origin", "an empty bearer"):
            who = place.someone(browsers[0])
            more: dict[str, str] = {}
            if how in ("no token", "an empty bearer"):
                del who.sent["x-form-token"]
            if how == "another's token":
                who.sent["x-form-token"] = place.someone(browsers[-1]).sent["x-form-token"][::-1]
            if how == "another site":
                more["origin"] = "https://ke-xau.example.org"
            if how == "no origin":
                more["origin"] = "null"
            if how == "an empty bearer":
                more["authorization"] = "Bearer "
            who.sent |= more
            async with place.undoing(entry.path.split("/")[1]):
                answer = await entry.knock(place, who)
            if answer.status not in {401, 403}:
                wrong.append((entry.name, how, answer.status))
    assert wrong == []


TRICKS = (
    "/{path}",
    "{path}/",
    "//{path}",
    "/./{path}",
    "/x/..{slash}",
    "{upper}",
    "{coded}",
    "{dots}",
    "{slash};.css",
    "{slash}/.",
    "{slash}%00",
    "{slash}?access=1&role=coordinator&user=ha.coordinator",
    "/static{slash}",
    "/static/..{slash}",
)


@pytest.mark.parametrize("trick", TRICKS)
async def test_no_way_of_writing_an_address_gets_past_its_door(place: Town, trick: str) -> None:
    closed = [
        f"/cases/c/{place.things['case']}",
        f"/cases/api/cases/{place.things['case']}/identity",
        f"/registry/children/{place.things['child']}",
        f"/registry/api/children/{place.things['child']}",
        f"/notify/subscriptions/{place.things['endpoint']}",
        "/stats/rebuild",
        "/registry/ops/deadletters",
        "/ops",
    ]
    for address in closed:
        path = address.lstrip("/")
        service, _, rest = path.partition("/")
        tried = trick.format(
            path=path,
            slash=f"/{path}",
            upper=f"/{service.upper()}/{rest}",
            coded=f"/%{ord(path[0]):x}{path[1:]}",
            dots=f"/{service}/%2e%2e/{path}",
        )
        for name in (NOBODY, "other-worker", "statistician", "other-partner"):
            for method in ("GET", "HEAD", "OPTIONS", "PROPFIND"):
                who = place.someone(name)
                target = f"http://localhost:8600{'' if tried.startswith('/') else '/'}{tried}"
                answer = await who.ask(target, headers=who.sent, method=method)
                said = (name, method, tried, answer.status)
                assert answer.status >= 300, said
                assert answer.status < 500, said
                assert not any(word in answer.body.decode() for word in (*IDENTITY, HOOK)), said
                where = answer.headers.get("location", "/")
                assert where.startswith(("/", "http://localhost:8600/")), said
                assert not where.startswith("//"), said


async def test_a_session_lasts_no_longer_than_the_account_its_area_and_its_role(place: Town) -> None:
    """Who somebody is, the directory says at each request; a cookie or token says only which account."""
    doors = (f"/cases/c/{place.things['case']}", f"/registry/children/{place.things['child']}")
    known = dict(place.people.people)
    lan = known["lan.worker"]
    apps: list[Any] = [place.front, *(one.app for one in place.processes.values())]
    before = [app.state.identity for app in apps]

    async def statuses(people: dict[str, Any]) -> list[int]:
        for app, identity in zip(apps, before, strict=True):
            app.state.identity = replace(identity, directory=replace(identity.directory, people=people))
        return [(await browser.call("GET", door, headers={"accept": "text/html"})).status for door in doors]

    browser = place.someone("worker")
    program = replace(browser, cookies={}, sent={"authorization": f"Bearer {place.identity.signer.demo_token(lan.id)}"})
    try:
        assert await statuses(known) == [200, 200]
        assert await statuses({**known, lan.id: replace(lan, units=frozenset({NEXT}))}) == [404, 404]
        assert await statuses({**known, lan.id: replace(lan, role=known["tuan.statistician"].role)}) == [404, 403]
        gone = {name: person for name, person in known.items() if name != lan.id}
        assert await statuses(gone) == [303, 303]
        assert [(await program.call("GET", door)).status for door in doors] == [401, 401]
    finally:
        for app, identity in zip(apps, before, strict=True):
            app.state.identity = identity
    assert await statuses(known) == [200, 200]


@pytest.mark.parametrize("secure", [False, True])
def test_cookies_are_kept_from_scripts_other_sites_and_open_lines(place: Town, secure: bool) -> None:
    identity: Identity = replace(place.identity, secure=secure)
    answer = Response()
    identity.sign_in(answer, place.people.people[ACCOUNTS["worker"]])
    ((name, morsel),) = SimpleCookie(answer.headers["set-cookie"]).items()
    assert (morsel["httponly"], morsel["samesite"].lower(), morsel["path"], morsel["domain"]) == (True, "lax", "/", "")
    assert bool(morsel["secure"]) is secure
    assert name.startswith("__Host-") is secure


async def test_what_names_a_child_is_kept_by_no_cache_that_others_share(place: Town) -> None:
    told_to: dict[str, str] = {}
    for entry in table():
        if entry.method != "GET" or not entry.may - {NOBODY}:
            continue
        answer = await knock(place, entry, sorted(entry.may - {NOBODY}, key=EVERYBODY.index)[0])
        if any(word in answer.body.decode(errors="replace") for word in IDENTITY):
            told_to[entry.name] = answer.headers["cache-control"]
            assert answer.headers["cache-control"] in {"no-store", "private, no-cache"}, entry.name
            if answer.headers["cache-control"] != "no-store":
                assert "Cookie" in answer.headers["vary"], entry.name
    assert len(told_to) > 10, "the town has a child whose pages name it"


async def test_a_notice_of_somebody_else_leads_to_ones_own_inbox(place: Town) -> None:
    where = f"/notify/open/{place.things['notice']}"
    assert (await place.someone("worker").call("GET", where)).headers["location"] != "/notify/"
    for name in EVERYBODY:
        if name not in ("worker", "colleague"):
            assert (await place.someone(name).call("GET", where)).headers["location"] == "/notify/", name
