"""Pointer files: which version serves whom. One line with a version, or a TOML table of teams.

default = "2026-03-01-a1b2c3d4"
"payments" = "2026-03-08-c3d4e5f6"
"web-*" = "2026-03-08-c3d4e5f6"
"""

import json
import re
import tomllib
from fnmatch import fnmatchcase

from msgspec import Struct

from stream.core.errors import ModelError, first_line
from stream.models.manifest import VERSION_PATTERN

CHAMPION, CHALLENGER = "CHAMPION", "CHALLENGER"
POINTER_BYTES = 64 * 1024
TEAM_LINES = 1_000
_DEFAULT = "default"
_version = re.compile(VERSION_PATTERN)


class Pointer(Struct, frozen=True):
    """The version for all teams, and those of some: by name or pattern (as in fnmatch), in the file's order."""

    default: str
    teams: dict[str, str] = {}

    def version_of(self, team: str) -> str:
        """An exact name wins, then the first pattern that fits, then the default.

        >>> pointer = Pointer("2026-03-01-aaaa", {"pay*": "2026-03-08-bbbb", "pay-eu": "2026-03-09-cccc"})
        >>> [pointer.version_of(team) for team in ("pay-eu", "pay-us", "web")]
        ['2026-03-09-cccc', '2026-03-08-bbbb', '2026-03-01-aaaa']
        """
        exact = self.teams.get(team)
        if exact is not None:
            return exact
        return next((version for name, version in self.teams.items() if fnmatchcase(team, name)), self.default)

    @property
    def versions(self) -> tuple[str, ...]:
        """All distinct versions, the default first."""
        return tuple(dict.fromkeys((self.default, *self.teams.values())))


def is_version(text: str) -> bool:
    """Whether it has the form of a version's name."""
    return _version.match(text) is not None


def parse_pointer(data: bytes, where: str) -> Pointer:
    """Read a pointer file, whatever the bytes.

    Raises:
        ModelError: half-written, nonsense, or over a limit; one sentence that begins with `where`.
    """
    if len(data) > POINTER_BYTES:
        raise ModelError(f"{where}: has {len(data)} bytes, at most {POINTER_BYTES} are read")
    text = data.decode("utf-8", "replace").strip()
    if "=" not in text:
        if not is_version(text):
            raise ModelError(f"{where}: holds {text[:40]!r}, which is not the name of a version")
        return Pointer(text)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ModelError(f"{where}: is neither a version nor a table of teams: {first_line(error)}") from None
    return _pointer_of(table, where)


def parse_challenger(data: bytes, where: str) -> Pointer:
    """Read the pointer file of a challenger, which is one version for all teams; errors as `parse_pointer`."""
    pointer = parse_pointer(data, where)
    if pointer.teams:
        raise ModelError(f"{where}: a challenger is one for all teams", "write one version in it")
    return pointer


def encode_pointer(pointer: Pointer) -> bytes:
    """The file's bytes. In a table the default comes last: what was cut short lacks it, and is refused."""
    if not pointer.teams:
        return f"{pointer.default}\n".encode()
    lines = [f"{_quoted(name)} = {_quoted(version)}\n" for name, version in pointer.teams.items()]
    return ("".join(lines) + f"{_DEFAULT} = {_quoted(pointer.default)}\n").encode()


def _pointer_of(table: dict[str, object], where: str) -> Pointer:
    if len(table) > TEAM_LINES:
        raise ModelError(f"{where}: names {len(table)} teams and patterns, at most {TEAM_LINES} are read")
    held: dict[str, str] = {}
    for name, version in table.items():
        if not isinstance(version, str) or not is_version(version):
            raise ModelError(f"{where}: {name[:40]!r} holds {str(version)[:40]!r}, which is not the name of a version")
        held[name] = version
    default = held.pop(_DEFAULT, None)
    if default is None:
        raise ModelError(f'{where}: lacks the line default = "VERSION" for all other teams', "write it whole")
    return Pointer(default, held)


def _quoted(text: str) -> str:
    """A TOML string; JSON's escapes are TOML's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
