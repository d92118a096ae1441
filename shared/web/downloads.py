"""The headers under which a file leaves: kept by no cache, guessed at by no browser, never run in our name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

# A type that a browser would run is never sent; were one to, it may do nothing (CSP3, sandbox).
_HARMLESS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
PDF_TYPE: Final = "application/pdf"
DOCX_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ZIP_TYPE: Final = "application/zip"


def headers_for(name: str, plain: str, *, inline: bool = False) -> dict[str, str]:
    """In: the name to save under, and one in plain letters for old programs. Out: headers (RFC 6266, RFC 8187)."""
    kind = "inline" if inline else "attachment"
    return {
        **_HARMLESS,
        "Content-Disposition": f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
    }
