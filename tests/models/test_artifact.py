"""What is wrong with an artifact is found before it is served, and told by name in one sentence."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import TensorProto

from stream.core.errors import ModelError, ModelMismatch, StoreAway
from stream.models.artifact import (
    CARD,
    FILE_BYTES,
    FINDINGS,
    MANIFEST,
    ONNX,
    REFERENCE,
    REPORT,
    load_artifact,
    verify,
)
from stream.models.store import write_artifact
from tests.models.damage import (
    Content,
    constant_graph,
    edit_manifest,
    external_graph,
    mean_graph,
    put_onnx,
)

OUTSIDE = ["../outside.txt", "/etc/hostname", "sub/file.txt", ".hidden.txt", "..", "a\0.txt", "", "a.txt\n"]


def width_of(folder: Path) -> int:
    """How many features the model has."""
    return len(verify(folder).features)


def refused(folder: Path) -> str:
    """The one sentence by which the artifact is refused; it begins with the folder."""
    with pytest.raises(ModelError) as caught:
        verify(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}: ")
    assert "\n" not in message
    return message


def test_what_was_written_is_sound(artifact: Path) -> None:
    """A trained version verifies, and holds what the layout promises."""
    manifest = verify(artifact)
    assert manifest.version == artifact.name
    assert set(manifest.files) == {ONNX, REFERENCE, CARD, REPORT, FINDINGS}


def test_every_truncation_of_every_file_is_refused(artifact: Path) -> None:
    """A file cut anywhere is told by its name."""
    for name in (MANIFEST, ONNX, REFERENCE, CARD):
        whole = (artifact / name).read_bytes()
        for length in (0, 1, len(whole) // 2, len(whole) - 3):
            (artifact / name).write_bytes(whole[:length])
            assert name in refused(artifact)
        (artifact / name).write_bytes(whole)
    verify(artifact)


@pytest.mark.parametrize("name", [ONNX, REFERENCE, CARD])
def test_one_changed_bit_is_refused(artifact: Path, name: str) -> None:
    """The hash of every file is checked."""
    content = bytearray((artifact / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artifact / name).write_bytes(content)
    assert f"{name} does not match manifest.json" in refused(artifact)


@pytest.mark.parametrize("name", [MANIFEST, ONNX, REFERENCE, CARD])
def test_missing_files_and_folders_are_told(artifact: Path, name: str) -> None:
    """A file that is not there, or is a folder, is missing."""
    (artifact / name).unlink()
    assert refused(artifact).endswith(f"{name} is missing")
    (artifact / name).mkdir()
    assert refused(artifact).endswith(f"{name} is missing")
    shutil.rmtree(artifact)
    assert "no such folder" in refused(artifact)


@pytest.mark.parametrize("name", [MANIFEST, ONNX, REFERENCE])
def test_too_large_files_are_refused_unread(artifact: Path, name: str) -> None:
    """A file over its limit is refused by its size."""
    with (artifact / name).open("r+b") as file:
        file.truncate(FILE_BYTES[name] + 1)  # sparse: nothing is written
    assert f"{name} has {FILE_BYTES[name] + 1} bytes" in refused(artifact)


@pytest.mark.parametrize("name", OUTSIDE)
def test_only_plain_file_names_are_followed(artifact: Path, name: str) -> None:
    """A manifest can't make the loader read anything outside its folder."""
    edit_manifest(artifact, lambda content: content["files"].update({name: "0" * 64}))
    assert "manifest.json can't be read" in refused(artifact)


