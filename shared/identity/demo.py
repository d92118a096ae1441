"""Made-up people, one a role, so that anybody can try the platform in a minute.

They have no password and no token: they enter only by the one-click page, which exists only for this directory.
"""

from collections.abc import Iterator, Mapping

from shared.contracts.vocabulary import Sector
from shared.identity.directory import Directory
from shared.identity.principal import ALL_UNITS, Principal, Role

HOME_UNIT = "05443"


def demo_directory(units: Mapping[str, str]) -> Directory:
    """In: commune code -> name, as `shared.reference` has them. Out: a directory with one person a role and sector.

    Errors: ValueError when there is no commune to work in.
    """
    if not units:
        raise ValueError("The demo needs at least one commune")
    home = HOME_UNIT if HOME_UNIT in units else min(units)
    neighbour = min((code for code in units if code > home), default=home)
    here = frozenset({home})
    people = (
        Principal("lan.worker", "Nguyễn Thị Lan", Role.WORKER, here),
        Principal("thuong.worker", "Hoàng Thị Thương", Role.WORKER, frozenset({neighbour})),
        Principal("binh.chair", "Trần Văn Bình", Role.CHAIR, here),
        Principal("mai.hotline", "Phạm Thị Mai", Role.HOTLINE, ALL_UNITS, sector="hotline"),
        Principal("duc.health", "Lê Minh Đức", Role.SECTOR, ALL_UNITS, sector="health"),
        Principal("hoa.education", "Vũ Thị Hoa", Role.SECTOR, ALL_UNITS, sector="education"),
        Principal("quang.police", "Dương Văn Quang", Role.SECTOR, ALL_UNITS, sector="police"),
        Principal("thao.dolisa", "Bùi Thị Thảo", Role.SECTOR, ALL_UNITS, sector="dolisa"),
        Principal("khanh.justice", "Đặng Quốc Khánh", Role.SECTOR, ALL_UNITS, sector="justice"),
        Principal("nhung.unions", "Nông Thị Nhung", Role.SECTOR, ALL_UNITS, sector="unions"),
        Principal("ha.coordinator", "Ma Thị Thu Hà", Role.COORDINATOR, ALL_UNITS),
        Principal("tuan.statistician", "Lý Anh Tuấn", Role.STATISTICIAN, ALL_UNITS),
        Principal("yen.partner", "Triệu Hải Yến", Role.PARTNER, ALL_UNITS, org="mai-am-hy-vong"),
        Principal("son.operator", "Đỗ Thanh Sơn", Role.OPERATOR, ALL_UNITS),
        Principal("agency.hotline", "Tổng đài 111", Role.AGENCY, ALL_UNITS, sector="hotline", machine=True),
        Principal("agency.health", "Bệnh viện tỉnh", Role.AGENCY, ALL_UNITS, sector="health", machine=True),
        Principal("agency.education", "Sở Giáo dục", Role.AGENCY, ALL_UNITS, sector="education", machine=True),
        Principal("agency.police", "Công an tỉnh", Role.AGENCY, ALL_UNITS, sector="police", machine=True),
        Principal("agency.dolisa", "Ngành Lao động", Role.AGENCY, ALL_UNITS, sector="dolisa", machine=True),
        Principal("agency.justice", "Trợ giúp pháp lý", Role.AGENCY, ALL_UNITS, sector="justice", machine=True),
        Principal("agency.unions", "Hội Liên hiệp Phụ nữ", Role.AGENCY, ALL_UNITS, sector="unions", machine=True),
    )
    return Directory(people={person.id: person for person in (*people, *_players(units))}, demo=True)


def _players(units: Mapping[str, str]) -> Iterator[Principal]:
    """A worker and a chair of every commune for programs to play, so that all of a demo's communes can work."""
    for code, name in units.items():
        where = frozenset({code})
        yield Principal(f"worker.{code}", f"Cán bộ {name}", Role.WORKER, where, machine=True)
        yield Principal(f"chair.{code}", f"Chủ tịch {name}", Role.CHAIR, where, machine=True)


def demo_person(directory: Directory, role: Role, sector: Sector | None, unit: str | None = None) -> Principal | None:
    """Out: the first made-up person of that role, and of that sector or commune where one is named."""
    return next(
        (
            person
            for person in directory.people.values()
            if person.role is role
            and (sector is None or person.sector == sector)
            and (unit is None or (person.units != ALL_UNITS and unit in person.units))
        ),
        None,
    )
