"""Proposals into the problem file: its comments and all else stay, and the result is read again before it counts."""

import os
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from msgspec import Struct
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array

from stream.core.errors import LabError, ProblemError
from stream.core.problem import Exclusion, FloodDay, Problem, parse_problem
from stream.lab.auditing import result
from stream.lab.auditing.floods import named_day
from stream.lab.auditing.patterns import exclusion_of


class Written(Struct, frozen=True):
    """What became of the problem file: how many patterns and days were added, and its identity before and after."""

    added: int
    flood_days: int
    before: str
    after: str


def write_exclusions(
    path: Path, proposals: Sequence[result.Proposal], floods: Sequence[result.FloodDay] = ()
) -> Written:
    """Add rules to [exclude] visibility_only of a problem file, and days to its flood_days, all or none.

    Raises:
        LabError: the file can't be read, changed without loss, or replaced.
        ProblemError: it is no problem file, or would be none afterwards (too many patterns).
    """
    path = path.resolve()
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    before = parse_problem(text, str(path))
    present = before.exclude
    new = [of for of in (exclusion_of(proposal.rule) for proposal in proposals) if of not in present.visibility_only]
    days = [of for of in (named_day(flood) for flood in floods) if of not in present.flood_days]
    if not new and not days:
        return Written(0, 0, before.id, before.id)
    changed = with_exclusions(text, new, days, str(path))
    after = parse_problem(changed, f"{path} with {len(new) + len(days)} more exclusions")
    _hold(path, before, after, new, days)
    try:
        _replace(path, changed.encode())
    except OSError as error:
        raise LabError(f"{path}: can't be written ({error.strerror})", f"make its folder writable") from None
    return Written(len(new), len(days), before.id, after.id)


def with_exclusions(
    text: str, new: Sequence[Exclusion], days: Sequence[FloodDay] = (), source: str = "the problem file"
) -> str:
    """The text with patterns and days added after those that it has.

    Raises:
        ProblemError: the text can't be changed.
    """
    try:
        document: Any = tomlkit.parse(text)
        exclude = document.setdefault("exclude", tomlkit.table())
        _append(exclude, "visibility_only", new)
        _append(exclude, "flood_days", days)
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError) as error:
        raise ProblemError(f"{source}: can't be changed ({error})", f"add the printed lines by hand") from None


def _append(exclude: Any, name: str, new: Sequence[Exclusion | FloodDay]) -> None:
    """Add to a list of [exclude], which comes into being when there is something to add."""
    if not new:
        return
    listed: AoT | Array = exclude.setdefault(name, tomlkit.array().multiline(len(new) > 1))
    for one in new:
        item: Any = tomlkit.table() if isinstance(listed, AoT) else tomlkit.inline_table()
        item.update(msgspec.to_builtins(one, builtin_types=(date,)))
        listed.append(item)


def _hold(path: Path, before: Problem, after: Problem, new: list[Exclusion], days: list[FloodDay]) -> None:
    """The file must say what it said, and the new patterns and days, and nothing else."""
    was = before.exclude
    exclude = msgspec.structs.replace(
        was, visibility_only=[*was.visibility_only, *new], flood_days=[*was.flood_days, *days]
    )
    if after != msgspec.structs.replace(before, exclude=exclude):
        raise LabError(f"{path}: can't be changed without loss", f"add the printed lines by hand")


def _replace(path: Path, content: bytes) -> None:
    """The whole file or none of it, with the rights it had."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
