"""`vongtay users`: who may sign in, kept in one JSON file that an operator owns. Passwords are stored as argon2id."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from local.cli.output import CommandError, Json, console, print_json
from shared.identity import Directory, DirectoryError, Role, hash_password, new_token

app = typer.Typer(
    help="People and machines that may sign in (the file named by VONGTAY_USERS_FILE).", no_args_is_help=True
)
File = Annotated[Path, typer.Option("--file", envvar="VONGTAY_USERS_FILE", help="The users file; made when missing.")]
Units = Annotated[list[str] | None, typer.Option("--unit", help="Commune code; again for more. `all`: the province.")]
MIN_PASSWORD = 12
_PLACE = Path("data/users.json")


@app.command("add")
def add(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Short name to sign in with, like lan.worker.")],
    name: Annotated[str, typer.Option(help="Name as shown to colleagues.")],
    role: Annotated[Role, typer.Option(help="What the person does.")],
    unit: Units = None,
    sector: Annotated[str | None, typer.Option(help="For role sector: health, police, …")] = None,
    org: Annotated[str | None, typer.Option(help="For role partner: the organisation's short name.")] = None,
    file: File = _PLACE,
) -> None:
    """Add a person, or give one a new password. The password is asked for, never an argument.

    Example: `vongtay users add lan.worker --name "Nguyễn Thị Lan" --role worker --unit 05443`
    """
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(password) < MIN_PASSWORD:
        raise CommandError(f"The password needs at least {MIN_PASSWORD} characters.")
    _put(file, "people", _entry(identifier, name, role, unit, sector, org) | {"password": hash_password(password)})
    console.print(f"{identifier} may sign in; services that run learn it within seconds.")


@app.command("token")
def token(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Short name of the machine, like agency.health.")],
    name: Annotated[str, typer.Option(help="Name as shown in logs.")],
    role: Annotated[Role, typer.Option(help="Usually agency.")] = Role.AGENCY,
    unit: Units = None,
    sector: Annotated[str | None, typer.Option(help="Whose system it is.")] = None,
    org: Annotated[str | None, typer.Option(help="For role partner.")] = None,
    file: File = _PLACE,
    json: Json = False,
) -> None:
    """Add a machine and print its token, once.

    Example: `vongtay users token agency.health --name "Bệnh viện tỉnh" --sector health`
    """
    clear, digest = new_token()
    _put(file, "machines", _entry(identifier, name, role, unit or ["all"], sector, org) | {"token_sha256": digest})
    if json:
        print_json({"id": identifier, "token": clear})
    else:
        console.print(clear)


def _entry(
    identifier: str, name: str, role: Role, units: list[str] | None, sector: str | None, org: str | None
) -> dict[str, Any]:
    known = {"id": identifier, "name": name, "role": role.value, "sector": sector, "org": org}
    entry = {field: value for field, value in known.items() if value is not None}
    return entry | ({"units": "all" if units == ["all"] else units} if units else {})


def _put(file: Path, kind: str, entry: dict[str, Any]) -> None:
    try:
        content = orjson.loads(file.read_bytes()) if file.exists() else {}
    except orjson.JSONDecodeError:
        raise CommandError(f"{file} is no JSON file.") from None
    content[kind] = [*(old for old in content.get(kind, []) if old["id"] != entry["id"]), entry]
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    # Only its owner may read it, from its first moment on.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as target:
        target.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    try:
        Directory.load(fresh)
    except DirectoryError as problem:
        fresh.unlink()
        raise CommandError(str(problem).replace(str(fresh), str(file))) from None
    fresh.replace(file)
