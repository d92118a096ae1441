"""Cases of children of one family, named by their codes."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, Words


class LinkSibling(ActBase):
    """The other case is of a brother or sister."""

    act: Literal["link-sibling"] = "link-sibling"
    other: Code
    reason: Words


class UnlinkSibling(ActBase):
    """The two cases have nothing to do with each other after all."""

    act: Literal["unlink-sibling"] = "unlink-sibling"
    other: Code
    reason: Words
