"""The documents keep what they promise: links lead somewhere, tables equal the code, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from click import Group

from local.cli import app
from services.cases.settings import CasesSettings
from services.notify.settings import NotifySettings
from services.registry.settings import RegistrySettings
from shared.messaging.topics import TOPICS
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`|```(?:sh|console)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s/])vongtay ([a-z]+)(?: ([a-z]+))?")


def test_every_page_is_found_from_the_index() -> None:
    linked = {(ROOT / "docs" / target).resolve() for target in LINK.findall((ROOT / "docs/index.md").read_text())}
    assert [
        str(page) for page in sorted((ROOT / "docs").rglob("*.md")) if page not in linked | {ROOT / "docs/index.md"}
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text()):
        path = target.partition("#")[0]
        if path and "://" not in path and not (page.parent / path).exists():
            broken.append(target)
    assert broken == []


def test_every_setting_is_documented_and_no_other() -> None:
    text = (ROOT / "docs/reference/configuration.md").read_text()
    documented = re.findall(r"^\| `(VONGTAY_\w+)`", text, re.MULTILINE)
    settings = [f"VONGTAY_{name.upper()}" for name in Settings.model_fields]
    notify = [f"VONGTAY_NOTIFY_{name.upper()}" for name in NotifySettings.model_fields]
    registry = [f"VONGTAY_REGISTRY_{name.upper()}" for name in RegistrySettings.model_fields]
    cases = [f"VONGTAY_CASES_{name.upper()}" for name in CasesSettings.model_fields]
    assert documented == settings + notify + registry + cases


def test_topics_are_those_of_the_code() -> None:
    text = (ROOT / "docs/reference/topics.md").read_text()
    rows = [
        tuple(cell.strip() for cell in row) for row in re.findall(r"^\| `(.+?)` \|(.+?)\|(.+?)\|", text, re.MULTILINE)
    ]
    kept = {True: "compacted", False: "for ever"}
    expected = [
        (topic.name, str(topic.partitions), f"{topic.days} days" if topic.days else kept[topic.compacted])
        for topic in TOPICS
    ]
    assert rows == expected


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    program = typer.main.get_command(app)
    unknown = []
    for inline, block in CODE.findall(page.read_text()):
        for name, sub in COMMAND.findall(inline or block):
            command = program.commands.get(name)  # type: ignore[attr-defined]
            if command is None or (isinstance(command, Group) and sub and sub not in command.commands):
                unknown.append(f"{name} {sub}".strip())
    assert unknown == []
