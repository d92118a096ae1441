"""Static files of the shell and of each service, named by content so that a browser fetches each once.

It must never read a path that a visitor wrote: only files listed at start are served.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC_PATH = "/static"
SHELL_PACKAGE = "shared.web"
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"
_COMPRESSIBLE = ("text/", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file in memory, and its gzip where that is smaller."""

    body: bytes
    gzipped: bytes | None
    media_type: str
    digest: str


class Assets:
    """The files in `static/` of the shell (at /static/) and of each package (at /static/<last part of its name>/)."""

    def __init__(self, packages: Sequence[str]) -> None:
        """In: packages that may have a `static` folder."""
        self._files: dict[str, Asset] = {}
        for package in packages:
            folder = resources.files(package).joinpath("static")
            place = "" if package == SHELL_PACKAGE else package.rsplit(".", 1)[-1] + "/"
            if folder.is_dir():
                self._read(folder, place)

    def url(self, name: str) -> str:
        """In: a file's name as in /static/. Out: its address with the content's hash. Errors: KeyError."""
        return f"{STATIC_PATH}/{name}?v={self._files[name].digest}"

    async def serve(self, request: Request) -> Response:
        """Answer a request for one file. Errors: 404."""
        name = request.path_params["name"]
        asset = self._files.get(name)
        if asset is None:
            raise HTTPException(404)
        etag = f'"{asset.digest}"'
        # Only an address with the right hash may be kept for ever; any other would pin an old file.
        pinned = f"{STATIC_PATH}/{name}?v={request.query_params.get('v')}" == self.url(name)
        headers = {
            "ETag": etag,
            "Cache-Control": FOREVER if pinned else ASK_AGAIN,
            "Vary": "Accept-Encoding",
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if asset.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.gzipped, headers=headers, media_type=asset.media_type)
        return Response(asset.body, headers=headers, media_type=asset.media_type)

    def _read(self, folder: Traversable, place: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                self._read(entry, f"{place}{entry.name}/")
            else:
                self._files[place + entry.name] = _asset(entry.name, entry.read_bytes())


def _asset(name: str, body: bytes) -> Asset:
    media_type = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    media_type = media_type or "application/octet-stream"
    packed = gzip.compress(body, mtime=0) if media_type.startswith(_COMPRESSIBLE) else body
    return Asset(
        body=body,
        gzipped=packed if len(packed) < len(body) else None,
        media_type=media_type,
        digest=hashlib.sha256(body).hexdigest()[:16],
    )
