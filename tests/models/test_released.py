"""Artifacts made by earlier releases are still sound, load, and score as they did."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from stream.core import state
from stream.core.events import Raised, moment
from stream.core.frame import level_index
from stream.models.artifact import MANIFEST, golden_matrix, load_artifact
from stream.models.graph import check_runtime
from stream.models.pointers import CHAMPION, Pointer
from stream.models.store import write_artifact
from stream.models.model import load_model
from stream.models.store import Store

RELEASED = Path(__file__).parent / "released"
MADE = {
    "2026-11-22-ff6a440a": "f09cc7bdd80fccb8a5c24f0475e193bb7b50d0a67eeb7886b9d315e7cb5a3bf7"
}  # by the release before 0.1.0; the manifest's sha256, which covers all files


@pytest.fixture(params=sorted(MADE))
def folder(request: pytest.FixtureRequest) -> Path:
    """A version as a release made it."""
    return RELEASED / str(request.param)


def test_nobody_made_them_again(folder: Path) -> None:
    """They are the bytes of then: a test of old artifacts must not follow the code."""
    assert {path.name for path in RELEASED.iterdir()} == MADE.keys()
    assert hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest() == MADE[folder.name]


def test_an_artifact_of_an_earlier_release_serves(folder: Path) -> None:
    """Its manifest is understood, its problem has the same digest, its features are there, its golden rows come out."""
    artifact = load_artifact(folder)
    manifest = artifact.manifest
    check_runtime(manifest.onnxruntime, "here")
    assert manifest.opset == {"ai.onnx": 17, "ai.onnx.ml": 3}
    model = load_model(folder, manifest.problem.definition)
    told = np.array(manifest.golden.probabilities)
    np.testing.assert_allclose(model.predict(golden_matrix(manifest)), told, atol=1e-6, rtol=0)
    rows = np.zeros((1, 1 + state.WIDTH * len(level_index(tuple(manifest.labels)))))
    alert = Raised(moment(1_800_000_000.0), "a", "team", "rule", "entity", None, None, None, {})
    assert 0.0 <= model.score(rows, [alert])[0] <= 1.0


def test_an_artifact_of_an_earlier_release_is_published_and_promoted(folder: Path, tmp_path: Path) -> None:
    """It fits into a store of today, and comes out of it as it was."""
    manifest = load_artifact(folder).manifest
    made = write_artifact(tmp_path, manifest, {name: (folder / name).read_bytes() for name in manifest.files})
    assert load_artifact(made).manifest == manifest
    store = Store(str(tmp_path))
    store.point(CHAMPION, Pointer(manifest.version))
    assert store.pointer(CHAMPION) == Pointer(folder.name)
