"""What the integration tests of one service share. A file that needs another house than notify's has its own of that
name, which goes before this one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.notify_house import House, make_house


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    """The notify service on a database of its own."""
    async with make_house(fresh_database) as made:
        yield made
