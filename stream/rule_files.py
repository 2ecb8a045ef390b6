"""Files of rules on disk: read by the command line and, again and again, by who acts by them."""

from collections.abc import Sequence
from pathlib import Path

from stream.core import limits
from stream.core.errors import RulesError


def read_rule_files(places: Sequence[Path]) -> dict[str, str]:
    """The text of each file, by its path; of a folder all that end in .toml, at any depth.

    Raises:
        RulesError: a place is not there, can't be read, or holds no such file.
    """
    files: dict[str, str] = {}
    for named in places:
        place = named.expanduser()
        found = sorted(place.rglob("*.toml")) if place.is_dir() else [place]
        if not found:
            raise RulesError(f"{place}: the folder holds no file that ends in .toml", "put rules there, or name others")
        for path in found:
            files[str(path)] = _read(path)
    return files


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(limits.RULE_FILE_BYTES + 1)
        if len(content) > limits.RULE_FILE_BYTES:
            raise RulesError(f"{path}: is over {limits.RULE_FILE_BYTES} bytes", "split it into several files")
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise RulesError(f"{path}: is not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise RulesError(f"{path}: can't be read: {error.strerror}", "name a file of rules, or a folder") from None
