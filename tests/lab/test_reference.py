"""The reference of drift: its quantiles are chi-squared's, shared out over what may ring."""

import msgspec
import numpy as np
import pytest
from scipy.special import chdtri

from stream.core import drift
from stream.lab.reference import make_reference
from stream.models.reference import SCORE, chance, read_reference

NAMES = ["flag", "rate", "hour", "constant"]


def made(ringing: list[str]) -> bytes:
    """A reference of 1,000 rows: a flag, a rate, an hour, and what never changes."""
    rng = np.random.default_rng(1)
    flag, rate, hour = rng.integers(0, 2, 1_000), rng.random(1_000), rng.integers(0, 24, 1_000)
    matrix = np.stack([flag, rate, hour, np.ones(1_000)], axis=1).astype(np.float32)
    return make_reference(matrix, NAMES, rng.random(1_000), 0.3, ringing=ringing)


def test_quantiles_are_exact_and_shared_by_what_may_ring() -> None:
    """Flag, rate and score may ring, the constant never can: one per cent for the three of them together."""
    read = read_reference(made(["flag", "rate", "constant"]), NAMES)
    assert read.faults == {"constant": "no_edges"}
    for name, freedom in (("flag", 2), ("rate", 10), (SCORE, 10), ("hour", 10)):
        spread = read.spreads[name]
        assert len(spread.shares) == freedom
        assert spread.chi2 == pytest.approx(float(chdtri(freedom, 0.01 / 3)), abs=1e-4), name


def test_the_scorers_own_approximation_is_close() -> None:
    """Without the shipped quantile the threshold is at most 5 % higher, and never lower: it errs on the quiet side."""
    data = made(["flag", "rate"])
    bare = msgspec.json.decode(data)
    for spread in (*bare["features"].values(), bare["score"]):
        spread["chi2"] = None
    new, old = read_reference(data, NAMES), read_reference(msgspec.json.encode(bare), NAMES)
    for name in ("flag", "rate", SCORE):
        exact, approximate = chance(new.spreads[name], 3, 2.0), chance(old.spreads[name], 3, 2.0)
        assert approximate == drift.chance(len(old.spreads[name].shares) + 1, 3, 2.0)
        assert exact <= approximate <= 1.05 * exact
