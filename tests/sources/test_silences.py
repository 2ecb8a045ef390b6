"""What people do in Alertmanager is read from its silences and alerts: once, and never more than they did."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.sources.alertmanager_state import (
    AlertState,
    BadState,
    Silence,
    Snapshot,
    merge,
    read_alerts,
    read_silences,
)
from stream.sources.matchers import Matcher
from stream.sources.parsed import Act, Firing
from stream.sources.silences import WatchOptions, WatchState, identify, watch
from tests.sources.sender import shipped_agents

AGENTS = shipped_agents()
OPTIONS = WatchOptions(quiet_receivers=frozenset({"null", "log"}))
MINUTE = 60.0
T = 1_795_600_000.0
DB, WEB = {"alertname": "Disk", "job": "db"}, {"alertname": "Disk", "job": "web"}


def silence(
    made_at: float = T,
    minutes: float = 30.0,
    creator: str = "kim",
    value: str = "db",
    id: str = "s1",  # noqa: A002 - its name in Alertmanager
    active: bool = True,
) -> Silence:
    """A silence of one job."""
    return Silence(
        id=id,
        matchers=(Matcher("job", value),),
        creator=creator,
        starts_at=made_at,
        ends_at=made_at + minutes * MINUTE,
        updated_at=made_at,
        active=active,
    )


def alert(
    labels: Mapping[str, str] = DB,
    starts_at: float = T - 5 * MINUTE,
    silenced_by: Sequence[str] = (),
    inhibited: bool = False,
    receivers: Sequence[str] = ("slack",),
    processed: bool = True,
) -> AlertState:
    """An alert that fires."""
    return AlertState(
        labels=labels,
        starts_at=starts_at,
        suppressed=bool(silenced_by) or inhibited,
        processed=processed,
        silenced_by=frozenset(silenced_by),
        inhibited=inhibited,
        receivers=frozenset(receivers),
    )


def opened(*alerts: AlertState) -> list[Firing]:
    """The same alerts as they are open with us."""
    return [Firing(each.labels, each.starts_at) for each in alerts]


class Watcher:
    """Looks again and again, keeping its state as JSON in between as a process does."""

    def __init__(self, since: float = T - 60 * MINUTE, options: WatchOptions = OPTIONS) -> None:
        self.options = options
        self.state = WatchState(since=since)

    def look(
        self,
        at: float,
        silences: Sequence[Silence] = (),
        alerts: Sequence[AlertState] = (),
        known: Sequence[Firing] | None = None,
        complete: bool = True,
    ) -> list[Act]:
        """The acts of one look; by default all that fires is open with us."""
        snapshot = Snapshot(at=at, silences=silences, alerts=alerts, complete=complete)
        firing = opened(*alerts) if known is None else known
        self.state, acts = watch(self.state, snapshot, firing, self.options, AGENTS)
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=WatchState)
        return acts


def kinds(acts: Sequence[Act]) -> list[str]:
    """Kind and agent of each."""
    return [f"{act.kind} {act.agent}" for act in acts]


def test_a_brief_silence_of_a_person_is_an_acknowledgement() -> None:
    """At the time it was made, by who made it, once; and the act says why."""
    watcher = Watcher()
    (act,) = watcher.look(T + 10, [silence()], [alert(silenced_by=["s1"])])
    assert (act.kind, act.agent, act.at, act.actor) == ("acknowledged", "person", T, "kim")
    assert act.agent_why.endswith("; a silence of 1 alerts for 30 min, made after the alert")
    assert watcher.look(T + 25, [silence()], [alert(silenced_by=["s1"])]) == []


@pytest.mark.parametrize(
    ("made", "matched", "expected"),
    [
        (silence(minutes=60.0), 10, "acknowledged person"),
        (silence(minutes=60.1), 1, "silenced person"),
        (silence(), 11, "silenced person"),
        (silence(creator="deploy-bot"), 1, "silenced automation"),
        (silence(creator="kthxbye"), 1, "silenced automation"),
        (silence(creator=""), 1, "silenced automation"),
    ],
)
def test_what_is_no_acknowledgement(made: Silence, matched: int, expected: str) -> None:
    """Longer than an hour, of more than ten alerts, or made by no person: `silenced`, on each alert."""
    alerts = [alert({**DB, "disk": str(number)}, silenced_by=["s1"]) for number in range(matched)]
    assert kinds(Watcher().look(T + 10, [made], alerts)) == [expected] * matched


def test_alertmanager_may_not_have_looked_yet() -> None:
    """A new silence is matched here, so that one of many alerts is not taken for one of none."""
    alerts = [alert({**DB, "disk": str(number)}) for number in range(11)]
    assert kinds(Watcher().look(T, [silence()], alerts)) == ["silenced person"] * 11
    assert kinds(Watcher().look(T, [silence()], [alert(), alert(WEB)])) == ["acknowledged person"]


def test_an_alert_that_fires_into_a_silence_is_muted() -> None:
    """Nobody has seen it, so the silence is no act on it, now or when it is renewed: `muted`, and nothing else."""
    watcher, late = Watcher(), alert(starts_at=T + MINUTE, silenced_by=["s1"])
    (act,) = watcher.look(T + 2 * MINUTE, [silence()], [late])
    assert (act.kind, act.agent, act.at) == ("muted", "automation", T + MINUTE)
    assert act.agent_why.endswith("it was silenced before it fired")
    renewed = silence(T + 5 * MINUTE, id="s2")
    assert watcher.look(T + 6 * MINUTE, [renewed], [alert(starts_at=T + MINUTE, silenced_by=["s2"])]) == []


def test_a_lineage_is_one_act() -> None:
    """A silence that is renewed by a program, under its id or a new one, or whose creator changes, is not made anew."""
    watcher, fires = Watcher(), alert(silenced_by=["s1", "s2", "s3"])
    assert kinds(watcher.look(T, [silence()], [fires])) == ["acknowledged person"]
    for minutes, each in (
        (1, silence(minutes=600)),
        (2, silence(creator="ines")),
        (8, silence(T + 7 * MINUTE, id="s2")),
        (20, silence(T + 19 * MINUTE, id="s3")),
        (30, silence(T + 7 * MINUTE, id="s2", creator="somebody else")),
    ):
        assert watcher.look(T + minutes * MINUTE, [each], [fires]) == []


def test_another_silence_is_another_act() -> None:
    """By another person, or with other matchers, each is an act of its own."""
    watcher, fires = Watcher(), alert(silenced_by=["s1", "s2", "s3"])
    assert len(watcher.look(T, [silence()], [fires])) == 1
    others = [silence(id="s2", creator="ines"), silence(id="s3", value="d.", minutes=120)]
    assert kinds(watcher.look(T + 15, others, [fires])) == ["acknowledged person", "silenced person"]


def test_a_later_silence_of_the_same_form_is_a_new_lineage() -> None:
    """When the first has ended for a while and the alert fired again, the person has acted again."""
    watcher = Watcher()
    assert len(watcher.look(T, [silence()], [alert(silenced_by=["s1"])])) == 1
    watcher.look(T + 60 * MINUTE)
    again = silence(T + 70 * MINUTE, id="s9")
    fires = alert(starts_at=T + 65 * MINUTE, silenced_by=["s9"])
    assert kinds(watcher.look(T + 71 * MINUTE, [again], [fires])) == ["acknowledged person"]


def test_our_own_silences_are_nobodys_act() -> None:
    """No act on what fires; but what fires into one, such as an alert with one more label, was shown to nobody."""
    own = silence(creator="noisegate")
    assert Watcher().look(T, [own], [alert(silenced_by=["s1"])]) == []
    assert kinds(Watcher().look(T + 90, [own], [alert(starts_at=T + 60, silenced_by=["s1"])])) == ["muted automation"]


def test_silences_that_do_not_suppress_now() -> None:
    """One that is over or yet to come is no act; one made ahead is dated when it was made."""
    assert Watcher().look(T, [silence(active=False)], [alert()]) == []
    ahead = msgspec.structs.replace(silence(T + 60), updated_at=T - 10 * MINUTE)
    assert Watcher().look(T + 90, [ahead], [alert(silenced_by=["s1"])]) == []


def test_quiet_receivers() -> None:
    """What is routed to quiet receivers only is muted; to one more, it is not; and nothing follows from no receiver."""
    assert kinds(Watcher().look(T, [], [alert(receivers=["null"])])) == ["muted automation"]
    assert kinds(Watcher().look(T, [], [alert(receivers=["null", "log"])])) == ["muted automation"]
    assert Watcher().look(T, [], [alert(receivers=["null", "slack"])]) == []
    assert Watcher().look(T, [], [alert(receivers=[])]) == []


def test_inhibited_alerts() -> None:
    """Muted when inhibited from the first; not when it may have been shown before the first look, or was shown."""
    assert kinds(Watcher(T - 60 * MINUTE).look(T, [], [alert(inhibited=True)])) == ["muted automation"]
    assert Watcher(T - MINUTE).look(T, [], [alert(inhibited=True)]) == []
    watcher = Watcher()
    assert watcher.look(T, [], [alert()]) == []
    assert watcher.look(T + 15, [], [alert(inhibited=True)]) == []


def test_the_first_decision_counts() -> None:
    """What Alertmanager has not decided yet is looked at again."""
    watcher = Watcher()
    assert watcher.look(T, [], [alert(processed=False)]) == []
    assert kinds(watcher.look(T + 15, [], [alert(inhibited=True)])) == ["muted automation"]


def test_acts_wait_until_the_alert_is_open_with_us() -> None:
    """An act on an alert that nobody raised would be lost."""
    watcher, fires = Watcher(), alert(silenced_by=["s1"], receivers=["null"])
    assert watcher.look(T, [silence()], [fires], known=[]) == []
    assert kinds(watcher.look(T + 15, [silence()], [fires])) == ["muted automation", "acknowledged person"]
    assert watcher.look(T + 30, [silence()], [fires]) == []


def test_what_is_gone_has_ended() -> None:
    """Open with us and at no Alertmanager for five minutes: it ended when it was first missing, once."""
    watcher, known = Watcher(), opened(alert())
    watcher.look(T, [], [alert()])
    assert watcher.look(T + 15, known=known) == []
    assert watcher.look(T + 300, known=known) == []
    (act,) = watcher.look(T + 315, known=known)
    assert (act.kind, act.agent, act.at) == ("ended", "automation", T + 15)
    assert watcher.look(T + 330, known=known) == []
    assert watcher.look(T + 345) == []
    assert watcher.state.alerts == {}


def test_a_restarted_alertmanager_ends_nothing() -> None:
    """Alerts that are back within the time have not ended; nor is anything gone while one does not answer."""
    watcher, known = Watcher(), opened(alert())
    watcher.look(T, known=known)
    watcher.look(T + 60, [], [alert()])
    assert watcher.look(T + 310, known=known) == []
    watcher = Watcher()
    for seconds in range(0, 900, 15):
        assert watcher.look(T + seconds, known=known, complete=False) == []


def test_what_fires_again_is_another_alert() -> None:
    """Between two looks it ended and fired again, into the silence: the new firing is muted."""
    watcher = Watcher()
    watcher.look(T, [silence()], [alert(silenced_by=["s1"])])
    again = alert(starts_at=T + 10, silenced_by=["s1"])
    assert kinds(watcher.look(T + 15, [silence()], [again])) == ["muted automation"]


def test_two_alertmanagers_are_one() -> None:
    """What both have counts once; what one notifies of is shown; both must answer."""
    one = Snapshot(at=T, silences=[silence()], alerts=[alert(inhibited=True, silenced_by=["s1"])])
    other = Snapshot(at=T + 1, silences=[silence()], alerts=[alert()])
    both = merge([one, other])
    assert (both.at, len(both.silences), both.complete) == (T + 1, 1, True)
    assert not merge([one, msgspec.structs.replace(other, complete=False)]).complete
    assert not merge([]).complete
    changed = msgspec.structs.replace(silence(creator="ines"), updated_at=T + 1)
    for order in ([one, Snapshot(at=T, silences=[changed])], [Snapshot(at=T, silences=[changed]), one]):
        assert merge(order).silences == [changed]
    _, acts = watch(WatchState(since=0.0), both, opened(alert()), OPTIONS, AGENTS)
    assert kinds(acts) == ["acknowledged person"]


def test_labels_that_do_not_tell_alerts_apart() -> None:
    """With an identity that leaves a label out, replicas are one alert."""
    replicas = [alert({**DB, "replica": name}, silenced_by=["s1"]) for name in "ab"]
    snapshot = Snapshot(at=T, silences=[silence()], alerts=replicas)
    known = [Firing({**DB, "replica": "a"}, T - 5 * MINUTE)]
    _, acts = watch(
        WatchState(), snapshot, known, OPTIONS, AGENTS,
        identity=lambda labels: identify({name: text for name, text in labels.items() if name != "replica"}),
    )  # fmt: skip
    assert kinds(acts) == ["acknowledged person"]


SILENCES = st.lists(
    st.builds(
        silence,
        made_at=st.integers(0, 40).map(lambda step: T + step * MINUTE),
        minutes=st.sampled_from([10.0, 59.0, 61.0]),
        creator=st.sampled_from(["kim", "ines", "noisegate", "deploy-bot", ""]),
        value=st.sampled_from(["db", "web"]),
        id=st.sampled_from(["s1", "s2", "s3"]),
        active=st.booleans(),
    ),
    max_size=3,
)
ALERTS = st.lists(
    st.builds(
        alert,
        labels=st.sampled_from([DB, WEB]),
        starts_at=st.integers(-5, 40).map(lambda step: T + step * MINUTE),
        silenced_by=st.lists(st.sampled_from(["s1", "s2", "s3"]), max_size=2),
        inhibited=st.booleans(),
        receivers=st.lists(st.sampled_from(["slack", "null"]), max_size=2),
        processed=st.booleans(),
    ),
    max_size=3,
)
KNOWN = st.lists(st.builds(Firing, st.sampled_from([DB, WEB]), st.sampled_from([T, T + 20 * MINUTE])), max_size=2)


@pytest.mark.slow
@settings(max_examples=3 * settings().max_examples, deadline=None)
@given(st.lists(st.tuples(SILENCES, ALERTS, KNOWN, st.booleans()), max_size=8))
def test_laws_of_any_history(looks: list[tuple[list[Silence], list[AlertState], list[Firing], bool]]) -> None:
    """Whatever comes: acts are on what is open, not before it; a second look finds nothing new; no act of our own.

    What is remembered is bounded by what there is, and JSON holds it.
    """
    watcher = Watcher()
    for number, (silences, alerts, known, complete) in enumerate(looks):
        at = T + number * 7 * MINUTE
        acts = watcher.look(at, silences, alerts, known, complete)
        firings = {identify(each.labels): each for each in known}
        firing = {identify(each.labels) for each in alerts}
        for act in acts:
            assert isinstance(act.subject, Firing)
            assert act.subject in firings.values()
            assert act.at >= act.subject.starts_at
            assert act.actor != "noisegate"
            if act.kind == "ended":
                assert complete
                assert identify(act.subject.labels) not in firing
        assert len(
            {(identify(act.subject.labels), act.action_id) for act in acts if isinstance(act.subject, Firing)}
        ) == len(acts)
        assert watcher.look(at, silences, alerts, known, complete) == []
        assert set(watcher.state.alerts) == firing | set(firings)


def test_bodies_of_the_api() -> None:
    """Silences and alerts as Alertmanager writes them; what can't be used is passed over, and the rest is not."""
    good = {
        "id": "s1", "createdBy": " kim ", "comment": "on it", "status": {"state": "active"},
        "matchers": [{"name": "job", "value": "db", "isRegex": False}],
        "startsAt": "2026-11-25T09:46:40.123456789Z", "endsAt": "2026-11-25T11:16:40+01:00",
        "updatedAt": "2026-11-25T09:46:40Z",
    }  # fmt: skip
    bad = [7, {}, {**good, "startsAt": "soon"}, {**good, "matchers": []}, {**good, "status": None}]
    (found,) = read_silences(msgspec.json.encode([*bad, good]))
    assert (found.id, found.creator, found.active, found.made_at) == ("s1", "kim", True, T)
    assert found.matchers == (Matcher("job", "db"),)
    assert found.ends_at - found.made_at == 30 * MINUTE
    firing = {
        "labels": DB, "annotations": {}, "startsAt": "2026-11-25T09:41:40Z", "endsAt": "2026-11-25T09:51:40Z",
        "fingerprint": "x", "receivers": [{"name": "slack"}],
        "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": None},
    }  # fmt: skip
    (alone,) = read_alerts(msgspec.json.encode([{}, {**firing, "labels": {"a": 1}}, firing]))
    assert alone == alert(silenced_by=["s1"])


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"<html>", b"[", b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_list(body: bytes) -> None:
    """Another server answered: one sentence says so."""
    for read in (read_silences, read_alerts):
        with pytest.raises(BadState, match="Alertmanager"):
            read(body)


@settings(deadline=None)
@given(st.binary(max_size=60) | st.from_regex(rb'\[\{"id":.{0,30}\}\]', fullmatch=True))
def test_hostile_bodies(body: bytes) -> None:
    """Whatever answers, nothing but BadState is raised."""
    for read in (read_silences, read_alerts):
        with suppress(BadState):
            assert read(body) == []
