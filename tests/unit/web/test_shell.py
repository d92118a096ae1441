"""The shell: who arrives is greeted, protected, understood in two languages, and told what went wrong."""

import json
import re
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from jinja2 import DictLoader
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from shared.contracts.errors import Rejected, Violation
from shared.identity import SignedIn, demo_directory
from shared.settings import Settings
from shared.web.app import create_app
from shared.web.pages import Pages

UNITS = {"05443": "Phường Phan Đình Phùng", "05455": "Phường Quyết Thắng"}
EVIL = """<script>alert(1)</script>" onmouseover='x'"""
MAX_PAGE = 100_000


class DeadlockError(Exception):
    """What the driver raises when two transactions wait for each other and this one was ended."""

    sqlstate = "40P01"


def build(*, profile: Any = None, base_url: str = "http://test") -> FastAPI:
    pages = Pages(unit_names=UNITS)
    extra = DictLoader(
        {
            "echo.html": """{% extends "base.html" %}{% block title %}{{ said }}{% endblock %}{% block content %}
            {{ ui.field("name", "Tên", value=said, hint=said, error=said) }}{{ ui.textarea("note", "x", value=said) }}
            {{ ui.badge(said) }}{{ ui.table(said, [said], [[said]]) }}{{ ui.select("s", said, [(said, said)]) }}
            {% endblock %}"""
        }
    )
    for environment in pages._environments.values():
        environment.loader.loaders.append(extra)  # type: ignore[union-attr]
    router = APIRouter()

    @router.get("/echo")
    def echo(request: Request) -> Response:
        return pages.render(request, "echo.html", said=EVIL)

    @router.get("/mine")
    def mine(principal: SignedIn) -> dict[str, str]:
        return {"role": principal.role.value}

    @router.post("/mine")
    def change(principal: SignedIn) -> dict[str, str]:
        return {"role": principal.role.value}

    @router.get("/broken")
    def broken() -> Response:
        raise RuntimeError("Nguyễn Văn Bí Mật")

    @router.get("/deadlock")
    def deadlock() -> Response:
        raise DBAPIError("UPDATE …", {}, DeadlockError())

    @router.get("/rejected")
    def rejected() -> Response:
        raise Rejected([Violation("child.name", "missing", "Cần ghi tên.", "The name is missing.")])

    settings = Settings(environment="test", base_url=base_url)
    return create_app("test", [router], pages, demo_directory(UNITS), settings, profile=profile)


@pytest.fixture
def app() -> FastAPI:
    return build()


@pytest.fixture
def visitor(visit: Any, app: FastAPI) -> Any:
    return visit(app)


