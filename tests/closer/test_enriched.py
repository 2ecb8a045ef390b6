"""The fold of scored alerts: decisions, what they keep from people, and what brings it back."""

from typing import Any

import pytest

from stream.closer.enriched import EnrichedFold
from stream.closer.exchange import Ending
from stream.closer.fold import Outgoing
from stream.closer.lost_suppressions import Lost
from stream.closer.situation import Orders
from stream.closer.suppressed import Shown
from stream.core.decisions import Brakes
from stream.core.observations import hour_of
from stream.core.proof import draw
from stream.core.records import Enriched, encode_record
from stream.core.suppressions import suppression_of
from stream.rule_state import Undo
from tests.closer.rig import Around, LogRecord
from tests.core.outcomes import HOUR, MODEL, T0, enriched
from tests.core.test_decisions import NAME, decided, situation

SEVERITIES = ("low", "high")


class Rig:
    """A fold with its surroundings, and a clock."""

    def __init__(self, none_decisions: bool = False, **change: Any) -> None:
        self.around, self.now = Around(situation(**change)), T0
        self.shown: list[Shown] = []
        self.parts: dict[str, bytes] = {}
        self.lost = Lost()
        self._none_decisions, self._offset = none_decisions, 0
        self.begin()

    def begin(self) -> None:
        """Begin with the parts that were written last, as after a crash."""
        self.fold = EnrichedFold(
            3, self.around, self.shown.append, SEVERITIES, self._none_decisions, lambda: self.lost, lambda: self.now
        )
        self.fold.load(self.parts)

    def write(self) -> None:
        """Write what changed."""
        for name, packed in self.fold.changed().items():
            if packed is None:
                self.parts.pop(name, None)
            else:
                self.parts[name] = packed
        self.fold.written()

    def take(self, *alerts: Enriched | bytes, wake: bool = True) -> Outgoing:
        """What leaves once these were read, at the clock's time."""
        values = [one if isinstance(one, bytes) else encode_record(one) for one in alerts]
        records = [LogRecord(number, int(self.now * 1_000), value) for number, value in enumerate(values)]
        found, _ = self.fold.take(records, self.now)
        if wake:
            more, _ = self.fold.wake(self.now)
            found.decisions += more.decisions
            found.deeds += more.deeds
        self.write()
        return found

    def wake(self) -> Outgoing:
        """What leaves while nothing comes."""
        found, _ = self.fold.wake(self.now)
        self.write()
        return found

    def alert(self, **change: Any) -> Enriched:
        """The next alert, of an offset of its own, raised now."""
        self._offset += 1
        fields = {"offset": f"alerts.events/3/{self._offset}", "episode": f"e{self._offset}", **change}
        return enriched(fields.pop("alert_id", f"A{self._offset}"), fields.pop("at", self.now), **fields)


def names(found: Outgoing) -> list[str]:
    """What was decided, in order."""
    return [one.decision for one in found.decisions]


def test_a_pause_leaves_as_decision_act_and_deed_and_comes_back() -> None:
    """All three tell the same, under one id, and so does the release when its minutes are over."""
    rig = Rig()
    alert = rig.alert()
    paused = rig.take(alert)
    (decision,), (act,), (deed,) = paused.decisions, paused.acts, paused.deeds
    assert (decision.decision, decision.by_rule, act.kind, deed.kind) == ("pause", NAME, "paused_by_rule", "pause")
    assert (act.action_id, act.actor, act.agent, act.until) == (deed.id, NAME, "automation", decision.until)
    assert (deed.alert, deed.decision, act.at) == (alert.alert, decision, decision.decided_at)
    assert rig.fold.count("pause") == 1
    rig.now += 599.0
    assert not rig.wake()
    rig.now += 1.0
    back = rig.wake()
    assert (names(back), back.acts[0].kind, back.deeds[0].kind) == (["release"], "released_by_rule", "release")
    assert back.deeds[0].alert == alert.alert
    assert back.decisions[0].why == "its pause ended"
    assert rig.fold.count("pause") == 0
    assert [one.alert_id for shown in rig.shown for one in shown.begun] == ["A1"]
    assert [ending for shown in rig.shown for ending in shown.endings] == [("pause", "time")]
    assert not rig.wake()


def test_a_closure_lasts_its_hours() -> None:
    """It is an act of its own kind."""
    rig = Rig(mode="close")
    assert rig.take(rig.alert()).acts[0].kind == "closed_by_rule"
    rig.now += 4 * HOUR
    assert rig.wake().decisions[0].why == "its closure ended"


