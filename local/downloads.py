"""Apache Kafka's jars: fetched once from Maven Central by pinned coordinates, each checked against a committed SHA-256.

It must never hand out a jar whose content is not the committed one, nor leave half a download where others look.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from local.folder import PlatformError

KAFKA_VERSION = "4.1.1"
# Lines of `sha256  group:artifact:version`: what kafka_2.13 needs to run, and slf4j-simple so that its log is written.
_LIST = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}.sha256")
_AT_ONCE = 6
_TIMEOUT_SECONDS = 30
Progress = Callable[[int, int], None]


class Source(Protocol):
    """Where jars come from: puts `group:artifact:version` somewhere below a folder, and says where."""

    def __call__(self, coordinate: str, folder: Path) -> Path: ...


def cache_folder() -> Path:
    """`$VONGTAY_CACHE`, else `~/.cache/vongtay`."""
    named = os.environ.get("VONGTAY_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "vongtay"


def pinned(listing: Path = _LIST) -> dict[str, str]:
    """The committed list: coordinate to SHA-256."""
    lines = listing.read_text("ascii").splitlines()
    return {coordinate: digest for digest, coordinate in (line.split() for line in lines if line)}


def maven_central(coordinate: str, folder: Path) -> Path:
    """Fetch one jar by jgo. Raises whatever its HTTP library raises."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - half a second that a second start does not need

    group, artifact, version = coordinate.split(":")
    context = MavenContext(repo_cache=folder, timeout=_TIMEOUT_SECONDS)
    found: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    return found


def kafka_jars(
    on_progress: Progress | None = None,
    *,
    cache: Path | None = None,
    wanted: Mapping[str, str] | None = None,
    source: Source = maven_central,
) -> list[Path]:
    """Kafka's class path, fetched where it is missing. Safe in several processes at once.

    Args:
        on_progress: told (jars at hand, jars in all) as they arrive.
        cache: instead of `cache_folder()`. wanted: coordinate to SHA-256, instead of the committed list.
        source: fetches one jar.

    Raises:
        PlatformError: the download failed or is not what the list says; calling again goes on where it stopped.
    """
    expected = pinned() if wanted is None else wanted
    folder = (cache or cache_folder()) / f"kafka-{KAFKA_VERSION}"
    files = {coordinate: folder / _file_name(coordinate) for coordinate in expected}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"):
            # Only whole and checked files have these names, so that existing is enough at most starts; a jar that
            # was damaged since is found by its digest.
            missing = [name for name, file in files.items() if not _is(file, expected[name])]
            _fetch(missing, expected, files, source, on_progress)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PlatformError(
            f"Không ghi được vào thư mục đệm {folder}: {reason}.",
            f"The cache folder {folder} cannot be written to: {reason}.",
        ) from None
    return list(files.values())


def _fetch(
    missing: list[str],
    expected: Mapping[str, str],
    files: Mapping[str, Path],
    source: Source,
    on_progress: Progress | None,
) -> None:
    if not missing:
        return
    done, total = len(files) - len(missing), len(files)
    parent = next(iter(files.values())).parent
    with (
        tempfile.TemporaryDirectory(dir=parent, prefix=".download-") as scratch,
        ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="vongtay-download") as pool,
    ):
        if on_progress:
            on_progress(done, total)
        waiting = [pool.submit(_fetch_one, name, expected[name], files[name], source, scratch) for name in missing]
        try:
            for future in as_completed(waiting):
                future.result()
                done += 1
                if on_progress:
                    on_progress(done, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(coordinate: str, digest: str, target: Path, source: Source, scratch: str) -> None:
    try:
        fetched = source(coordinate, Path(scratch))
    except Exception as error:  # requests' errors, jgo's RuntimeError: one reason for whoever started it
        raise PlatformError(
            f"Không tải được {target.name} từ Maven Central ({type(error).__name__}); hãy kiểm tra mạng rồi chạy lại.",
            f"{target.name} could not be fetched from Maven Central ({type(error).__name__}); "
            "check the network and run it again.",
        ) from error
    if not _is(fetched, digest):
        raise PlatformError(
            f"{target.name} tải về không đúng mã SHA-256 đã ghi; tệp đã bị bỏ, hãy chạy lại.",
            f"{target.name} as fetched does not have the recorded SHA-256; it was thrown away, run it again.",
        )
    os.replace(fetched, target)


def _is(file: Path, digest: str) -> bool:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
