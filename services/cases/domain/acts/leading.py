"""Who leads, as what it is counted, who the child is, what is to be remembered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, Words
from services.cases.domain.forms import Rating


class Reclassify(ActBase):
    """Kind, risk, where it happens or who does it was wrong or unknown. What is left out stays as it is."""

    act: Literal["reclassify"] = "reclassify"
    kind: Code
    risk: Annotated[Rating | None, EmptyIsNone] = None
    environment: Annotated[Code | None, EmptyIsNone] = None
    harmer: Annotated[Code | None, EmptyIsNone] = None
    reason: Words


class Transfer(ActBase):
    """Another commune leads."""

    act: Literal["transfer"] = "transfer"
    to_unit: Code
    reason: Words


NONE_OF_THESE = "none-of-these"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IN_ADDRESS = re.compile(rf"^\S*/children/({_ID})/?(?:[?#]\S*)?$")


def _id_of_address(value: object) -> object:
    """The child's id where somebody pastes the address of its record."""
    found = _IN_ADDRESS.match(value.strip().lower()) if isinstance(value, str) else None
    return found.group(1) if found else value


class ChooseChild(ActBase):
    """A person says which of the registry's candidates the child is; `none-of-these` where it is none."""

    act: Literal["choose-child"] = "choose-child"
    child_id: Code


class CorrectChild(ActBase):
    """The case was linked to the wrong child: which one it is about (its id, or the address of its record), or
    `none-of-these` where none of those known is."""

    act: Literal["correct-child"] = "correct-child"
    child_id: Annotated[str, BeforeValidator(_id_of_address), Field(pattern=rf"^(?:{NONE_OF_THESE}|{_ID})$")]
    reason: Words

    @model_validator(mode="before")
    @classmethod
    def _nobody(cls, given: object) -> object:
        """On the form, that nobody known is the child is a box of its own: `nobody`."""
        if not isinstance(given, Mapping) or "nobody" not in given:
            return given
        rest = {name: value for name, value in given.items() if name != "nobody"}
        ticked = given["nobody"] in (True, "true")
        return {"child_id": NONE_OF_THESE, **rest} if ticked else rest


class Note(ActBase):
    """Something to remember."""

    act: Literal["note"] = "note"
    text: Words
