"""Proposals into the problem file: its comments and all else stay, and the result is read again before it counts."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from msgspec import Struct
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Array

from stream.core.errors import LabError, ProblemError
from stream.core.problem import Exclusion, Problem, parse_problem
from stream.lab.auditing.patterns import exclusion_of
from stream.lab.auditing.result import Proposal


class Written(Struct, frozen=True):
    """What became of the problem file: how many patterns were added, and its identity before and after."""

    added: int
    before: str
    after: str


def write_exclusions(path: Path, proposals: Sequence[Proposal]) -> Written:
    """Add the proposals to [exclude] visibility_only of a problem file, all or none.

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
    present = before.exclude.visibility_only
    new = [of for of in (exclusion_of(proposal.rule) for proposal in proposals) if of not in present]
    if not new:
        return Written(0, before.id, before.id)
    changed = with_exclusions(text, new, str(path))
    after = parse_problem(changed, f"{path} with {len(new)} more exclusions")
    _hold(path, before, after, new)
    try:
        _replace(path, changed.encode())
    except OSError as error:
        raise LabError(f"{path}: can't be written ({error.strerror}); make its folder writable") from None
    return Written(len(new), before.id, after.id)


def with_exclusions(text: str, new: Sequence[Exclusion], source: str = "the problem file") -> str:
    """The text with patterns added after those that it has.

    Raises:
        ProblemError: the text can't be changed.
    """
    try:
        document: Any = tomlkit.parse(text)
        exclude = document.setdefault("exclude", tomlkit.table())
        listed = exclude.setdefault("visibility_only", tomlkit.array())
        for exclusion in new:
            listed.append(_item(exclusion, listed))
        return tomlkit.dumps(document)
    except (TOMLKitError, TypeError, ValueError) as error:
        raise ProblemError(f"{source}: can't be changed ({error}); add the printed lines by hand") from None


def _item(exclusion: Exclusion, listed: AoT | Array) -> Any:
    item: Any = tomlkit.table() if isinstance(listed, AoT) else tomlkit.inline_table()
    item.update(msgspec.to_builtins(exclusion))
    return item


def _hold(path: Path, before: Problem, after: Problem, new: list[Exclusion]) -> None:
    """The file must say what it said, and the new patterns, and nothing else."""
    exclude = msgspec.structs.replace(before.exclude, visibility_only=[*before.exclude.visibility_only, *new])
    if after != msgspec.structs.replace(before, exclude=exclude):
        raise LabError(f"{path}: can't be changed without loss; add the printed lines by hand")


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
