"""Who may enter: the users file, roles, areas and the demo's people."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.identity import (
    ALL_UNITS,
    PERMISSIONS,
    Directory,
    DirectoryError,
    Permission,
    Principal,
    Role,
    demo_directory,
    hash_password,
    new_token,
)

PASSWORD_HASH = hash_password("mot mat khau dai va la")


def _worker(**changes: Any) -> dict[str, Any]:
    return {
        "id": "lan",
        "name": "Nguyễn Thị Lan",
        "role": "worker",
        "units": ["05443"],
        "password": PASSWORD_HASH,
    } | changes


def _file(folder: Path, **content: Any) -> Path:
    path = folder / "users.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_people_and_machines_are_loaded_from_the_users_file(tmp_path: Path) -> None:
    token, digest = new_token()
    hospital = {"id": "bv", "name": "Bệnh viện", "role": "agency", "sector": "health", "token_sha256": digest}
    directory = Directory.load(_file(tmp_path, people=[_worker()], machines=[hospital]))

    person = directory.person("lan")
    assert person == Principal("lan", "Nguyễn Thị Lan", Role.WORKER, frozenset({"05443"}))
    machine = directory.by_token(token)
    assert machine is not None
    assert (machine.sector, machine.machine) == ("health", True)
    assert directory.by_token(token + "x") is None
    assert not directory.demo


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (_worker(password="mat-khau-that"), "argon2id"),
        (_worker(role="king"), "role"),
        (_worker(units="all"), "communes"),
        (_worker(units=["5443"]), "units"),
        (_worker(role="sector", units="all"), "sector"),
        (_worker(role="partner", units="all"), "org"),
        (_worker(colour="red"), "colour"),
    ],
)
def test_an_entry_that_is_not_safe_is_refused_by_name(tmp_path: Path, entry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DirectoryError, match=complaint) as refusal:
        Directory.load(_file(tmp_path, people=[entry]))
    assert "mat-khau-that" not in str(refusal.value)


def test_two_entries_never_share_an_id(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="one id to two"):
        Directory.load(_file(tmp_path, people=[_worker(), _worker()]))


def test_a_missing_users_file_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="cannot be read"):
        Directory.load(tmp_path / "nowhere.json")


def test_a_commune_worker_sees_the_own_commune_and_no_other_nor_an_unknown_place() -> None:
    worker = Principal("lan", "Nguyễn Thị Lan", Role.WORKER, frozenset({"05443"}))
    assert worker.may_see("05443")
    assert not worker.may_see("02143")
    assert not worker.may_see(None)


def test_whoever_sees_the_province_also_sees_what_has_no_place_yet() -> None:
    coordinator = Principal("ha", "Ma Thị Hà", Role.COORDINATOR, ALL_UNITS)
    assert coordinator.may_see("02143")
    assert coordinator.may_see(None)


def test_those_who_count_or_operate_never_see_children_or_cases() -> None:
    for role in (Role.STATISTICIAN, Role.OPERATOR, Role.PARTNER, Role.AGENCY):
        assert not PERMISSIONS[role] & {Permission.SEE_CHILDREN, Permission.SEE_CASES}
    assert PERMISSIONS.keys() == set(Role)


def test_a_principal_that_lands_in_a_log_shows_no_name() -> None:
    worker = Principal("lan.nguyen", "Nguyễn Thị Lan", Role.WORKER, frozenset({"05443"}))
    assert repr(worker) == "Principal(role=worker)"


def test_the_demo_has_a_person_for_every_role_and_a_sector_for_every_officer() -> None:
    directory = demo_directory({"05443": "Phường Tân Long", "05455": "Xã Bên cạnh"})
    assert {person.role for person in directory.people.values()} == set(Role)
    assert {p.sector for p in directory.people.values() if p.role is Role.AGENCY} >= {"hotline", "health", "police"}
    worker = directory.people["lan.worker"]
    assert worker.units == {"05443"}
    assert directory.demo
    assert not directory.passwords
    assert not directory.tokens


def test_the_demo_takes_a_commune_that_exists() -> None:
    directory = demo_directory({"02143": "Xã Văn Lang"})
    assert all(p.units in (ALL_UNITS, frozenset({"02143"})) for p in directory.people.values())
    with pytest.raises(ValueError, match="commune"):
        demo_directory({})
