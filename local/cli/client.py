"""How commands reach a running platform: `VONGTAY_URL`, a token from `VONGTAY_TOKEN` or the demo's door."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from local.cli.output import EXIT_DATA, EXIT_UNREACHABLE, EXIT_USE, CommandError

DEFAULT_URL = "http://127.0.0.1:8600"
_TIMEOUT = 30.0


class Client:
    """Speaks JSON with the platform in one role.

    Args:
        role: which role a demo platform should give; with `VONGTAY_TOKEN` the token decides.
        sector: whose agency, for role `agency`.
    """

    def __init__(self, role: str, sector: str | None = None) -> None:
        self.url = base_url()
        self._wanted = {"role": role} | ({"sector": sector} if sector else {})
        self._token = os.environ.get("VONGTAY_TOKEN")

    @property
    def token(self) -> str:
        """The bearer token. Raises `CommandError` where none is to be had."""
        if self._token is None:
            answer = self._call("POST", "/identity/demo-token", self._wanted, {})
            self._token = str(answer["token"])
        return self._token

    def get(self, path: str, **query: object) -> Any:
        """The JSON answer of a GET. Raises `CommandError`."""
        wanted = {name: str(value) for name, value in query.items() if value is not None}
        return self._call("GET", f"{path}?{urlencode(wanted)}" if wanted else path, None, self._authorization())

    def post(self, path: str, body: object | None = None) -> Any:
        """The JSON answer of a POST. Raises `CommandError`."""
        return self._call("POST", path, body or {}, self._authorization())

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _call(self, method: str, path: str, body: object | None, headers: dict[str, str]) -> Any:
        data = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310 - base_url checked it
        for name, value in ({"Content-Type": "application/json", "Accept": "application/json"} | headers).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
                return orjson.loads(answer.read())
        except urllib.error.HTTPError as problem:
            raise _explained(path, problem) from None
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            raise CommandError(
                f"Nothing answers at {self.url}. Is the platform running (`make up`)? VONGTAY_URL names another place.",
                EXIT_UNREACHABLE,
            ) from None
        except orjson.JSONDecodeError:
            raise CommandError(f"{self.url} answers, but is no Vòng Tay platform.", EXIT_UNREACHABLE) from None


def base_url() -> str:
    """Where the platform is. Raises `CommandError` when VONGTAY_URL is no http address."""
    url = os.environ.get("VONGTAY_URL", DEFAULT_URL).rstrip("/")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
        raise CommandError("VONGTAY_URL must be an address like http://127.0.0.1:8600.")
    return url


def _explained(path: str, problem: urllib.error.HTTPError) -> CommandError:
    if path == "/identity/demo-token" and problem.code in {403, 404}:
        return CommandError(
            "This platform has no demo users, or is not on this machine: put a token into VONGTAY_TOKEN.", EXIT_USE
        )
    if problem.code in {401, 403}:
        return CommandError("The token is not known, or does not allow this.", EXIT_USE)
    if problem.code >= 500:
        return CommandError("The platform is not ready for this now; `vongtay status` says more.", EXIT_UNREACHABLE)
    try:
        violations = orjson.loads(problem.read()).get("violations", [])
        words = " ".join(str(violation["message_en"]) for violation in violations)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        words = ""
    return CommandError(words or f"The platform refused ({problem.code}).", EXIT_DATA)
