"""Kafka's jars: only what the committed list says, whole, once, and a clear sentence otherwise."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest

from local.downloads import kafka_jars, pinned
from local.folder import PlatformError

_CONTENT = {f"org.example:part{number}:1.0": f"jar {number}".encode() for number in range(5)}
_WANTED = {name: hashlib.sha256(content).hexdigest() for name, content in _CONTENT.items()}


class Repository:
    """Stands in for Maven Central."""

    def __init__(self) -> None:
        self.content = dict(_CONTENT)
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.delay = 0.0

    def __call__(self, coordinate: str, folder: Path) -> Path:
        self.asked.append(coordinate)
        time.sleep(self.delay)
        file = folder / coordinate.split(":")[1]
        if coordinate in self.broken:
            file.write_bytes(b"ja")
            raise ConnectionError("reset by peer")
        file.write_bytes(self.content[coordinate])
        return file


@pytest.fixture
def repository() -> Repository:
    return Repository()


def test_jars_are_fetched_once_and_progress_is_told(repository: Repository, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    jars = kafka_jars(lambda *step: told.append(step), cache=tmp_path, wanted=_WANTED, source=repository)
    assert [jar.read_bytes() for jar in jars] == list(_CONTENT.values())
    assert told == [(number, 5) for number in range(6)]
    assert kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository) == jars
    assert sorted(repository.asked) == sorted(_WANTED)


def test_a_download_that_breaks_says_so_and_the_next_one_goes_on(repository: Repository, tmp_path: Path) -> None:
    repository.broken = {"org.example:part3:1.0"}
    with pytest.raises(PlatformError, match=r"part3-1\.0\.jar could not be fetched.*run it again") as caught:
        kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository)
    assert "hãy kiểm tra mạng" in caught.value.message_vi
    kept = {jar.name for jar in tmp_path.rglob("*.jar")}
    assert "part3-1.0.jar" not in kept
    assert not list(tmp_path.rglob(".download-*"))
    repository.broken, repository.asked = set(), []
    assert len(kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository)) == 5
    assert len(repository.asked) == 5 - len(kept)


def test_another_content_than_the_recorded_is_never_handed_out(repository: Repository, tmp_path: Path) -> None:
    repository.content["org.example:part1:1.0"] = b"something else"
    with pytest.raises(PlatformError, match=r"part1-1\.0\.jar as fetched does not have the recorded SHA-256"):
        kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository)
    assert not list(tmp_path.rglob("part1*"))


def test_a_jar_damaged_in_the_cache_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    jars = kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository)
    jars[2].write_bytes(b"jar")
    repository.asked = []
    kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository)
    assert repository.asked == ["org.example:part2:1.0"]
    assert jars[2].read_bytes() == b"jar 2"


def test_two_at_once_fetch_every_jar_once(repository: Repository, tmp_path: Path) -> None:
    repository.delay = 0.02
    found: list[list[Path]] = []

    def fetch() -> None:
        found.append(kafka_jars(cache=tmp_path, wanted=_WANTED, source=repository))

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert sorted(repository.asked) == sorted(_WANTED)


def test_a_cache_that_cannot_be_written_is_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match=r"The cache folder .*file.* cannot be written to"):
        kafka_jars(cache=tmp_path / "file", wanted=_WANTED, source=repository)


def test_the_committed_list_pins_every_part_of_kafka() -> None:
    listed = pinned()
    assert "org.apache.kafka:kafka_2.13:4.1.1" in listed
    assert len(listed) >= 45
    assert all(len(digest) == 64 and int(digest, 16) for digest in listed.values())
