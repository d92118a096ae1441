"""Knocking at every route as everybody: what the table asks for, and how an answer is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml

from shared.identity.routes import SIGN_IN_PATH
from tests.integration.rights.town import ACCOUNTS, NEXT, NO_SUCH_ID, NOBODY, Someone, Town
from tests.support import media
from tests.support.visitor import Answer

TABLES = Path(__file__).parent / "who_may"
EVERYBODY = tuple(ACCOUNTS)
ANYBODY = (NOBODY, *EVERYBODY)
Came = Literal["in", "sign-in", "not allowed", "not there"]

_PLACE = re.compile(r"\{([a-z_]+)(?::path)?\}")
# Whose id stands after a word of an address, where the table does not say otherwise.
_AFTER: Mapping[str, str] = {
    "c": "case",
    "cases": "case",
    "concerns": "report",
    "tasks": "health-task",
    "incidents": "incident",
    "reassign": "handing-on",
    "children": "child",
    "matches": "pair",
    "merges": "merge",
    "splits": "split",
    "searches": "search",
    "holds": "hold",
    "lists": "round",
    "samples": "sample",
    "imports": "import",
    "Patient": "child",
    "periods": "period",
    "subscriptions": "endpoint",
    "queue": "endpoint",
    "deliveries": "delivery",
    "agreements": "agreement",
    "emergencies": "emergency",
    "absences": "absence",
    "lines": "notice",
    "open": "notice",
    "inbox": "notice",
}
# What says of a thing that there is none, where the answer is not a 404.
_NO_SUCH = frozenset({"task-unknown", "case-unknown"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table: a route with one thing, and who gets in.

    `of`: the thing, where it is not the usual one; `at`: the other words of the address; `json`, `form`, `file`: what
    is sent so that rights are what decides; `query`: likewise; `may`: by their names in the table. `refused`: the
    status of a refusal in words; `absent`: there is none of it in the town, whoever asks; `kept`: what it does is not
    undone.
    """

    route: str
    may: frozenset[str]
    of: str = ""
    at: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    json: Any = None
    form: Mapping[str, Any] | None = None
    file: bool = False
    refused: int = 0
    absent: bool = False
    kept: bool = False

    @property
    def method(self) -> str:
        return self.route.split(" ")[0]

    @property
    def path(self) -> str:
        return self.route.split(" ")[1]

    @property
    def name(self) -> str:
        return f"{self.route} of {self.of}" if self.of else self.route

    @property
    def is_page(self) -> bool:
        """Whether a person's browser asks for it."""
        return not re.search(r"/api/|/events$|/ops/(status|deadletters|parked|sweep|check|rebuild|history)", self.path)

    def thing(self, name: str, before: str) -> str | None:
        """What is named at a place of the address, where that is a thing of somebody's."""
        if name in self.at:
            return None
        usual = {"documents": "task-file" if "/tasks/" in self.path else "file"}.get(before) or _AFTER.get(before)
        if usual is None:
            raise LookupError(f"{self.route}: what is {{{name}}}? Say it under `at`.")
        return usual

    def address(self, town: Town, *, made_up: bool = False) -> str:
        """The address with its things' ids; `made_up`: with ids of the same form that nothing has."""
        told, last = "", 0
        places = list(_PLACE.finditer(self.path))
        for number, place in enumerate(places):
            told += self.path[last : place.start()]
            thing = self.thing(place[1], told.rstrip("/").rsplit("/", 1)[-1])
            if thing is None:
                told += _filled(self.at[place[1]], _names(town))
            elif self.of and number == 0:
                told += nothing_like(town.things[self.of]) if made_up else town.things[self.of]
            else:
                told += nothing_like(town.things[thing]) if made_up else town.things[thing]
            last = place.end()
        told += self.path[last:]
        return f"{told}?{self.query}" if self.query else told

    def main_thing(self) -> str:
        """What the address is about: the first thing that it names; empty where it names none."""
        for place in _PLACE.finditer(self.path):
            if thing := self.thing(place[1], self.path[: place.start()].rstrip("/").rsplit("/", 1)[-1]):
                return thing
        return ""

    def has_things(self) -> bool:
        """Whether the address names something that is somebody's."""
        return any(place[1] not in self.at for place in _PLACE.finditer(self.path))

    async def knock(self, town: Town, who: Someone, *, made_up: bool = False) -> Answer:
        """One try."""
        accept = "text/html" if self.is_page else "application/json"
        names = _names(town)
        return await who.call(
            self.method,
            self.address(town, made_up=made_up),
            json=_filled(self.json, names),
            form=_filled(self.form, names),
            file=("a.png", media.png()) if self.file else None,
            headers={"accept": accept},
        )


def nothing_like(identifier: str) -> str:
    """An id of the same form that nothing has."""
    if len(identifier) == 36:
        return NO_SUCH_ID
    return "999999" if identifier.isdigit() else re.sub(r"\d", "9", identifier)


def _names(town: Town) -> dict[str, str]:
    return {"<next>": NEXT, **{f"<{name}>": value for name, value in town.things.items()}}


def _filled(said: Any, names: Mapping[str, str]) -> Any:
    """`<thing>` in what is sent stands for its id."""
    if isinstance(said, str):
        return names.get(said, said)
    if isinstance(said, dict):
        return {key: _filled(value, names) for key, value in said.items()}
    return [_filled(one, names) for one in said] if isinstance(said, list) else said


def came(entry: Entry, answer: Answer) -> Came:
    """How somebody fared."""
    if answer.status == entry.refused:
        return "not allowed"
    if answer.status == 401 or answer.headers.get("location", "").startswith(f"{SIGN_IN_PATH}?"):
        return "sign-in"
    if answer.status == 403:
        return "not allowed"
    if answer.status == 404:
        return "not there"
    if answer.status == 422 and "json" in answer.headers.get("content-type", ""):
        rules = {one["rule"] for one in orjson.loads(answer.body).get("violations", ())}
        if rules & _NO_SUCH:
            return "not there"
    return "in"


def table() -> list[Entry]:
    """The whole table."""
    known = yaml.safe_load((TABLES / "groups.yaml").read_text("utf-8"))
    groups = {"everybody": " ".join(EVERYBODY), "anybody": " ".join(ANYBODY), **known}
    return [entry for path in sorted(TABLES.glob("*.yaml")) if path.stem != "groups" for entry in _read(path, groups)]


def _read(path: Path, groups: Mapping[str, str]) -> Iterator[Entry]:
    for route, lines in yaml.safe_load(path.read_text("utf-8")).items():
        for line in lines if isinstance(lines, list) else [lines]:
            more = dict(line) if isinstance(line, dict) else {"may": line}
            yield Entry(route, frozenset(_people(more.pop("may") or "", groups)), **more)


def _people(said: str, groups: Mapping[str, str]) -> Iterator[str]:
    for word in said.split():
        if word in groups:
            yield from _people(groups[word], groups)
        elif word in ANYBODY:
            yield word
        else:
            raise LookupError(f"The table knows nobody called {word!r}")
