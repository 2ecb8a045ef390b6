"""Pointers name sound versions, and change at one stroke."""

from pathlib import Path

import pytest

from stream.core.errors import ModelError
from stream.models.artifact import ONNX
from stream.models.store import CHALLENGER, find, list_versions, promote, read_pointer


def test_an_empty_store_has_no_versions_and_no_champion(tmp_path: Path) -> None:
    """Nothing there is not an error; asking for a model is."""
    assert list_versions(tmp_path) == list_versions(tmp_path / "nowhere") == []
    assert read_pointer(tmp_path) is read_pointer(tmp_path / "nowhere") is None
    with pytest.raises(ModelError, match="holds no model"):
        find(tmp_path)


def test_promotion_moves_one_pointer(store: Path, artifact: Path) -> None:
    """Promoting to champion leaves the challenger alone, and leaves no other files behind."""
    promote(store, artifact.name)
    assert read_pointer(store) == artifact.name
    assert read_pointer(store, CHALLENGER) is None
    promote(store, artifact.name, CHALLENGER)
    assert read_pointer(store, CHALLENGER) == artifact.name
    assert sorted(path.name for path in store.iterdir()) == sorted([artifact.name, "CHALLENGER", "CHAMPION"])
    assert list_versions(store) == [artifact.name]


def test_what_is_not_sound_is_not_promoted(store: Path, artifact: Path) -> None:
    """A damaged, missing or misnamed version leaves the pointer as it was."""
    promote(store, artifact.name)
    for version in ("../elsewhere", "2026-01-01-abcd", "", artifact.name + "\n"):
        with pytest.raises(ModelError):
            promote(store, version)
    artifact.rename(store / "2026-01-01-abcd")
    with pytest.raises(ModelError, match=f"holds version {artifact.name}"):
        promote(store, "2026-01-01-abcd")
    (store / "2026-01-01-abcd").rename(artifact)
    (artifact / ONNX).write_bytes(b"")
    with pytest.raises(ModelError, match=ONNX):
        promote(store, artifact.name)
    assert read_pointer(store) == artifact.name


@pytest.mark.parametrize("content", [b"", b"../../etc", b"\xff\xfe", b"2026-01-01-abcd/..", b"x" * 10_000])
def test_a_pointer_that_names_no_version_is_told(store: Path, content: bytes) -> None:
    """Rubbish in a pointer file is one sentence that names the file."""
    (store / "CHAMPION").write_bytes(content)
    with pytest.raises(ModelError, match=r"CHAMPION: holds .* not the name of a version"):
        read_pointer(store)


def test_find_takes_a_version_a_champion_or_the_newest(store: Path, artifact: Path) -> None:
    """What a person may call the model's folder."""
    assert find(artifact) == artifact
    assert find(store) == artifact
    promote(store, artifact.name)
    assert find(store) == artifact
