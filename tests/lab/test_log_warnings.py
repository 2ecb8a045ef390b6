"""What a log would lose on the live system is counted beforehand, and the mend that is named keeps it."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream.config import load_problem
from stream.core.errors import LabError
from stream.core.events import Event, encode_event
from stream.core.problem import Problem
from stream.eventlog import Line, read_log
from stream.lab.auditing.audit import audit, audit_replayed
from stream.lab.log_warnings import fields_sentence, orphan_sentence
from stream.lab.replaying import Replayed, replay
from stream.lab.training import train
from tests.lab.logs import START, acted, lines, raised, small_problem
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import Log, Rig

DAY = timedelta(days=1)


def late_log() -> list[Event]:
    """Alert 0 is acted on twice within the ledger and three times after it; alert 9 was never raised."""
    return [
        raised(0, START),
        acted(0, START + timedelta(minutes=5)),
        acted(9, START + DAY),
        raised(1, START + 2 * DAY),
        acted(0, START + 30 * DAY, kind="dismissed"),
        acted(0, START + 31 * DAY, kind="closed"),
        acted(0, START + 45 * DAY, kind="reopened"),
        acted(0, START + 45.5 * DAY, kind="commented"),
    ]


def with_ledger(problem: Problem, days: float) -> Problem:
    """The problem with another `history.ledger_days`."""
    return replace(problem, history=replace(problem.history, ledger_days=days))


def folded(events: Sequence[Event], problem: Problem) -> Replayed:
    """The events through the lab's fold."""
    return replay(lines(events), problem)


def test_actions_after_the_ledger_are_counted_apart_from_those_of_unknown_alerts() -> None:
    """Three of four actions without an alert in the ledger are late ones, the last of them held when the log ends."""
    found = folded(late_log(), small_problem()).orphans
    assert (found.left, found.never, found.needed_days) == (3, 1, 46)


def test_the_count_is_that_of_the_live_scorer() -> None:
    """A scorer that folds the same log, and the time after it, fails as many actions as were counted."""
    log = Log()
    for event in late_log():
        log.append(event)
    log.append(raised(2, START + 47 * DAY))
    problem = small_problem()
    rig = Rig(log, problem, MemoryHistory(), model=None)
    rig.run((5,))
    failed = rig.publisher.failed()
    assert [one["reason"] for one in failed] == ["unknown_alert"] * 4
    found = folded(late_log(), problem).orphans
    assert found.left + found.never == 4


def test_the_mend_is_true() -> None:
    """With the named `history.ledger_days` no action of the log comes after the ledger; with a day less one does."""
    needed = folded(late_log(), small_problem()).orphans.needed_days
    assert folded(late_log(), with_ledger(small_problem(), needed)).orphans.left == 0
    assert folded(late_log(), with_ledger(small_problem(), needed - 1.0)).orphans.left > 0


def test_the_audit_says_it_beforehand() -> None:
    """The audit gives both counts, the ledger's days and the setting; of a log without such actions it says nothing."""
    found = [finding for finding in audit_replayed(folded(late_log(), small_problem())).findings if finding.warns]
    [late, never] = [finding.text for finding in found if finding.about == "ledger"]
    assert late.startswith("3 actions come more than 30 days after their alert was raised")
    assert "history.ledger_days = 46" in late
    assert never.startswith("1 actions are of alerts that the log had not raised")
    quiet = audit_replayed(folded(late_log()[:2], small_problem()))
    assert not [finding for finding in quiet.findings if finding.about in ("ledger", "fields")]


def test_the_failed_record_claims_what_is_known() -> None:
    """The detail of a failed action names both possibilities, with the problem's days in short form."""
    log = Log()
    for event in late_log():
        log.append(event)
    for days, told in ((None, "30 days"), (400.0, "400 days"), (36_500.0, "36500 days"), (31.26, "31.3 days")):
        problem = small_problem() if days is None else with_ledger(small_problem(), days)
        rig = Rig(log, problem, MemoryHistory(), model=None)
        rig.run((1,))
        detail = rig.publisher.failed()[0]["detail"]
        claim = "no alert of this id is in the ledger: this team has not raised it so far, or raised it"
        assert detail == f"{claim} more than {told} ago"


def test_fields_that_nothing_reads_are_counted_and_named(tmp_path: Path) -> None:
    """A misspelt field is named with how many events have it, without the control characters it may hold."""
    path = tmp_path / "log.jsonl"
    values = [encode_event(event) for event in late_log()]
    values[0] = values[0][:-1] + b',"tiem":1}'
    values[1] = values[1][:-1] + b',"tiem":1,"x\\u001b[31m":2}'
    path.write_bytes(b"\n".join(values))
    found = audit(path, small_problem())
    assert found.unknown_fields == {"tiem": 2, "x [31m": 1}
    [told] = [finding.text for finding in found.findings if finding.about == "fields"]
    assert told.startswith("Fields that nothing reads: 'tiem' in 2 events, 'x [31m' in 1 events; ")
    assert fields_sentence({}) is None


def test_more_names_than_a_log_should_have_are_bounded() -> None:
    """A producer that makes up a name an event does not fill the memory."""
    event = raised(0, START)
    value = encode_event(event)[:-1]
    many = [Line(event, event.at.timestamp(), value + b',"f%d":1}' % number) for number in range(1_200)]
    found = replay(many, small_problem()).unknown_fields
    assert len(found) == 1_001
    assert (found["others"], found.total()) == (200, 1_200)


@pytest.mark.data
def test_the_real_log_is_counted_as_the_fold_counts(shared_data: Path) -> None:
    """Of the real incidents every action later than the ledger is counted, and the named days keep them all."""
    path, problem = shared_data / "uci_incidents.jsonl.gz", load_problem(shared_data / "uci_incidents.toml")
    replayed = replay(read_log(path, 300.0), problem)
    late = replayed.orphans
    assert (late.left, late.never) == (4_332, 0)
    assert replayed.effects["unknown_alert"] == 4_331  # one is still held when the log ends
    told = orphan_sentence(late, problem)
    assert told is not None
    assert "more than 31 days" in told
    mended = replay(read_log(path, 300.0), with_ledger(problem, late.needed_days))
    assert (mended.orphans.left, mended.effects["unknown_alert"]) == (0, 0)


def test_training_says_it_before_anything_is_learnt(tmp_path: Path) -> None:
    """The sentences come first, even where the log then turns out to be unfit for training."""
    path, told = tmp_path / "log.jsonl", list[str]()
    path.write_bytes(b"\n".join(encode_event(event) for event in late_log()))
    with pytest.raises(LabError):
        train(path, small_problem(), tmp_path / "models", notice=told.append)
    [sentence] = told
    assert sentence.startswith("3 actions come more than 30 days after their alert was raised")
