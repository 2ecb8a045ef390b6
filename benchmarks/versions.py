"""More versions of the benchmark's model: the same graph under another name, which loads and serves like any other."""

import shutil
from pathlib import Path

from msgspec.structs import replace

from stream.models.artifact import MANIFEST
from stream.models.manifest import decode_manifest, encode_manifest


def copy_version(root: Path, version: str, number: int) -> str:
    """Add a copy of a version to the store in `root`; returns its name."""
    name = f"{version[:10]}-{number:08x}"
    shutil.copytree(root / version, root / name)
    path = root / name / MANIFEST
    path.write_bytes(encode_manifest(replace(decode_manifest(path.read_bytes(), name), version=name)))
    return name
