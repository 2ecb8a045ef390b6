"""The fold of events: which ends of suppressed alerts are left for who keeps them."""

from typing import Any

import pytest

from stream.closer.events import EventsFold
from stream.closer.exchange import AlertKey, Ending
from stream.closer.situation import Orders
from stream.core.events import Acted, encode_event, moment
from tests.closer.rig import Around, LogRecord
from tests.core.outcomes import PROBLEM, T0, enriched

KEY = ("payments", "A1")
END = Ending("ended", T0)


class Rig:
    """A fold, what is suppressed, and what was left."""

    def __init__(self) -> None:
        self.around, self.left, self.now = Around(), list[dict[AlertKey, Ending]](), 0.0
        self.parts: dict[str, bytes] = {}
        self.begin()

    def begin(self) -> None:
        """Begin with what was written last."""
        self.fold = EventsFold(PROBLEM, self.around, lambda ends: self.left.append(dict(ends)), lambda: self.now)
        self.fold.load(self.parts)

    def suppress(self, *keys: AlertKey, **change: Any) -> None:
        """What Redis says now."""
        self.around.orders = Orders(suppressed=frozenset(keys), **change)

    def take(self, *values: bytes) -> None:
        """Read records, do what is due, write."""
        self.fold.take([LogRecord(number, 0, value) for number, value in enumerate(values)], T0)
        self.wake()

    def wake(self) -> None:
        """Do what is due, and write."""
        self.fold.wake(T0)
        for name, packed in self.fold.changed().items():
            if packed is None:
                self.parts.pop(name, None)
            else:
                self.parts[name] = packed
        self.fold.written()


def act(kind: str = "ended", alert_id: str = "A1", **change: Any) -> bytes:
    """An act on an alert."""
    fields = {"at": moment(T0), "alert_id": alert_id, "team": "payments", "action_id": f"{alert_id}-{kind}"}
    return encode_event(Acted(kind=kind, **{**fields, **change}))


@pytest.mark.parametrize("kind", ["ended", "resolved", "auto_closed", "merged", "reopened", "worked"])
def test_ends_of_suppressed_alerts_are_left(kind: str) -> None:
    """Also where somebody acts on the alert or opens it again."""
    rig = Rig()
    rig.suppress(KEY)
    rig.take(act(kind), act(kind, "A2"))
    assert rig.left == [{KEY: Ending(kind, T0)}]


@pytest.mark.parametrize("kind", ["commented", "acknowledged", "muted", "paused_by_rule", "released_by_rule"])
def test_other_acts_are_not(kind: str) -> None:
    """Least of all the closer's own."""
    rig = Rig()
    rig.suppress(KEY)
    rig.take(act(kind), encode_event(enriched().alert), b'{"type":"acted"', b"\xff")
    assert (rig.left, rig.parts) == ([], {})


def test_an_end_that_came_before_the_decision_counts() -> None:
    """For a minute: a decision comes well within it."""
    rig = Rig()
    rig.take(act(), act(alert_id="A2"))
    rig.now = 50.0
    rig.suppress(KEY)
    rig.wake()
    assert rig.left == [{KEY: END}]
    rig.now = 61.0
    rig.suppress(("payments", "A2"))
    rig.take()
    assert len(rig.left) == 1


def test_an_end_is_left_until_it_is_seen_and_forgotten_once_the_alert_is_back() -> None:
    """Also after a crash; so an end is not lost with the worker that read it."""
    rig = Rig()
    rig.suppress(KEY)
    rig.take(act())
    rig.begin()
    rig.wake()
    assert rig.left == [{KEY: END}, {KEY: END}]
    rig.suppress(KEY, endings={KEY: END})
    rig.wake()
    assert len(rig.left) == 2
    rig.suppress()
    rig.wake()
    assert (len(rig.left), rig.parts) == (2, {})
