"""Work in a process of its own that breaks, with words of a child in what breaks it."""

from __future__ import annotations

from typing import Any

from shared.apart import do_orders


async def _work(orders: dict[str, Any]) -> None:
    raise ValueError(f"DETAIL: Key (name)=({orders['name']}) already exists.")


if __name__ == "__main__":
    do_orders(_work)