def _drop(name: str) -> Callable[[Content], object]:
    return lambda content: content.pop(name)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda content: content.update(format_version=2), "is of format 2"),
        (lambda content: content.update(surprise=1), "surprise"),
        (_drop("golden"), "golden"),
        (_drop("priors"), "priors"),
        (lambda content: content.update(version="../../etc"), "version"),
        (lambda content: content.update(features=[]), "features"),
        (lambda content: content["features"].append(content["features"][0]), "named twice"),
        (lambda content: content["golden"]["rows"][0].pop(), "golden row"),
        (lambda content: content["golden"]["probabilities"].pop(), "golden"),
        (lambda content: content["golden"]["probabilities"].__setitem__(0, 1.5), "golden"),
        (lambda content: content["priors"].update(global_rate=0), "global_rate"),
        (lambda content: content["priors"]["tables"].update(rule={"x": 2.0}), "priors"),
        (lambda content: content["thresholds"].update(likely_noise=0.9), "likely_noise"),
        (lambda content: content["training"]["fixed_thresholds"].clear(), "fixed_thresholds"),
        (lambda content: content["files"].pop(ONNX), ONNX),
        (lambda content: content["files"].pop(REFERENCE), REFERENCE),
    ],
)
def test_wrong_manifests_are_refused(artifact: Path, edit: Callable[[Content], object], told: str) -> None:
    """A manifest that lacks something, has something more, or contradicts itself, is told by the place."""
    edit_manifest(artifact, edit)
    assert told in refused(artifact)


def test_golden_rows_must_come_out_as_they_did(artifact: Path) -> None:
    """A graph that scores other than when it was made is refused."""
    edit_manifest(artifact, lambda content: content["golden"]["probabilities"].__setitem__(0, 0.987))
    assert "golden" in refused(artifact)


def test_graphs_of_another_shape_are_refused(artifact: Path) -> None:
    """One float32 [N, F] in, one float32 [N] out, and nothing else."""
    width = width_of(artifact)
    doubles = mean_graph(width, kind=TensorProto.DOUBLE)
    for onnx in (mean_graph(width + 1), mean_graph("F"), mean_graph(width, rows=1), doubles):
        put_onnx(artifact, onnx)
        assert "model.onnx must take one float32" in refused(artifact)
    put_onnx(artifact, mean_graph(width, keep=1))
    assert "model.onnx must give one float32 [N]" in refused(artifact)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.5])
def test_what_is_not_a_probability_is_refused(artifact: Path, value: float) -> None:
    """NaN, infinite or out of range: the graph is not served."""
    put_onnx(artifact, constant_graph(width_of(artifact), value))
    assert "not a probability" in refused(artifact)


def test_data_in_other_files_is_refused(artifact: Path) -> None:
    """A graph can't make the loader read another file."""
    put_onnx(artifact, external_graph(width_of(artifact)))
    assert "keeps data in other files" in refused(artifact)


def test_rubbish_for_a_graph_is_refused(artifact: Path) -> None:
    """Bytes that are no ONNX, with a hash that fits, are refused."""
    put_onnx(artifact, b"rubbish")
    assert "model.onnx can't be loaded" in refused(artifact)


def test_another_runtime_is_a_mismatch(artifact: Path) -> None:
    """A model that asks for a later onnxruntime than is installed is not loaded."""
    edit_manifest(artifact, lambda content: content["onnxruntime"].update(at_least="99.0", below="100.0"))
    with pytest.raises(ModelMismatch, match="needs onnxruntime from 99"):
        load_artifact(artifact)


def test_versions_never_change(artifact: Path, store: Path) -> None:
    """Writing a version again changes nothing; writing it with another graph is refused."""
    manifest = verify(artifact)
    files = {name: (artifact / name).read_bytes() for name in manifest.files}
    before = (artifact / MANIFEST).stat().st_mtime_ns
    assert write_artifact(store, manifest, files) == artifact
    assert (artifact / MANIFEST).stat().st_mtime_ns == before
    with pytest.raises(ModelError, match="versions never change"):
        write_artifact(store, manifest, {**files, ONNX: b"other"})


def test_a_version_is_there_whole_or_not_at_all(artifact: Path, tmp_path: Path) -> None:
    """When the disk takes no more, nothing is left behind."""
    manifest = verify(artifact)
    files = {name: (artifact / name).read_bytes() for name in manifest.files}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
    try:
        with pytest.raises(StoreAway, match="too large"):
            write_artifact(tmp_path / "new", manifest, files)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "new").iterdir()) == []
