"""The model store: a folder with one folder a version, and pointer files that name the version in service."""

import os
import re
import tempfile
from pathlib import Path
from typing import Literal

from stream.core.errors import ModelError
from stream.models.artifact import MANIFEST, verify
from stream.models.manifest import VERSION_PATTERN

Pointer = Literal["CHAMPION", "CHALLENGER"]
CHAMPION: Pointer = "CHAMPION"
CHALLENGER: Pointer = "CHALLENGER"
_POINTER_BYTES = 256
_version = re.compile(VERSION_PATTERN)


def list_versions(root: Path) -> list[str]:
    """The versions there, oldest first (by date, then hash)."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if _version.match(path.name) and (path / MANIFEST).is_file())


def read_pointer(root: Path, name: Pointer = CHAMPION) -> str | None:
    """The version that a pointer names, None where there is no pointer.

    Raises:
        ModelError: the pointer does not hold the name of a version.
    """
    try:
        with (root / name).open("rb") as file:
            text = file.read(_POINTER_BYTES).decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{root / name}: can't be read: {error.strerror}") from None
    if not _version.match(text):
        raise ModelError(f"{root / name}: holds {text[:40]!r}, which is not the name of a version")
    return text


def promote(root: Path, version: str, name: Pointer = CHAMPION) -> None:
    """Point at a version, after verifying it; readers see the old name or the new one.

    Raises:
        ModelError: the version is not there or not sound; the pointer stays.
    """
    if not _version.match(version):
        raise ModelError(f"{root}: {version[:40]!r} is not the name of a version")
    held = verify(root / version).version
    if held != version:
        raise ModelError(f"{root / version}: holds version {held}")
    handle, made = tempfile.mkstemp(prefix=f".{name}.", dir=root)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{version}\n")
        file.flush()
        os.fsync(file.fileno())
    Path(made).chmod(0o644)
    Path(made).replace(root / name)


def find(folder: Path) -> Path:
    """The artifact that a person means by `folder`: itself, or in a store the champion, else the newest version.

    Raises:
        ModelError: there is none.
    """
    if (folder / MANIFEST).is_file():
        return folder
    version = read_pointer(folder) or next(reversed(list_versions(folder)), None)
    if version is None:
        raise ModelError(f"{folder}: holds no model; name a version's folder, or a folder of versions")
    return folder / version
