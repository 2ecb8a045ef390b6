"""Severity, source and labels: kept while an outcome may change, told with it, and then no longer."""

import pytest

from stream.core.events import Raised, moment
from stream.core.ledger import LABELS_CUT, Alert, Context
from tests.core.logs import DAY, HOUR, PROBLEMS, START, Timed, acted, feed, keep, raised, resume, run, tell, tick

HIGH = Context("high", "monitor", {"env": "prod"})
END = tick(9 * DAY)


def high(at: float = 0, **labels: str) -> Timed:
    """An alert with all three."""
    return Raised(moment(START + at), "a", "pay", "disk", "db", "high", "monitor", "Disk", labels or HIGH.labels), START


def context(*log: Timed) -> Context | None:
    """What the ledger has of it after a log."""
    entry = run(PROBLEMS[0], log).ledger["pay", "a"]
    assert isinstance(entry, Alert)
    return entry.context


@pytest.mark.parametrize("end", [acted(60), acted(60, kind="dismissed"), tick(2 * HOUR)])
def test_the_ledger_drops_it_once_the_alert_is_decided(end: Timed) -> None:
    """An open alert has it; one that a person or its expiry decided does not."""
    assert context(high()) == HIGH
    assert context(high(), end) is None


@pytest.mark.parametrize("kind", ["paused_by_rule", "closed_by_rule"])
def test_the_ledger_keeps_it_while_a_rule_s_act_may_be_corrected(kind: str) -> None:
    """A paused or closed alert keeps it, also released; a correction drops it."""
    log = [high(), acted(60, kind=kind), acted(90, kind="released_by_rule"), acted(95, kind="dismissed")]
    assert context(*log) == HIGH
    assert context(*log, acted(99, kind="reopened")) is None


def test_each_outcome_tells_it() -> None:
    """That of a rule and its correction, each as of its decision, also through packed states and in one batch."""
    log = [high(), acted(60, kind="closed_by_rule"), acted(90, kind="reopened")]
    assert [effect[9] for effect in tell(run(PROBLEMS[0], log)) if effect[0] == "decided"] == [HIGH, HIGH]
    fold = resume(PROBLEMS[0], keep(run(PROBLEMS[0], log[:2])))
    feed(fold, log[2:])
    assert [effect[9] for effect in tell(fold)] == [HIGH]
    assert [effect[9] for effect in tell(run(PROBLEMS[0], [raised(0), END])) if effect[0] == "decided"] == [None]


def test_labels_that_are_cut_are_flagged_on_alert_and_outcome() -> None:
    """The alert that comes out of the scorer is whole; the flag says that its outcome, and what rules match, is not."""
    told = tell(run(PROBLEMS[0], [high(env="prod", long="x" * 3_000), END]))
    assert [effect[2] for effect in told if effect[0] == "arrived"] == [LABELS_CUT]
    decided = [effect for effect in told if effect[0] == "decided"]
    assert [(effect[6], effect[9]) for effect in decided] == [(LABELS_CUT, HIGH)]
