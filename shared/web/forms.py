"""What a form says that somebody sent: its texts, as they can be kept, and the numbers among them."""

from __future__ import annotations

from fastapi import Request


async def form_of(request: Request) -> dict[str, str]:
    """A submitted form's texts by name."""
    form = await request.form()
    return {name: text_of(value) for name, value in form.items() if isinstance(value, str)}


async def chosen_in(request: Request, name: str) -> list[str]:
    """Every value that a submitted form has under one name: of boxes, those that are ticked."""
    return [text_of(value) for value in (await request.form()).getlist(name) if isinstance(value, str)]


def text_of(value: str) -> str:
    """A text that can be kept: a body in a strange encoding may hold half a surrogate pair."""
    return value.encode(errors="replace").decode()


def number_in(text: str, digits: int = 9) -> int | None:
    """A whole number of at most so many digits; None where the text is none, whatever else counts as a digit."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None