async def test_every_answer_forbids_foreign_and_inline_code(visitor: Any) -> None:
    for target in ("/", "/identity/sign-in", "/nothing", "/broken", "/healthz", "/mine"):
        headers = (await visitor.ask(target)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy, target
        assert "unsafe" not in policy, target
        assert "frame-ancestors 'none'" in policy, target
        assert headers["x-content-type-options"] == "nosniff", target
        assert headers["cross-origin-opener-policy"] == "same-origin", target


async def test_no_page_carries_what_the_policy_would_block(visitor: Any) -> None:
    await visitor.enter("lan.worker")
    for target in ("/identity/sign-in", "/echo", "/nothing"):
        page = (await visitor.ask(target)).text
        assert not re.search(r"<style|\sstyle=|<[^>]*\son\w+=\"", page), target
        assert not re.search(r"<script(?![^>]*src=)", page.replace("&lt;script", "")), target
        assert not re.search(r"(src|href)=\"(https?:)?//", page), target


async def test_strict_transport_is_asked_for_only_over_tls(visit: Any) -> None:
    assert "strict-transport-security" not in (await visit(build()).ask("/")).headers
    secure = await visit(build(base_url="https://vongtay.example")).ask("/identity/sign-in")
    assert "max-age=" in secure.headers["strict-transport-security"]
    assert "Secure" in secure.headers["set-cookie"]


async def test_what_somebody_typed_never_becomes_markup(visitor: Any) -> None:
    page = (await visitor.ask("/echo")).text
    assert "<script>alert" not in page
    assert "onmouseover='" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8


async def test_a_visitor_reads_what_this_is_and_finds_the_way_in(visitor: Any) -> None:
    page = await visitor.ask("/")
    assert page.status == 200
    assert 'href="/identity/sign-in"' in page.text
    assert "tel:111" in page.text


@pytest.mark.parametrize(
    ("person", "home"),
    [
        ("lan.worker", "/cases"),
        ("tuan.statistician", "/stats/province"),
        ("yen.partner", "/notify"),
        ("ha.coordinator", "/stats"),
    ],
)
async def test_the_front_page_leads_each_role_to_its_work(visitor: Any, person: str, home: str) -> None:
    await visitor.enter(person)
    answer = await visitor.ask("/")
    assert (answer.status, answer.headers["location"]) == (303, home)


async def test_the_demo_shows_each_person_with_what_the_role_does(visitor: Any) -> None:
    page = (await visitor.ask("/identity/sign-in")).text
    people = [p for p in demo_directory(UNITS).people.values() if not p.machine]
    for person in people:
        assert f'value="{person.id}"' in page
    assert page.count('class="person"') == len(people)
    assert "không thấy danh tính" in page


async def test_a_form_from_elsewhere_changes_nothing(visitor: Any, read_token: Any) -> None:
    await visitor.enter("lan.worker")
    token = read_token(await visitor.ask("/identity/sign-in"))
    assert (await visitor.ask("/mine", {})).status == 403
    assert (await visitor.ask("/mine", {"form_token": "0" * 64})).status == 403
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert (await visitor.ask("/mine", {"form_token": token}, foreign)).status == 403
    assert (await visitor.ask("/mine", {"form_token": token}, {"origin": "http://test"})).status == 200


async def test_a_token_of_one_session_does_not_fit_another(visit: Any, app: FastAPI, read_token: Any) -> None:
    mine, theirs = visit(app), visit(app)
    await mine.enter("lan.worker")
    await theirs.enter("binh.chair")
    token = read_token(await theirs.ask("/identity/sign-in"))
    assert (await mine.ask("/mine", {"form_token": token})).status == 403


async def test_signing_out_ends_the_session(visitor: Any, read_token: Any) -> None:
    await visitor.enter("lan.worker")
    assert (await visitor.ask("/mine")).status == 200
    token = read_token(await visitor.ask("/identity/sign-in"))
    out = await visitor.ask("/identity/sign-out", {"form_token": token})
    assert out.status == 303
    gone = await visitor.ask("/mine")
    assert (gone.status, gone.headers["location"]) == (303, "/identity/sign-in?next=%2Fmine")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
async def test_sign_in_never_leads_to_another_site(visitor: Any, target: str) -> None:
    assert (await visitor.enter("lan.worker", target)).headers["location"] == "/"


async def test_a_language_once_chosen_stays(visitor: Any) -> None:
    assert '<html lang="vi">' in (await visitor.ask("/")).text
    chosen = await visitor.ask("/?lang=en")
    assert '<html lang="en">' in chosen.text
    assert "Sign in" in chosen.text
    assert '<html lang="en">' in (await visitor.ask("/")).text
    assert '<html lang="en">' in (await visitor.ask("/?lang=xx")).text


async def test_an_error_says_what_why_and_what_now(visitor: Any) -> None:
    page = await visitor.ask("/nothing")
    assert page.status == 404
    for said in ("Không tìm thấy trang này", "Đường dẫn có thể đã bị gõ sai", "Kiểm tra lại đường dẫn"):
        assert said in page.text


async def test_an_unexpected_error_shows_a_reference_and_no_content(visitor: Any) -> None:
    with capture_logs() as logs:
        page = await visitor.ask("/broken")
    assert page.status == 500
    reference = re.search(r"<code>([0-9a-f]{8})</code>", page.text)
    assert reference
    [line] = logs
    assert (line["event"], line["reference"], line["reason"]) == ("request.crashed", reference.group(1), "RuntimeError")
    assert " broken" in line["places"]
    assert "Bí Mật" not in page.text + str(logs)


async def test_two_acts_that_met_on_one_record_ask_to_look_again(visitor: Any) -> None:
    with capture_logs() as logs:
        page = await visitor.ask("/deadlock")
    assert page.status == 409
    assert "người khác đã lưu thay đổi" in page.text
    assert not logs


async def test_programs_get_errors_as_problem_json(visitor: Any) -> None:
    answer = await visitor.ask("/rejected", headers={"accept": "application/json"})
    body = json.loads(answer.body)
    assert (answer.status, answer.headers["content-type"]) == (422, "application/problem+json")
    assert body["violations"][0]["field"] == "child.name"
    assert body["title"] == "Some information is not valid"
    nobody = await visitor.ask("/mine", headers={"accept": "application/json"})
    assert (nobody.status, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="vongtay"')


async def test_a_page_that_did_not_change_is_not_sent_again(visitor: Any) -> None:
    await visitor.enter("lan.worker")
    first = await visitor.ask("/echo")
    again = await visitor.ask("/echo", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert "private" in first.headers["cache-control"]


async def test_a_page_with_its_assets_stays_under_100_kb(visitor: Any) -> None:
    for target in ("/", "/identity/sign-in", "/nothing"):
        page = await visitor.ask(target)
        size = len(page.body)
        for address in set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)):
            asset = await visitor.ask(address)
            assert asset.status == 200
            assert "immutable" in asset.headers["cache-control"]
            size += len(asset.body)
        assert size < MAX_PAGE, (target, size)


@pytest.mark.parametrize("name", ["../../settings.py", "..%2f..%2fsettings.py", "nothing.css", ""])
async def test_only_listed_files_are_served(visitor: Any, name: str) -> None:
    assert (await visitor.ask(f"/static/{name}")).status == 404


async def test_health_names_the_part_and_not_its_message(visit: Any) -> None:
    async def away() -> None:
        raise ConnectionError("db.internal:5432")

    app = create_app("t", [], Pages(), demo_directory(UNITS), Settings(environment="test"), checks={"database": away})
    answer = await visit(app).ask("/healthz")
    assert answer.status == 503
    assert json.loads(answer.body) == {"status": "unhealthy", "parts": {"database": "unreachable"}}


@pytest.mark.parametrize(
    "profile", [{"pepper": "cA==", "public_key": "aw=="}, lambda: {"pepper": "cA==", "public_key": "aw=="}]
)
async def test_a_sectors_sender_learns_key_and_pepper(visit: Any, profile: Any) -> None:
    app = build(profile=profile)
    sector = visit(app)
    await sector.enter("duc.health")
    answer = await sector.ask("/identity/profile")
    assert json.loads(answer.body) == {"sector": "health", "pepper": "cA==", "public_key": "aw=="}
    assert answer.headers["cache-control"] == "no-store"
    machine = {"authorization": f"Bearer {app.state.identity.signer.demo_token('agency.police')}", "accept": "*/*"}
    assert json.loads((await visit(app).ask("/identity/profile", headers=machine)).body)["sector"] == "police"


async def test_who_sends_for_no_sector_learns_no_pepper(visit: Any) -> None:
    app = build(profile={"pepper": "cA=="})
    worker = visit(app)
    await worker.enter("lan.worker")
    answer = await worker.ask("/identity/profile")
    assert answer.status == 403
    assert "cA==" not in answer.text
    assert (await visit(app).ask("/identity/profile", headers={"accept": "application/json"})).status == 401


def test_a_commune_is_called_by_its_name_and_what_lies_in_none_by_words_of_the_language() -> None:
    pages = Pages(unit_names=UNITS)
    assert pages.unit_name("05443") == "Phường Phan Đình Phùng"
    assert pages.unit_name("05443", "en") == "Phan Đình Phùng Ward"
    assert (pages.unit_name(None), pages.unit_name("99999")) == ("", "99999")
    said = {language: pages.unit_name("unclassified", language) for language in ("vi", "en")}
    assert said == {"vi": "Chưa xác định xã, phường", "en": "Commune not known"}
    for language, words in said.items():
        template = pages._environments[language].from_string("{{ 'unclassified' | unit }}")
        assert template.render() == words


async def test_without_keys_there_is_no_profile(visitor: Any) -> None:
    await visitor.enter("duc.health")
    assert (await visitor.ask("/identity/profile")).status == 404
