"""Every word that an act records has a label on the page: found in the rules themselves, so that none is forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import services.cases.domain
from services.cases.views import WORDS

_RULES = Path(services.cases.domain.__file__).parent
# What rules call a line's words while they put them together.
_NAMES = {"words", "said"}


def _keys(value: ast.expr | None) -> Iterator[str]:
    """The literal keys of a dict, also where it depends on something, is merged or is made of a tuple of names."""
    for part in ast.walk(value) if value is not None else ():
        if isinstance(part, ast.Dict):
            yield from (key.value for key in part.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        elif isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant):
            yield str(part.slice.value)


def recorded() -> dict[str, str]:
    """Each word that a line is written with, and in which file."""
    found: dict[str, str] = {}
    for path in sorted(_RULES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            given: list[ast.expr | None] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Entry":
                given = [*node.args[2:3], *(one.value for one in node.keywords if one.arg == "words")]
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [one.value if isinstance(one, ast.Subscript) else one for one in targets]
                if any(isinstance(name, ast.Name) and name.id in _NAMES for name in names):
                    given = [node.value, *(one for one in targets if isinstance(one, ast.Subscript))]
            for value in given:
                for key in _keys(value):
                    found.setdefault(key, path.name)
    return found


def test_every_word_that_an_act_records_has_a_label() -> None:
    words = recorded()
    assert {"number", "reason", "carer", "minutes", "findings"} <= words.keys(), "found in the rules"
    assert {word: where for word, where in words.items() if word not in WORDS} == {}