@pytest.mark.parametrize(
    ("change", "by"),
    [({"severity": "high"}, "severity"), ({"flags": ["flood"], "entity": "db-9"}, "flood")],
)
def test_what_comes_brings_others_back_at_once(change: dict[str, Any], by: str) -> None:
    """A higher severity of the same entity, and a flood of the rule whatever the entity; also where it is unscored."""
    rig = Rig()
    rig.take(rig.alert(), rig.alert(entity="db-8", team="platform"))
    found = rig.take(rig.alert(probability=None, **change))
    assert [(one.decision, one.alert_id) for one in found.decisions] == [("release", "A1")]
    assert rig.shown[-1].endings == [("pause", by)]


def test_a_copy_is_not_decided_again_and_an_unscored_record_is_not_decided() -> None:
    """Also after a crash; the scored record that follows an unscored one is decided."""
    rig = Rig(none_decisions=True)
    first, second = rig.alert(), rig.alert(probability=0.9)
    bare = enriched("A3", T0, probability=None, reason="history_unavailable", offset="alerts.events/3/3")
    assert names(rig.take(first, second, bare)) == ["pause", "none"]
    assert rig.around.history_away
    rig.begin()
    assert names(rig.take(first, second)) == []
    assert names(rig.take(rig.alert())) == ["pause"]


def test_marks_are_kept_for_each_partition_of_events() -> None:
    """Equal offsets of two partitions are two alerts."""
    rig = Rig()
    assert names(rig.take(rig.alert(), rig.alert(alert_id="B1", offset="alerts.events/4/1"))) == ["pause", "pause"]


def test_a_topic_that_began_anew_is_decided_and_its_copies_are_not() -> None:
    """Its offsets are below the mark; its alerts are raised later than all before."""
    rig = Rig()
    rig.take(rig.alert(offset="alerts.events/3/900"))
    rig.now += 60.0
    anew = rig.alert(offset="alerts.events/3/0")
    assert names(rig.take(anew)) == ["pause"]
    assert names(rig.take(anew)) == []


def test_an_alert_that_is_raised_again_is_not_acted_on_again() -> None:
    """Within a day, whatever its offset, paused or held out; after that it may be."""
    rig = Rig()
    for share, kind in ((0.0, "pause"), (1.0, "hold_out")):
        rig.around.given = situation(share=share)
        again = {"alert_id": f"again-{kind}"}
        assert names(rig.take(rig.alert(**again))) == [kind]
        rig.now += HOUR
        rig.wake()
        rig.begin()
        assert names(rig.take(rig.alert(**again))) == []
        rig.now += 26 * HOUR
        rig.wake()
        assert names(rig.take(rig.alert(**again))) == [kind]


def test_nothing_is_done_to_alerts_of_yesterday() -> None:
    """The age is by the wall clock: the records' own time stood still while the closer was down."""
    rig = Rig()
    rig.now += 301.0
    records = [LogRecord(0, int(T0 * 1_000), encode_record(rig.alert(at=T0)))]
    found, _ = rig.fold.take(records, T0)
    assert names(found) == ["blocked"]
    assert "ago" in found.decisions[0].why


def test_brakes_hold_but_bring_nothing_back() -> None:
    """A pause of all rules keeps them from acting; what is paused stays so until its time."""
    rig = Rig()
    rig.take(rig.alert())
    rig.around.given = situation(brakes=Brakes(everything="all rules are paused by ann"))
    assert names(rig.take(rig.alert())) == ["blocked"]
    assert rig.fold.count("pause") == 1


def test_an_undo_brings_back_what_a_rule_suppressed_since_once() -> None:
    """Of its rule and its time alone; after a crash it is not carried out again on what is paused later."""
    rig = Rig()
    rig.take(rig.alert())
    rig.now += 100.0
    rig.take(rig.alert(), rig.alert())
    order = Undo(id="u1", rule=NAME, since=T0 + 50.0, by="ann", at=rig.now)
    other = Undo(id="u2", rule="other", since=0.0, by="ann", at=rig.now)
    rig.around.orders = Orders(undos=[order, other])
    found, notes = rig.fold.wake(rig.now)
    rig.write()
    assert [(one.decision, one.alert_id) for one in found.decisions] == [("release", "A2"), ("release", "A3")]
    assert (rig.shown[-1].undone, rig.shown[-1].ended) == ({"u1": 2, "u2": 0}, [("payments", "A2"), ("payments", "A3")])
    assert [(one.what, one.by, one.sentence) for one in notes.changes] == [
        ("undone", "ann", "2 alerts of partition 3 came back")
    ]
    rig.begin()
    rig.around.orders = Orders(undos=[order])
    assert not rig.wake()
    assert rig.shown[-1].undone == {"u1": 2, "u2": 0}  # in case it was not shown


