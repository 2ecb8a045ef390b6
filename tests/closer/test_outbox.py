"""The outbox: what is under way, what is done, and what another worker goes on with."""

from stream.closer.fold import Outgoing
from stream.closer.outbox import Outbox, entry_name, pack_entry
from stream.kafka.records import Part
from tests.closer.rig import QueueDispatcher, Sent
from tests.core.outcomes import enriched
from tests.core.test_decisions import decided, situation

ONE, TWO = Part("alerts.enriched", 0), Part("alerts.enriched", 1)
LEFT = Outgoing(decisions=[decided(enriched(), situation())], since=1.5)


class Rig:
    """An outbox whose dispatcher a test drives."""

    def __init__(self) -> None:
        self.sent, self.now = list[Sent](), 100.0
        self.outbox = Outbox(lambda: self.now)
        self.dispatcher = QueueDispatcher(self.sent, self.outbox.done)
        self.outbox.dispatcher = self.dispatcher


def test_an_entry_is_done_once_and_then_forgotten() -> None:
    """Until then its age is shown; what is done twice, or by a dispatcher that is late, changes nothing."""
    rig = Rig()
    rig.outbox.submit(ONE, "out:1", LEFT)
    rig.now = 107.0
    assert (rig.outbox.measure(), rig.outbox.finished(ONE)) == ((1, 7.0), [])
    rig.dispatcher.finish_all()
    rig.outbox.done(ONE, "out:1")
    rig.outbox.done(ONE, "out:none")
    assert (rig.outbox.measure(), rig.outbox.finished(ONE)) == ((0, 0.0), ["out:1"])
    rig.outbox.forget(ONE, ["out:1"])
    assert rig.outbox.finished(ONE) == []
    assert [(one.name, one.outgoing) for one in rig.sent] == [("out:1", LEFT)]


def test_entries_of_a_state_are_submitted_in_order_unless_they_are_under_way() -> None:
    """As they were packed, with the time since when they wait."""
    rig = Rig()
    rig.outbox.submit(ONE, entry_name(11), LEFT)
    packed = {entry_name(number): pack_entry(LEFT, 90.0 + number) for number in (10, 2, 11)}
    rig.outbox.resume(ONE, packed)
    rig.dispatcher.finish_all()
    assert [one.name for one in rig.sent] == [entry_name(11), entry_name(2), entry_name(10)]
    assert all(one.outgoing == LEFT for one in rig.sent)


def test_what_is_done_but_still_kept_is_not_submitted_again() -> None:
    """Its write was refused with the rest: the next one deletes it."""
    rig = Rig()
    rig.outbox.submit(ONE, "out:1", LEFT)
    rig.dispatcher.finish_all()
    rig.outbox.resume(ONE, {"out:1": pack_entry(LEFT, 90.0)})
    rig.dispatcher.finish_all()
    assert (len(rig.sent), rig.outbox.finished(ONE), rig.outbox.measure()) == (1, ["out:1"], (0, 0.0))


def test_a_partition_that_is_lost_is_left_to_who_has_it() -> None:
    """Its entries are dropped, those of others go on."""
    rig = Rig()
    for part in (ONE, TWO):
        rig.outbox.submit(part, "out:1", LEFT)
    rig.outbox.keep_only([TWO])
    rig.outbox.done(ONE, "out:1")
    rig.dispatcher.finish_all()
    assert [one.part for one in rig.sent] == [TWO]
    assert (rig.outbox.finished(ONE), rig.outbox.finished(TWO)) == ([], ["out:1"])
