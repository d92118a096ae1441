"""Speaks to the running platform as its made-up people do: over HTTP, each with an own token, never past a rule."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from shared.contracts.base import CONTRACTS
from shared.contracts.vocabulary import Sector

_ATTEMPTS = 20
_PAUSE = 0.5
_TIMEOUT = aiohttp.ClientTimeout(total=120)
Json = dict[str, Any]


class Players:
    """All roles of a demo platform.

    Args:
        session: an open client session. url: of the platform, on this machine.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        # Which acts were refused by which rule, how often.
        self.refused = Counter[str]()
        self._tokens: dict[tuple[str, str | None], str] = {}

    async def get(self, role: str, path: str, where: str | None = None) -> Json:
        """What a role sees; empty where it may not. `where`: a commune for worker and chair, a sector for others."""
        return await self._call("GET", role, where, path, None)

    async def post(self, role: str, path: str, body: object, where: str | None = None) -> Json:
        """What became of an act; empty where it was refused, as people are refused sometimes."""
        return await self._call("POST", role, where, path, body)

    async def look(self, role: str, path: str, where: str | None = None) -> str:
        """A page as that role sees it; empty where it does not answer: it is looked at another time."""
        with suppress(aiohttp.ClientError, TimeoutError):
            headers = {"Authorization": f"Bearer {await self._token(role, where)}", "Accept": "text/html"}
            async with self._session.get(self._url + path, headers=headers, timeout=_TIMEOUT) as answer:
                return await answer.text()
        return ""

    async def submit(self, role: str, path: str, fields: dict[str, str], where: str | None = None) -> str:
        """Send a page's form. Out: the page it leads to; empty where it was refused or did not answer."""
        return await self._send(role, path, aiohttp.FormData(fields), where)

    async def upload(self, role: str, path: str, name: str, content: bytes, where: str | None = None) -> str:
        """Send a file by a page's form. Out: as `submit`."""
        form = aiohttp.FormData()
        form.add_field("file", content, filename=name, content_type="text/csv")
        return await self._send(role, path, form, where)

    async def _send(self, role: str, path: str, form: aiohttp.FormData, where: str | None) -> str:
        with suppress(aiohttp.ClientError, TimeoutError):
            headers = {"Authorization": f"Bearer {await self._token(role, where)}", "Accept": "text/html"}
            async with self._session.post(
                self._url + path, data=form, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                if answer.status == 303:
                    return answer.headers["Location"].partition("?")[0]
                self.refused[f"form: {answer.status}"] += 1
        return ""

    async def publish(self, sector: Sector, documents: Sequence[Json]) -> None:
        """An agency's events, in order."""
        by_service: dict[str, list[Json]] = {}
        for document in documents:
            by_service.setdefault(CONTRACTS[document["type"]].OWNER or "cases", []).append(document)
        for service, mine in by_service.items():
            for start in range(0, len(mine), 200):
                await self.post("agency", f"/{service}/events", mine[start : start + 200], sector)

    async def _call(self, method: str, role: str, where: str | None, path: str, body: object) -> Json:
        for _ in range(_ATTEMPTS):
            try:
                headers = {"Authorization": f"Bearer {await self._token(role, where)}"}
                async with self._session.request(
                    method, self._url + path, json=body, headers=headers, timeout=_TIMEOUT
                ) as answer:
                    if answer.status < 400:
                        known: Json = await answer.json()
                        return known
                    if answer.status < 500:
                        if method == "POST":
                            self.refused[await _why(answer, body)] += 1
                        return {}
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_PAUSE)
        return {}

    async def _token(self, role: str, where: str | None) -> str:
        key = (role, where)
        if key not in self._tokens:
            wanted = {"role": role} | ({} if where is None else {"unit" if where.isdigit() else "sector": where})
            async with self._session.post(f"{self._url}/identity/demo-token", json=wanted) as answer:
                answer.raise_for_status()
                self._tokens[key] = (await answer.json())["token"]
        return self._tokens[key]


async def _why(answer: aiohttp.ClientResponse, body: object) -> str:
    """The act and the rules that refused it, as codes; no word that somebody typed."""
    said = body.get("act", body) if isinstance(body, dict) else {}
    name = said.get("act") or said.get("answer") if isinstance(said, dict) else said
    try:
        problem = await answer.json(content_type=None)
    except ValueError:
        problem = {}
    rules = [str(violation.get("rule")) for violation in problem.get("violations", [])]
    return f"{name or 'event'}: {' '.join(rules) or answer.status}"
