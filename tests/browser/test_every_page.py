"""Every page that somebody can get to, looked at with axe: the links of each role are followed on the whole platform.

What is found is what would keep somebody out: a control without a name, too little contrast, a table without headers.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from local.simulation.traffic import traffic
from local.simulation.world import World
from shared.identity.demo import HOME_UNIT
from tests.browser.people import Company, Somebody
from tests.support.platform import Whole, whole

pytestmark = pytest.mark.timeout(600)
# One of each who sees other pages than the rest; a phone where it is a phone that they have.
PEOPLE = {
    "lan.worker": True,
    "binh.chair": False,
    "mai.hotline": False,
    "duc.health": True,
    "ha.coordinator": False,
    "tuan.statistician": True,
    "yen.partner": False,
    "son.operator": False,
}
MOST_KINDS = 40
# What tells two pages of one kind apart.
_WHICH = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=/)\d{4,}(?:-[\dQHSY]+)?|\?.*|#.*")
# No pages: files, streams, programs' answers, the way out.
_NO_PAGE = re.compile(r"/api/|/static/|/live|/sign-out|/events|\.(?:pdf|docx|xlsx|csv|json)\b|/files/|/papers/|\?lang=")


@pytest.fixture(scope="module")
async def platform(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """The platform, and a few children, reports and injuries in it."""
    async with whole(tmp_path_factory.mktemp("every")) as running:
        world = World(60, 7, datetime.now(UTC), HOME_UNIT)
        for sent in traffic(world, 12, seed=7).events:
            service = "registry" if "child.recorded" in sent.document["type"] else "cases"
            await running.post(f"/{service}/events", [sent.document], "agency", sent.sector)
        yield running


@pytest.mark.parametrize("account", PEOPLE)
async def test_no_page_shuts_anybody_out(browser: Any, platform: Whole, account: str) -> None:
    async with Company(browser, platform.url) as people:
        somebody = await people.person(account, phone=PEOPLE[account])
        kinds = await _walk(somebody, platform.url)
        assert len(kinds) >= 3, kinds
        assert people.broken() == []


async def _walk(somebody: Somebody, url: str) -> set[str]:
    """Follow links from the first page, one page of each kind. Out: the kinds."""
    waiting, kinds = deque(["/"]), {""}
    while waiting and len(kinds) <= MOST_KINDS:
        path = waiting.popleft()
        await somebody.go(path)
        await somebody.fits()
        found = await somebody.page.locator("a[href]:not([download])").evaluate_all(
            "all => all.map((a) => new URL(a.getAttribute('href'), location).href)"
        )
        for address in found:
            link = address.removeprefix(url)
            kind = _WHICH.sub("*", link)
            if link.startswith("/") and kind not in kinds and not _NO_PAGE.search(link):
                kinds.add(kind)
                waiting.append(link.partition("#")[0])
    return kinds
