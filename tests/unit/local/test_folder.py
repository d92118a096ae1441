"""The data folder: one user at a time, secrets made once and private, and one clear sentence for whatever is wrong."""

from __future__ import annotations

import base64
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from local import folder as module
from local.folder import DataFolder, PlatformError, port_is_free, write_private
from shared.contracts.vocabulary import SECTORS


def test_a_second_platform_is_told_the_folder_and_the_pid(tmp_path: Path) -> None:
    with DataFolder(tmp_path):
        sentence = rf"The data folder {tmp_path} is in use by another process \(pid {os.getpid()}\)\."
        with pytest.raises(PlatformError, match=sentence) as caught:
            DataFolder(tmp_path).open()
        assert caught.value.message_vi.startswith("Thư mục dữ liệu")
    DataFolder(tmp_path).open().close()


def test_a_holder_that_was_killed_leaves_the_folder_free(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from local.folder import DataFolder\n"
        "held = DataFolder(Path(sys.argv[1])).open(); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(PlatformError, match=f"pid {holder.pid}"):
            DataFolder(tmp_path).open()
    finally:
        holder.kill()
        holder.communicate()
    DataFolder(tmp_path).open().close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlatformError, match=f"The data folder {tmp_path}/file/data cannot be written to: "):
        DataFolder(tmp_path / "file" / "data").open()


def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"has only \d+ MiB free; at least \d+ MiB are needed"):
        DataFolder(tmp_path, least_free=2**62).open()
    DataFolder(tmp_path).open().close()


def test_a_disk_that_is_full_while_writing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(PlatformError, match="cannot be written to: No space left on device"):
        write_private(tmp_path / "secret", "value")
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as data:
        first = data.secrets()
        made = (first.session_secret, first.pepper, first.agency_passwords(), first.master_key_file.read_text())
        again = data.secrets()
        assert (again.session_secret, again.pepper, again.agency_passwords(), again.master_key_file.read_text()) == made
        assert set(again.agency_passwords()) == set(SECTORS)
        assert len(set(again.agency_passwords().values())) == len(SECTORS)
        for file in (first.master_key_file, first.platform_key_file):
            assert len(base64.b64decode(file.read_text())) == 32
        assert first.master_key_file.read_text() != first.platform_key_file.read_text()
        for file in (tmp_path / "secrets.json", first.master_key_file, first.platform_key_file):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_lost_key_is_asked_for_and_never_replaced(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as data:
        data.secrets().master_key_file.unlink()
        with pytest.raises(PlatformError, match=r"master\.key is missing; restore it from a backup"):
            _ = data.secrets().master_key_file


def test_damaged_secrets_are_named_and_left_alone(tmp_path: Path) -> None:
    with DataFolder(tmp_path) as data:
        (tmp_path / "secrets.json").write_text('{"session_secret": ')
        with pytest.raises(PlatformError, match=r"secrets\.json is damaged"):
            data.secrets()
        assert (tmp_path / "secrets.json").read_text() == '{"session_secret": '


def test_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    import socket

    with DataFolder(tmp_path) as data:
        first = data.ports(["kafka", "postgres"])
        assert len(set(first.values())) == 2
        assert data.ports(["kafka", "postgres"]) == first
        with socket.create_server(("127.0.0.1", first["kafka"])):
            assert not port_is_free(first["kafka"])
            second = data.ports(["kafka", "postgres"])
        assert second["kafka"] != first["kafka"]
        assert second["postgres"] == first["postgres"]
