"""A model artifact on disk: one immutable folder a version. Read with suspicion, written at one stroke."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from stream.core.errors import ModelError
from stream.core.features import Matrix
from stream.models.graph import Graph, check_runtime
from stream.models.manifest import Manifest, decode_manifest, encode_manifest

MANIFEST, ONNX, REFERENCE, CARD = "manifest.json", "model.onnx", "reference.json", "card.md"
REPORT, FINDINGS = "report.html", "report.json"  # for people; nothing is served from them
_MIB = 1024 * 1024
FILE_BYTES = {MANIFEST: 32 * _MIB, ONNX: 64 * _MIB, REFERENCE: 16 * _MIB, CARD: _MIB}
OTHER_FILE_BYTES = 64 * _MIB  # report.html and what else a manifest may name
GOLDEN_TOLERANCE = 1e-6
TRIAL_SECONDS = 10.0  # a graph that takes longer for the golden rows, or to warm up, is not for serving


class Artifact(Struct, frozen=True):
    """A sound artifact: the hashes fit, the graph runs and gives what it gave when it was made."""

    folder: Path
    manifest: Manifest
    graph: Graph


def load_artifact(folder: Path) -> Artifact:
    """Read and verify the artifact in `folder`.

    Raises:
        ModelError: what is wrong, in one sentence that begins with the folder.
        ModelMismatch: sound, but not for the installed onnxruntime.
    """
    where = str(folder)
    if not folder.is_dir():
        raise ModelError(f"{where}: there is no such folder")
    manifest = decode_manifest(_read(folder, MANIFEST), where)
    contents = {name: _checked(folder, name, sha256) for name, sha256 in manifest.files.items() if name != ONNX}
    if REFERENCE not in contents or ONNX not in manifest.files:
        raise ModelError(f"{where}: manifest.json must name {ONNX} and {REFERENCE} among its files")
    onnx = _checked(folder, ONNX, manifest.files[ONNX])
    check_runtime(manifest.onnxruntime, where)
    graph = Graph(onnx, len(manifest.features), where)
    _run_golden(graph, manifest, where)
    return Artifact(folder, manifest, graph)


def verify(folder: Path) -> Manifest:
    """The manifest of a sound artifact; errors as `load_artifact`."""
    return load_artifact(folder).manifest


def read_file(folder: Path, name: str) -> bytes:
    """One of an artifact's files, held to its hash; errors as `load_artifact`."""
    manifest = decode_manifest(_read(folder, MANIFEST), str(folder))
    if name not in manifest.files:
        raise ModelError(f"{folder}: manifest.json names no {name}")
    return _checked(folder, name, manifest.files[name])


def write_artifact(root: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Path:
    """Write a version into `root` so that it is there whole or not at all; returns its folder.

    The same version may be there already, with the same graph and reference: then nothing is written.

    Raises:
        ModelError: the version is there with another graph or reference, or a file is over its limit.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    whole = {**files, MANIFEST: encode_manifest(replace(manifest, files=hashes))}
    folder = root / manifest.version
    for name, content in whole.items():
        if len(content) > _limit(name):
            raise ModelError(f"{folder}: {name} would have {len(content)} bytes, at most {_limit(name)} are allowed")
    decode_manifest(whole[MANIFEST], str(folder))
    if folder.exists():
        there = decode_manifest(_read(folder, MANIFEST), str(folder)).files
        if all(there.get(name) == hashes.get(name) for name in (ONNX, REFERENCE)):
            return folder
        raise ModelError(f"{folder}: is there already with other files, and versions never change")
    root.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{manifest.version}.", dir=root))
    try:
        for name, content in whole.items():
            _write(made / name, content)
        made.chmod(0o755)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return folder


def golden_matrix(manifest: Manifest) -> Matrix:
    """The golden rows as float32[G, F]."""
    return np.array(manifest.golden.rows, dtype=np.float32)  # None becomes NaN


def _run_golden(graph: Graph, manifest: Manifest, where: str) -> None:
    off = np.abs(
        graph.run_within(golden_matrix(manifest), TRIAL_SECONDS) - np.array(manifest.golden.probabilities)
    ).max()
    if not off <= GOLDEN_TOLERANCE:
        raise ModelError(f"{where}: model.onnx does not give the golden probabilities, it is off by {off:.2g}")


def _limit(name: str) -> int:
    return FILE_BYTES.get(name, OTHER_FILE_BYTES)


def _checked(folder: Path, name: str, sha256: str) -> bytes:
    content = _read(folder, name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{folder}: {name} is not the file that manifest.json tells of (sha256 differs)")
    return content


def _read(folder: Path, name: str) -> bytes:
    path, limit = folder / name, _limit(name)
    try:
        if not path.is_file():
            raise ModelError(f"{folder}: {name} is missing")
        if (size := path.stat().st_size) > limit:
            raise ModelError(f"{folder}: {name} has {size} bytes, at most {limit} are read")
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise ModelError(f"{folder}: {name} can't be read: {error.strerror}") from None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
