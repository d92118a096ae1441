"""What keeps somebody out of a page, as axe-core finds it: names of controls, headings, contrast, tables, language."""

from __future__ import annotations

from typing import Any, Final

from axe_playwright_python.async_playwright import Axe

# WCAG 2.2 to AA, and what axe calls good practice: order of headings, landmarks, empty table headers.
_OPTIONS: Final = {
    "resultTypes": ["violations"],
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
_AXE: Final = Axe()


async def barriers(page: Any) -> list[str]:
    """Check a page of playwright as it stands. Out: each broken rule with where it is; empty: nothing was found."""
    results = await _AXE.run(page, options=_OPTIONS)
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:160]}"
        for rule in results.response["violations"]
        for node in rule["nodes"][:3]
    ]
