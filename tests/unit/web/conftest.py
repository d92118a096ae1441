"""Visitors of applications without a port or a browser."""

from collections.abc import Callable

import pytest
from starlette.types import ASGIApp

from tests.support.visitor import Answer, Visitor, token_of


@pytest.fixture
def read_token() -> Callable[[Answer], str]:
    return token_of


@pytest.fixture
def visit() -> Callable[[ASGIApp], Visitor]:
    """Makes a visitor of an application: `visitor = visit(app)`."""
    return Visitor
