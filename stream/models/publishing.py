"""Putting a version into a store: it is there whole or not at all, and never changes."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from stream.core.errors import ModelError
from stream.models.artifact import FILES, MANIFEST, ONNX, REFERENCE, SIGNATURE, VERSION_BYTES, limit_of
from stream.models.manifest import Manifest, decode_manifest, encode_manifest
from stream.models.storage import LocalStorage, StorageBackend


def write_artifact(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Publish into a folder of this machine; returns the version's folder. Errors as `publish`."""
    return root / publish(LocalStorage(root), manifest, files)


def publish(place: StorageBackend, manifest: Manifest, files: Mapping[str, bytes]) -> str:
    """Write a version so that it is visible whole or not at all; returns its name.

    The same version may be there already, with the same graph and reference: then nothing is written.

    Raises:
        ModelError: the version is there with another graph or reference, or a file is over its limit.
        StoreAway: the place can't be reached, or takes no more.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = {**files, MANIFEST: encode_manifest(replace(manifest, files=hashes))}  # the manifest last
    version, where = manifest.version, f"{place.where}/{manifest.version}"
    check_sizes({name: len(content) for name, content in whole.items()}, where)
    decode_manifest(whole[MANIFEST], where)
    present = place.read(f"{version}/{MANIFEST}", limit_of(MANIFEST))
    if present is not None:
        there = decode_manifest(present, where).files
        if all(there.get(name) == hashes.get(name) for name in (ONNX, REFERENCE)):
            return version
        raise ModelError(f"{where}: is there already with other files, and versions never change")
    staged = place.staged(version)
    try:
        for name, content in whole.items():
            place.write(f"{staged}/{name}", content)
        place.settle(staged, version)
    except BaseException:
        if staged != version:
            with suppress(ModelError):
                place.remove(staged)
        raise
    return version


def check_sizes(sizes: Mapping[str, int], where: str) -> None:
    """Hold the files of one version, the manifest among them, to their limits, by their sizes in bytes.

    Raises:
        ModelError: too many, one too large, or too much together.
    """
    if {SIGNATURE, MANIFEST} & (sizes.keys() - {MANIFEST}):
        raise ModelError(f"{where}: {SIGNATURE} can't be one of the files that the manifest names")
    if len(sizes) > FILES:
        raise ModelError(f"{where}: has {len(sizes)} files, at most {FILES} are taken")
    for name, size in sizes.items():
        if size > limit_of(name):
            raise ModelError(f"{where}: {name} has {size} bytes, at most {limit_of(name)} are taken")
    if sum(sizes.values()) > VERSION_BYTES:
        raise ModelError(f"{where}: has {sum(sizes.values())} bytes, at most {VERSION_BYTES} are taken")
