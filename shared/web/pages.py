"""Turns templates into pages: language, navigation, the signed-in person, formats and ETag are the same everywhere.

It must never render without autoescaping, and never let a page be kept by a shared cache.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import resources
from typing import Literal

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from shared.identity import FORM_FIELD, Principal, SignInNeededError, identity_of
from shared.reference.units import NOWHERE, UNCLASSIFIED, place_label
from shared.web import i18n
from shared.web.assets import Assets
from shared.web.i18n import DEFAULT_LANGUAGE, LANGUAGES, Language, Texts
from shared.web.navigation import ROLE_GROUPS, ROLE_NAMES, ROLE_TASKS, SECTOR_NAMES, SERVICE_NAMES, entries_for

SHARED_PACKAGES = ("shared.identity", "shared.web")
# A deadline turns to "soon" this long before it is due.
SOON = timedelta(hours=4)

# A demo's sample data in the making: the day that it shows, and of how many.
SampleDay = tuple[int, int]
DeadlineState = Literal["met", "late", "missed", "soon", "open"]


def utc_now() -> datetime:
    """The clock of a running process."""
    return datetime.now(UTC)


class Pages:
    """The templates and translations of a service on top of the shared ones."""

    def __init__(
        self,
        *packages: str,
        unit_names: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """In: packages with `templates/`, `static/`, `locale/` (each optional); commune code -> Vietnamese name; a
        clock in UTC."""
        everything = (*packages, *SHARED_PACKAGES)
        self.texts = Texts(everything)
        self.assets = Assets(everything)
        self.clock = clock
        self._unit_names = dict(unit_names or {})
        loader = ChoiceLoader([loader for package in everything if (loader := _templates_of(package))])
        self._environments: dict[Language, Environment] = {
            language: self._environment(language, loader) for language in LANGUAGES
        }

    def render(
        self,
        request: Request,
        name: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: object,
    ) -> Response:
        """In: a template's name and what it shows. Out: the page, or 304 when the browser has it already."""
        language = language_of(request)
        identity = identity_of(request)
        principal = principal_or_none(request)
        html = (
            self._environments[language]
            .get_template(name)
            .render(
                request=request,
                principal=principal,
                navigation=entries_for(principal),
                path=request.url.path,
                language_links={code: str(_relative(request, code)) for code in LANGUAGES},
                form_token=lambda: identity.form_token(request),
                now=self.clock(),
                sample_day=getattr(request.state, "sample_day", None),
                **context,
            )
        )
        body = html.encode()
        all_headers = {"Cache-Control": "private, no-cache", "Vary": "Cookie, Accept-Encoding", **(headers or {})}
        answer: Response | None = None
        if status == 200 and request.method in {"GET", "HEAD"}:
            etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
            all_headers["ETag"] = etag
            if etag in request.headers.get("if-none-match", ""):
                answer = Response(status_code=304, headers=all_headers)
        if answer is None:
            answer = Response(body, status, all_headers, "text/html; charset=utf-8")
        identity.attach(request, answer)
        return answer

    def fragment(self, name: str, language: Language = DEFAULT_LANGUAGE, /, **context: object) -> str:
        """In: a template without page shell. Out: its HTML, to be put into a page or published to a live region."""
        return self._environments[language].get_template(name).render(now=self.clock(), **context)

    def text(self, request: Request, text: str, **values: object) -> str:
        """In: a msgid. Out: it in the request's language."""
        return self.texts.gettext(language_of(request), text, **values)

    def unit_name(self, code: str | None, language: Language = DEFAULT_LANGUAGE) -> str:
        """Out: the commune's name in the language, its code where the name is not known, empty for none; words for the
        code of those whose commune is not known."""
        if code == UNCLASSIFIED:
            return NOWHERE[language]
        return "" if code is None else place_label(self._unit_names.get(code, code), language)

    def _environment(self, language: Language, loader: BaseLoader) -> Environment:
        env = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        )
        catalogue = self.texts.catalogue(language)
        # The i18n extension adds this method to the environment; its class does not know it.
        install = env.install_gettext_callables  # type: ignore[attr-defined]
        install(catalogue.ugettext, catalogue.ungettext, newstyle=True)
        env.globals |= {
            "lang": language,
            "asset": self.assets.url,
            "form_field": FORM_FIELD,
            "role_names": ROLE_NAMES,
            "role_tasks": ROLE_TASKS,
            "role_groups": ROLE_GROUPS,
            "sector_names": SECTOR_NAMES,
            "service_names": SERVICE_NAMES,
            "deadline_state": deadline_state,
            "UNCLASSIFIED": UNCLASSIFIED,
        }
        env.filters |= {
            "date": i18n.format_date,
            "datetime": i18n.format_datetime,
            "due": partial(i18n.format_due, language),
            "time": i18n.format_time,
            "iso": i18n.iso,
            "number": partial(i18n.format_number, language),
            "share": partial(i18n.format_share, language),
            "duration": partial(i18n.duration_words, self.texts, language),
            "unit": partial(self.unit_name, language=language),
        }
        return env


def language_of(request: Request) -> Language:
    """Out: the language that the shell chose for this request."""
    language: Language = getattr(request.state, "language", DEFAULT_LANGUAGE)
    return language


def principal_or_none(request: Request) -> Principal | None:
    """Out: who is signed in, None for a visitor and for a bearer token that is no good (its error page has no name)."""
    try:
        return identity_of(request).principal_of(request)
    except SignInNeededError:
        return None


def deadline_state(due: datetime, now: datetime, met_at: datetime | None = None) -> DeadlineState:
    """In: moments with a zone. Out: how a deadline stands; one met after it was due is `late`, never `met`."""
    if met_at is not None:
        return "met" if met_at <= due else "late"
    if now > due:
        return "missed"
    return "soon" if due - now <= SOON else "open"


def _relative(request: Request, language: Language) -> str:
    url = request.url.include_query_params(lang=language)
    return f"{url.path}?{url.query}"


def _templates_of(package: str) -> PackageLoader | None:
    return PackageLoader(package) if resources.files(package).joinpath("templates").is_dir() else None
