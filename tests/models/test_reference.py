"""A reference is used as far as it can be, whatever its bytes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core import drift
from stream.models.reference import SCORE, Fault, Spread, chances, read_reference
from tests.core.logs import LAW

SOUND: dict[str, Any] = {"edges": [0.0, 1.0], "shares": [0.25, 0.25, 0.25], "missing": 0.25}


def written(feature: Any) -> bytes:
    """A reference of one feature."""
    return msgspec.json.encode({"rows": 9, "label_rate": 0.5, "score": SOUND, "features": {"one": feature}})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"edges": []}, "no_edges"),
        ({"edges": [1.0, 0.0]}, "bad_edges"),
        ({"edges": [1.0, 1.0]}, "bad_edges"),
        ({"edges": [float("nan"), 1.0]}, "malformed"),
        ({"edges": [*map(float, range(10))]}, "bad_edges"),
        ({"shares": [0.5, 0.25]}, "malformed"),
        ({"shares": [0.5, 0.5, 0.5]}, "malformed"),
        ({"missing": None}, "malformed"),
        ({"design_effect": 0.5}, "malformed"),
        ({"chi2": -1.0}, "malformed"),
    ],
)
def test_a_broken_spread_leaves_that_feature_unwatched(change: dict[str, Any], fault: Fault) -> None:
    """The feature has a reason, the score is watched all the same."""
    read = read_reference(written(SOUND | change), ["one"])
    assert read.faults == {"one": fault}
    assert set(read.spreads) == {SCORE}


def test_one_edge_and_infinite_edges() -> None:
    """One edge parts two bins and is watched; a number that JSON can't hold is not."""
    one: dict[str, Any] = {"edges": [0.0], "shares": [0.5, 0.25], "missing": 0.25}
    assert read_reference(written(one), ["one"]).spreads["one"] == Spread(**one)
    huge = written(SOUND).replace(b'"features":{"one":{"edges":[0.0,1.0]', b'"features":{"one":{"edges":[0.0,1e999]')
    assert "one" not in read_reference(huge, ["one"]).spreads


def test_a_feature_that_the_file_lacks_is_told() -> None:
    """Its reason is `missing`; a feature that the model lacks is not looked at."""
    read = read_reference(written(SOUND), ["two"])
    assert (read.faults, read.rows, read.label_rate) == ({"two": "missing"}, 9, 0.5)


@pytest.mark.slow
@LAW
@given(st.binary(max_size=60) | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(msgspec.json.encode))
def test_any_bytes_are_read(data: bytes) -> None:
    """Nothing crashes, and every name is either watched or has a reason."""
    read = read_reference(data, ["one"])
    assert {*read.spreads, *read.faults} == {"one", SCORE}


def test_chance_grows_with_bins_features_and_clustering() -> None:
    """The factor is the window's design effect times a quantile that rises with what is watched."""
    small = Spread([0.0], [0.5, 0.5], 0.0, 1.0, 1.0)
    large = Spread([0.0, 1.0], [0.5, 0.25, 0.25], 0.0, 1.0, 1.0)
    assert chances(small, 1)["24h"] < chances(large, 1)["24h"] < chances(large, 40)["24h"]
    clustered = Spread([0.0], [0.5, 0.5], 0.0, 3.0, 7.0)
    assert chances(clustered, 1)["24h"] == pytest.approx(3 * chances(small, 1)["24h"])
    assert chances(clustered, 1)["7d"] == pytest.approx(7 * chances(small, 1)["7d"])


def test_a_shipped_quantile_is_used_and_one_that_lacks_is_approximated() -> None:
    """The lab's quantile times the window's effect; a model made before it was shipped has the scorer's own."""
    made = Spread([0.0], [0.5, 0.5], 0.0, 3.0, 7.0, chi2=12.5)
    assert chances(made, 40) == {"24h": 37.5, "7d": 87.5}
    before = Spread([0.0], [0.5, 0.5], 0.0, 3.0, 7.0)
    assert chances(before, 40)["24h"] == drift.chance(3, 40, 3.0)
    read = read_reference(written(SOUND | {"chi2": 12.5}), ["one"])
    assert read.spreads["one"].chi2 == 12.5
    assert read_reference(written(SOUND), ["one"]).spreads["one"].chi2 is None


def test_without_a_design_effect_there_is_no_chance_to_ring() -> None:
    """A reference from before clustering was measured gives no threshold."""
    assert chances(Spread([0.0], [0.5, 0.5], 0.0), 1) == {}


def test_more_rows_than_a_float_can_hold_are_unreadable() -> None:
    """Nothing is watched by such a file; it would otherwise fail where its series are opened."""
    huge = written(SOUND).replace(b'"rows":9', b'"rows":1' + b"0" * 400)
    assert set(read_reference(huge, ["one"]).faults.values()) == {"unreadable"}
