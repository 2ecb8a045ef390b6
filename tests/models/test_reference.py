"""A reference is used as far as it can be, whatever its bytes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.models.reference import SCORE, Fault, Spread, chance_factor, read_reference
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


@LAW
@given(st.binary(max_size=60) | st.recursive(st.none() | st.text() | st.floats(), st.lists).map(msgspec.json.encode))
def test_any_bytes_are_read(data: bytes) -> None:
    """Nothing crashes, and every name is either watched or has a reason."""
    read = read_reference(data, ["one"])
    assert {*read.spreads, *read.faults} == {"one", SCORE}


def test_chance_grows_with_bins_features_and_clustering() -> None:
    """The factor is the design effect times a quantile that rises with what is watched."""
    small, large = Spread([0.0], [0.5, 0.5], 0.0), Spread([0.0, 1.0], [0.5, 0.25, 0.25], 0.0)
    assert chance_factor(small, 1) < chance_factor(large, 1) < chance_factor(large, 40)
    clustered = Spread([0.0], [0.5, 0.5], 0.0, 3.0)
    assert chance_factor(clustered, 1) == pytest.approx(3 * chance_factor(small, 1))