def test_an_undo_reaches_what_was_paused_by_a_clock_that_is_ahead() -> None:
    """Records may be stamped some minutes later than the clock of who orders it."""
    rig = Rig()
    rig.take(rig.alert())
    rig.around.orders = Orders(undos=[Undo(id="u", rule=NAME, since=T0 - HOUR, by="ann", at=rig.now - 300.0)])
    assert names(rig.wake()) == ["release"]


@pytest.mark.slow
def test_a_thousand_undone_alerts_leave_in_one_round() -> None:
    """Each with a decision, an act and a deed."""
    rig = Rig(rule={"max_per_hour": 2_000})
    rig.take(*(rig.alert() for _ in range(1_000)))
    rig.around.orders = Orders(undos=[Undo(id="u", rule=NAME, since=0.0, by="ann", at=rig.now)])
    found = rig.wake()
    assert len(found.decisions) == len(found.acts) == len(found.deeds) == 1_000


def test_an_end_brings_back_and_ends_that_are_late_are_removed() -> None:
    """An alert that ended is released as such; of one that is back already the end is shown as carried out."""
    rig = Rig()
    rig.take(rig.alert(), rig.alert())
    end = Ending("auto_closed", rig.now)
    rig.around.orders = Orders(endings={("payments", "A1"): end, ("payments", "A9"): end})
    found = rig.wake()
    assert [(one.alert_id, one.why) for one in found.decisions] == [("A1", "it was auto closed")]
    assert rig.shown[-1].endings == [("pause", "ended")]
    rig.around.orders = Orders(endings={("payments", "A1"): end}, suppressed=frozenset({("payments", "A2")}))
    assert not rig.wake()
    rig.fold.written()
    assert rig.shown[-1].ended == [("payments", "A1")]


def test_what_is_shown_wrongly_as_suppressed_is_mended() -> None:
    """A crash between the write and the showing leaves a mark in Redis of an alert that is back."""
    rig = Rig()
    rig.take(rig.alert())
    rig.now += 600.0
    rig.wake()
    rig.begin()
    rig.around.orders = Orders(suppressed=frozenset({("payments", "A1"), ("platform", "B1")}))
    rig.wake()
    assert rig.shown[-1].ended == [("payments", "A1")]


def held_out_later() -> str:
    """A salt that holds out what is raised two hours later, and not what is raised now."""
    hour = hour_of(T0)
    draws = {str(n): [draw(str(n), NAME, "payments", hour + later) for later in (0, 2)] for n in range(99)}
    return next(salt for salt, (now, later) in draws.items() if later < 0.5 < now)


def test_the_limit_and_the_arms_outlive_a_crash() -> None:
    """Acts of the hour go on counting, and an episode keeps the arm of its first raise."""
    rig = Rig(rule={"max_per_hour": 2})
    rig.take(rig.alert(episode="same"))
    rig.begin()
    assert names(rig.take(rig.alert())) == ["pause"]
    rig.begin()
    assert names(rig.take(rig.alert())) == ["blocked"]
    rig.now += 2 * HOUR
    rig.wake()
    rig.around.given = situation(share=0.5, salt=held_out_later())
    assert names(rig.take(rig.alert(), rig.alert(episode="same"))) == ["hold_out", "pause"]


def test_a_clock_that_went_back_brings_back_what_began_later() -> None:
    """Nobody knows then how long it lasts."""
    rig = Rig()
    rig.now += 10 * HOUR
    assert names(rig.take(rig.alert())) == ["pause"]
    rig.now -= 10 * HOUR
    found = rig.wake()
    assert [(one.decision, one.why) for one in found.decisions] == [("release", "the clock went back")]
    assert found.decisions[0].decided_at.timestamp() >= T0 + 10 * HOUR


def test_what_was_suppressed_is_taken_up_where_the_state_is_lost() -> None:
    """It comes back in its time, and what stands already is not taken up twice."""
    rig = Rig()
    alert = enriched()
    one = suppression_of(decided(alert, situation()), alert.alert.severity)
    assert one is not None
    rig.lost = Lost([(one, alert.alert)])
    rig.fold.rebuild()
    rig.fold.rebuild()
    rig.write()
    assert [len(shown.begun) for shown in rig.shown] == [1]
    rig.now += 700.0
    assert names(rig.wake()) == ["release"]


