"""What is paused or closed comes back: after its time, with a higher severity, in a flood."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.decisions import decide
from stream.core.records import Mode
from stream.core.suppressions import (
    SEVERITIES,
    Suppression,
    due,
    is_higher,
    release,
    release_reason,
    released,
    suppression_of,
)
from tests.core.outcomes import HOUR, T0, enriched
from tests.core.test_decisions import situation


def suppressed(mode: Mode = "pause", **change: Any) -> Suppression:
    """An alert that a rule has just paused or closed."""
    alert = enriched(**change)
    found = suppression_of(decide(alert, situation(mode), {}, T0 + 1.0), alert.alert.severity)
    assert found is not None
    return found


def test_what_is_kept_is_what_was_decided() -> None:
    """Alert, rule, times and the chance of the deed are those of the decision."""
    one = suppressed()
    assert (one.alert_id, one.decision, one.by_rule, one.severity) == ("A1", "pause", "disks", "low")
    assert (one.raised_at, one.since, one.until, one.p_act) == (T0, T0 + 1.0, T0 + 601.0, 0.5)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Suppression) == one


@pytest.mark.parametrize("mode", ["shadow", "score"])
def test_what_was_not_done_is_not_kept(mode: Mode) -> None:
    """Nothing is suppressed by a decision that only says what would be done."""
    assert suppression_of(decide(enriched(), situation(mode), {}, T0), None) is None


def test_each_comes_back_after_its_time() -> None:
    """A pause after ten minutes, a closure after four hours, the earlier first; not a moment before."""
    both = [suppressed("close"), suppressed()]
    assert due(both, T0 + 600.9) == []
    assert due(both, T0 + 601.0) == [(both[1], "its pause ended")]
    assert [why for _, why in due(both, T0 + 5 * HOUR)] == ["its pause ended", "its closure ended"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"severity": "high"}, "A2 came with severity high"),
        ({"severity": "P1"}, "A2 came with severity P1"),
        ({"severity": "low"}, None),
        ({"severity": "info"}, None),
        ({"severity": "Low"}, None),
        ({"severity": "HIGH"}, "A2 came with severity HIGH"),
        ({"severity": "high", "entity": "db-8"}, None),
        ({"severity": "high", "rule": "cpu"}, None),
        ({"severity": "high", "team": "search"}, None),
        ({"flags": ["flood"], "entity": "db-8"}, "disk_full is in a flood"),
        ({"flags": ["flood"], "rule": "cpu"}, None),
    ],
)
def test_what_comes_can_bring_it_back_at_once(change: dict[str, Any], why: str | None) -> None:
    """A higher severity of the same team, rule and entity, or a flood of the same team and rule."""
    one, coming = suppressed(), enriched("A2", T0 + 60.0, **change)
    assert release_reason(one, coming) == why
    assert released([one], coming) == ([] if why is None else [(one, why)])


def test_a_release_is_a_decision_of_its_own() -> None:
    """It names the alert and the rule, has no end, and says why."""
    found = release(suppressed(), "its pause ended", T0 + 601.0)
    assert (found.decision, found.by_rule, found.until, found.why) == ("release", "disks", None, "its pause ended")
    assert (found.mode, found.p_act, found.decided_at.timestamp()) == ("pause", 0.5, T0 + 601.0)


@given(*[st.sampled_from([None, "P1", "odd", *SEVERITIES])] * 2)
def test_no_severity_is_above_itself_and_known_ones_are_in_order(one: str | None, other: str | None) -> None:
    """Of two different known severities exactly one is above the other; none is above itself."""
    assert not is_higher(one, one)
    if one != other and {one, other} <= {None, *SEVERITIES}:
        assert is_higher(one, other) is not is_higher(other, one)
