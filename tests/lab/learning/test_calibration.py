"""The isotonic map rises, is chosen where the sigmoid is wrong, and its manifest is held to making sense."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.core.errors import ModelError
from stream.core.frame import Array, Labels
from stream.lab.learning import calibration
from stream.models.artifact import verify
from stream.models.manifest import Calibration, decode_manifest, encode_manifest
from tests.lab.model_cache import small_model


@given(st.integers(0, 10_000), st.integers(2, 3_000))
@settings(deadline=None)
def test_the_isotonic_map_rises_and_is_not_steep(seed: int, rows: int) -> None:
    """Whatever the labels: x and y rise, no line is steeper than two, every probability lies within (0, 1)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=rows) * rng.choice([1e-6, 0.1, 1.0, 10.0])
    y = (rng.random(rows) < (logits > 0) * rng.random()).astype(np.int8)
    found = calibration.fit_isotonic(y, logits)
    if found.kind == "none":
        return
    dx, dy = np.diff(found.x), np.diff(found.y)
    assert (dx > 0).all()
    assert (dy >= 0).all()
    assert (dy <= 2.0 * dx + 1e-12).all()
    assert 0.0 < found.y[0] <= found.y[-1] < 1.0


def drawn(step: bool) -> tuple[Labels, Array]:
    """Logits, and labels of a map that no sigmoid is near to, or of the sigmoid itself."""
    rng = np.random.default_rng(2)
    logits = rng.normal(size=20_000) * 2
    true = np.where(logits > -1.0, 0.55, 0.05) + np.where(logits > 2.5, 0.4, 0.0) if step else 1 / (1 + np.exp(-logits))
    return (rng.random(20_000) < true).astype(np.int8), logits


def test_auto_takes_the_isotonic_map_only_where_it_gains() -> None:
    """Labels by steps: isotonic; labels of the sigmoid: none; what is asked for is what is made."""
    y, logits = drawn(step=True)
    assert calibration.choose(y, logits).kind == "isotonic"
    assert calibration.choose(y, logits, "platt").kind == "platt"
    assert calibration.choose(y, logits, "none") == Calibration()
    y, logits = drawn(step=False)
    assert calibration.choose(y, logits) == Calibration()
    found = calibration.choose(y, logits, "isotonic")
    shown = calibration.apply(found, np.array([-2.0, 0.0, 2.0]))
    assert shown == pytest.approx([0.119, 0.5, 0.881], abs=0.04)


def test_nothing_to_tell_apart_needs_no_map() -> None:
    """Logits that are all alike, or too few of them, leave no line to draw."""
    y = (np.arange(100) % 2).astype(np.int8)
    assert calibration.fit_isotonic(y, np.zeros(100)) == Calibration()
    assert calibration.fit_isotonic(y[:10], np.arange(10.0)) == Calibration()


def test_a_manifest_with_a_map_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """Points that do not rise, or without a partner; a map that rises is read back as it was written."""
    manifest = verify(small_model(tmp_path))
    for x, y in ([0.0], [0.5]), ([0.0, 1.0], [0.5]), ([1.0, 1.0], [0.1, 0.5]), ([0.0, 1.0], [0.5, 0.1]):
        wrong = encode_manifest(replace(manifest, calibration=Calibration("isotonic", x=x, y=y)))
        with pytest.raises(ModelError, match="isotonic calibration must"):
            decode_manifest(wrong, "here")
    right = replace(manifest, calibration=Calibration("isotonic", x=[0.0, 1.0], y=[0.1, 0.5]))
    assert decode_manifest(encode_manifest(right), "here") == right
