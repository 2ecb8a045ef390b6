"""A model artifact on disk: one immutable folder a version. Read with suspicion."""

import hashlib
from pathlib import Path

import numpy as np
from msgspec import Struct

from stream.core.errors import ModelError
from stream.core.frame import Matrix
from stream.files import AnyPath
from stream.models.graph import Graph, check_runtime
from stream.models.manifest import Manifest, decode_manifest

MANIFEST, ONNX, REFERENCE, CARD = "manifest.json", "model.onnx", "reference.json", "card.md"
REPORT, FINDINGS = "report.html", "report.json"  # for people; nothing is served from them
SIGNATURE = "manifest.sig"  # may come later than the rest, so no manifest names it
_MIB = 1024 * 1024
FILE_BYTES = {MANIFEST: 32 * _MIB, ONNX: 64 * _MIB, REFERENCE: 16 * _MIB, CARD: _MIB, SIGNATURE: 1024}
FILES, VERSION_BYTES = 32, 256 * _MIB  # of one version
OTHER_FILE_BYTES = 64 * _MIB  # report.html and what else a manifest may name
GOLDEN_TOLERANCE = 1e-6
TRIAL_SECONDS = 10.0  # a graph that takes longer for the golden rows, or to warm up, is not for serving


class Artifact(Struct, frozen=True):
    """A sound artifact: the hashes fit, the graph runs and gives what it gave when it was made."""

    folder: Path
    manifest: Manifest
    graph: Graph
    reference: bytes


def load_artifact(folder: Path, trusted: bytes | None = None) -> Artifact:
    """Read and verify the artifact in `folder`.

    `trusted` is the manifest whose signature was checked: it is what is loaded, whatever lies in the folder by now.

    Raises:
        ModelError: what is wrong, in one sentence that begins with the folder.
        ModelMismatch: sound, but not for the installed onnxruntime.
    """
    where = str(folder)
    if not folder.is_dir():
        raise ModelError(f"{where}: there is no such folder")
    manifest = decode_manifest(_read(folder, MANIFEST) if trusted is None else trusted, where)
    onnx = _check_files(folder, manifest)
    reference = _checked(folder, REFERENCE, manifest.files[REFERENCE])
    check_runtime(manifest.onnxruntime, where)
    graph = Graph(onnx, len(manifest.features), where)
    _run_golden(graph, manifest, where)
    return Artifact(folder, manifest, graph, reference)


def verify(folder: AnyPath) -> Manifest:
    """The manifest of a sound artifact; errors as `load_artifact`."""
    return load_artifact(Path(folder)).manifest


def check_files(folder: Path) -> bytes:
    """Hold every file to its hash, and run nothing; returns the manifest's bytes. Errors as `load_artifact`."""
    data = _read(folder, MANIFEST)
    _check_files(folder, decode_manifest(data, str(folder)))
    return data


def read_file(folder: Path, name: str) -> bytes:
    """One of an artifact's files, held to its hash; errors as `load_artifact`."""
    manifest = decode_manifest(_read(folder, MANIFEST), str(folder))
    if name not in manifest.files:
        raise ModelError(f"{folder}: manifest.json names no {name}")
    return _checked(folder, name, manifest.files[name])


def golden_matrix(manifest: Manifest) -> Matrix:
    """The golden rows as float32[G, F]."""
    return np.array(manifest.golden.rows, dtype=np.float32)  # None becomes NaN


def _run_golden(graph: Graph, manifest: Manifest, where: str) -> None:
    off = np.abs(
        graph.run_within(golden_matrix(manifest), TRIAL_SECONDS) - np.array(manifest.golden.probabilities)
    ).max()
    if not off <= GOLDEN_TOLERANCE:
        raise ModelError(f"{where}: model.onnx does not give the golden probabilities, it is off by {off:.2g}")


def limit_of(name: str) -> int:
    """The most bytes that the file may have."""
    return FILE_BYTES.get(name, OTHER_FILE_BYTES)


def _check_files(folder: Path, manifest: Manifest) -> bytes:
    """The graph's bytes; of the other files only the hashes are looked at."""
    if REFERENCE not in manifest.files or ONNX not in manifest.files:
        raise ModelError(f"{folder}: manifest.json must name {ONNX} and {REFERENCE} among its files")
    for name, sha256 in manifest.files.items():
        if name != ONNX:
            _checked(folder, name, sha256)
    return _checked(folder, ONNX, manifest.files[ONNX])


def _checked(folder: Path, name: str, sha256: str) -> bytes:
    content = _read(folder, name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{folder}: {name} does not match manifest.json (sha256 differs)")
    return content


def _read(folder: Path, name: str) -> bytes:
    path, limit = folder / name, limit_of(name)
    try:
        if not path.is_file():
            raise ModelError(f"{folder}: {name} is missing")
        if (size := path.stat().st_size) > limit:
            raise ModelError(f"{folder}: {name} has {size} bytes, at most {limit} are read")
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise ModelError(f"{folder}: {name} can't be read: {error.strerror}") from None
