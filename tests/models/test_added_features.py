"""Features of packages: what they may be named and give, and what happens to one that fails."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from stream.core.errors import ModelError, ModelMismatch
from stream.core.features import Feature, compute, table
from stream.core.frame import Array, Decayed, Frame
from stream.models.added_features import GROUP, AddedFeatures, read_features, require_sound, try_features

MODULE = "a_package_of_features"
GOOD = Feature("mine.hour", "time", "hours", "Hour of the day", lambda frame: frame.at % 86_400.0 / 3_600.0)
ROWS = np.full((3, 1 + 19 * 4), np.nan)
ROWS[:, 0] = 3_600.0


def frame() -> Frame:
    """Three alerts without history."""
    return Frame(Decayed(ROWS), {}, 0.5, ())


@pytest.fixture
def package() -> Iterator[Callable[..., AddedFeatures]]:
    """Reads what an entry point `mine` gives."""
    made = ModuleType(MODULE)
    sys.modules[MODULE] = made

    def read(given: Any, name: str = "mine") -> AddedFeatures:
        made.given = given  # type: ignore[attr-defined]  # a module made here
        return read_features([EntryPoint(name, f"{MODULE}:given", GROUP)])

    yield read
    del sys.modules[MODULE]


def test_a_sequence_or_a_function_gives_features(package: Callable[..., AddedFeatures]) -> None:
    """Both stand in the table after core's own, and compute like them."""
    for given in ([GOOD], lambda: (GOOD,)):
        found = package(given)
        assert found.faults == ()
        known = table((), (), found.features)
        assert list(known)[-1] == "mine.hour"
        assert compute(frame(), [known["mine.hour"]]).tolist() == [[1.0]] * 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (replace(GOOD, name="other.hour"), "must be named `mine.` and a word"),
        (replace(GOOD, name="mine.Hour"), "must be named `mine.` and a word"),
        (replace(GOOD, name="mine.rate_ever"), "begins or ends as core's do"),
        (replace(GOOD, group="clock"), "must have a group of history, alert, time, load"),
        (replace(GOOD, watch="hide"), "watch ring or show"),
        (replace(GOOD, version=0), "lacks its unit, meaning or definition, or a version"),
        (replace(GOOD, unit=""), "lacks its unit"),
        ("text", "gives no sequence of"),
    ],
)
def test_what_is_no_feature_is_told(given: Any, said: str, package: Callable[..., AddedFeatures]) -> None:
    """The package gives nothing then, with a sentence that names its entry point."""
    found = package(given if isinstance(given, str) else [given])
    assert found.features == ()
    (fault,) = found.faults
    assert fault.startswith(f"the entry point mine = {MODULE}:given of {GROUP}: ")
    assert said in fault
    with pytest.raises(ModelError, match="mend or remove the package"):
        require_sound(found)


@pytest.mark.parametrize("name", ["team", "prior", "label", "title"])
def test_names_of_core_can_not_be_taken(name: str, package: Callable[..., AddedFeatures]) -> None:
    """Reasons and drift read a meaning from what core's names begin with."""
    (fault,) = package([replace(GOOD, name=f"{name}.hour")], name).faults
    assert "begins or ends as core's do" in fault


def test_a_feature_twice_and_a_package_that_fails(package: Callable[..., AddedFeatures]) -> None:
    """One of two is refused with its package; one that can't be imported leaves the others alone."""
    assert "is there twice" in package([GOOD, GOOD]).faults[0]
    package([GOOD])
    points = [EntryPoint("mine", f"{MODULE}:given", GROUP), EntryPoint("gone", "no_such_package:given", GROUP)]
    found = read_features(points)
    assert [feature.name for feature in found.features] == ["mine.hour"]
    assert "gone = no_such_package:given" in found.faults[0]
    assert "can't be loaded: No module named 'no_such_package'" in found.faults[0]


def fails(frame: Frame) -> Array:
    """A definition with a fault."""
    raise KeyError("team_label.env")


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        (fails, r"mine\.hour failed: KeyError: 'team_label.env'"),
        (lambda frame: np.zeros(2), r"mine\.hour gave \(2,\) for 3 alerts"),
        (lambda frame: 7.0, r"mine\.hour gave \(\) for 3 alerts"),
    ],
)
def test_a_definition_that_fails_is_an_error_of_the_model(
    definition: Callable[[Frame], Any], said: str, package: Callable[..., AddedFeatures]
) -> None:
    """One sentence with the feature's name, which costs a live alert its score and nothing else."""
    (feature,) = package([replace(GOOD, of=definition)]).features
    with pytest.raises(ModelError, match=said):
        feature.of(frame())


def test_what_float32_can_not_hold_is_not_known(package: Callable[..., AddedFeatures]) -> None:
    """Infinities and huge values are NaN: no feature is ever infinite."""
    (feature,) = package([replace(GOOD, of=lambda frame: np.array([1.0, np.inf, 1e300]))]).features
    assert np.array_equal(compute(frame(), [feature])[:, 0], [1.0, np.nan, np.nan], equal_nan=True)


def test_a_feature_is_there_only_where_what_it_needs_is() -> None:
    """A level of a label, or a prior, that the problem or model lacks takes the feature out of the table."""
    needing = replace(GOOD, needs=("label.env", "team_label.site"))
    assert "mine.hour" in table(("site",), ("label.env",), [needing])
    assert "mine.hour" not in table(("site",), ("rule",), [needing])
    assert "mine.hour" not in table((), ("label.env",), [needing])


def writes(frame: Frame) -> Array:
    """A definition that changes what it reads."""
    frame.counts += 1.0
    return frame.at


@pytest.mark.parametrize(
    ("definition", "said"), [(fails, r"mine\.hour failed"), (writes, r"features mine\.hour changes the frame")]
)
def test_what_can_not_work_is_refused_at_loading(
    definition: Callable[[Frame], Array],
    said: str,
    package: Callable[..., AddedFeatures],
) -> None:
    """Before the model serves, its added features are computed over two alerts without history."""
    with pytest.raises(ModelMismatch, match=said):
        try_features(package([replace(GOOD, of=definition)]).features, (), ())
    try_features(package([GOOD]).features, ("env",), ("rule", "title"))
