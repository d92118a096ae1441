"""A process may have as many connections open as it needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

_ASKED = """
import resource
from shared.descriptors import allow_many
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
allow_many()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), hard)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such limit")
def test_a_process_has_more_open_than_systems_begin_with_and_no_more_than_they_allow() -> None:
    said = subprocess.run([sys.executable, "-c", _ASKED], check=True, capture_output=True, text=True).stdout
    soft, hard, before = map(int, said.split())
    assert hard == before
    assert soft == (65_536 if hard < 0 else min(65_536, hard))
