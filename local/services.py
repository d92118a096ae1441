"""Which services there are, and where each is put together. A new service is one more line."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from shared.runtime import Build

SERVICES = ("registry", "cases", "stats", "notify")


def build_of(name: str) -> Build:
    """The function that puts a service together; imported when asked for, so that one service loads only itself."""
    return cast(Build, import_module(f"services.{name}.app").build)