def test_what_an_older_state_still_holds_comes_back_if_decisions_say_that_it_was_back() -> None:
    """Its outbox may pause it once more, and nothing else would end that before its time."""
    rig = Rig(mode="close")
    rig.take(rig.alert())
    rig.lost = Lost([], {("payments", "A1"): rig.now + 1.0})
    rig.now += 60.0
    rig.fold.rebuild()
    assert names(rig.wake()) == ["release"]
    assert names(rig.take(rig.alert(alert_id="A1"))) == []


@pytest.mark.parametrize(
    ("kind", "ended"),
    [("ended", True), ("auto_closed", True), ("dismissed", True), ("reopened", False), ("escalated", False)],
)
def test_an_alert_that_people_work_on_is_released_as_one_that_still_fires(kind: str, ended: bool) -> None:
    """What is acted on or reopened is over nowhere: who closed it elsewhere must open it again."""
    rig = Rig(mode="close")
    rig.take(rig.alert())
    rig.around.orders = Orders(endings={("payments", "A1"): Ending(kind, rig.now)})
    (deed,) = rig.wake().deeds
    assert (deed.kind, deed.ended) == ("release", ended)


def test_scored_alerts_show_that_the_history_is_back() -> None:
    """The brake is not shown for good."""
    rig = Rig()
    rig.take(rig.alert(probability=None, reason="history_unavailable"))
    assert rig.around.history_away
    rig.take(rig.alert())
    assert not rig.around.history_away


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b"{", "not_json"),
        (b"{}", "bad_field"),
        (encode_record(enriched(offset="alerts.events/3/x")), "bad_field"),
    ],
)
def test_what_can_not_be_read_is_refused_and_passed_by(value: bytes, reason: str) -> None:
    """With its reason; the records beside it are decided."""
    rig = Rig()
    assert names(rig.take(rig.alert(), value, rig.alert())) == ["pause", "pause"]
    assert [error.reason for _, error in rig.fold.take_failed()] == [reason]
    assert rig.fold.take_failed() == []


@pytest.mark.slow
def test_a_round_writes_what_it_adds_and_old_episodes_go() -> None:
    """The journal's last part alone is written again; parts all of whose episodes are forgotten are deleted."""
    rig = Rig(rule={"max_per_hour": 100_000}, mode="shadow")
    for _ in range(2):
        rig.take(*(rig.alert() for _ in range(500)))
    journal = [name for name in rig.parts if name.startswith("episodes:")]
    assert len(journal) == 2
    rig.fold.take([LogRecord(0, int(rig.now * 1_000), encode_record(rig.alert()))], rig.now)
    written = [name for name in rig.fold.changed() if name.startswith("episodes:")]
    assert written == ["episodes:0000000000000003"]
    rig.now += 100 * HOUR
    rig.take(*(rig.alert() for _ in range(510)))
    assert min(name for name in rig.parts if name.startswith("episodes:")) > max(journal)


def test_acts_of_a_rule_that_is_gone_are_forgotten_in_time() -> None:
    """Some days later, once the files change again; what it suppressed comes back as ever."""
    rig = Rig()
    rig.take(rig.alert())
    kept = f"acts:{NAME}\0payments"
    assert kept in rig.parts
    rig.around.given = situation(rule={"name": "other"})
    rig.now += HOUR
    rig.take()
    assert kept in rig.parts
    rig.around.given = situation(rule={"name": "other"})
    rig.now += 100 * HOUR
    rig.take()
    assert kept not in rig.parts


def test_acts_in_a_team_that_is_quiet_are_forgotten_in_time() -> None:
    """Teams come and go while a rule stands; its hour's limit and the arms of its episodes are over long before."""
    rig = Rig(share=0.0)
    rig.take(rig.alert())
    kept = f"acts:{NAME}\0payments"
    rig.now += 50 * HOUR
    rig.wake()
    assert kept in rig.parts
    rig.now += 50 * HOUR
    rig.wake()
    assert kept not in rig.parts
    rig.begin()
    assert names(rig.take(rig.alert())) == ["pause"]


def test_a_fold_that_is_loaded_gives_the_same_decisions() -> None:
    """With a crash after each record, or without one, the same leaves and the same is kept."""
    plain, crashing = Rig(), Rig()
    for rig in (plain, crashing):
        rig.around.given = situation(ready={NAME: frozenset({MODEL})}, rule={"max_per_hour": 7})
    found: list[list[bytes]] = [[], []]
    for turn in range(30):
        for rig, kept in zip((plain, crashing), found, strict=True):
            rig.now = T0 + 200.0 * turn
            left = rig.take(rig.alert(episode=f"e{turn // 3}", entity=f"db-{turn % 4}"))
            kept += map(encode_record, left.decisions)
        crashing.begin()
    assert found[0] == found[1]
    assert plain.parts == crashing.parts
