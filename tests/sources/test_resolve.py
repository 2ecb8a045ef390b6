"""What a body says, to events: alerts that their source names itself, acts, and what is refused."""

import msgspec

from stream.core.events import Acted, Raised, seconds
from stream.sources.decisions import Resolution
from stream.sources.firing_store import FiringStore, MemoryFiringStore
from stream.sources.options import SourceOptions
from stream.sources.parsed import Act, Description, Firing, Named, Parsed, Raise
from stream.sources.resolve import Resolver
from tests.sources.sender import NOON, Sender, acted, alert, duplicates, group, raised
from tests.sources.test_firings import AwayStore

ALERT = Description(at=NOON - 600, owners=(("team", "payments"),), rule="disk", entity="db-7")
SEARCH = Description(at=NOON - 60, owners=(("team", "search"),), rule="disk", entity="db-7")
INCIDENT = Named("INC1")


def act(kind: str = "acknowledged", at: float = NOON, alert: Description | None = None, **more: str) -> Act:
    """An act on the incident."""
    return Act(subject=INCIDENT, at=at, kind=kind, alert=alert, **more)  # type: ignore[arg-type]  # texts only


def resolve(*items: Raise | Act, store: FiringStore | None = None) -> Resolution:
    """What becomes of a body with these items, acknowledged by the broker where there is memory."""
    resolver = Resolver("pagerduty", SourceOptions(), store or MemoryFiringStore(), lambda actor: f"p-{len(actor)}")
    found = resolver.resolve(Parsed(list(items)), NOON)
    if not found.fallbacks:
        resolver.confirm(found, NOON)
    return found


def test_an_alert_that_its_source_names_keeps_its_id_and_first_owner() -> None:
    """A second raise is known; an act that carries another team, or none, goes to the first."""
    store = MemoryFiringStore()
    (first,) = raised(resolve(Raise(INCIDENT, ALERT), store=store))
    assert (first.alert_id, first.team, first.source) == ("INC1", "payments", "pagerduty")
    assert duplicates(resolve(Raise(INCIDENT, SEARCH), store=store)) == 1
    for item in (act(alert=SEARCH), act()):
        found = resolve(item, store=store)
        assert [one.team for one in acted(found)] == ["payments"]
        assert raised(found) == []
        assert found.decisions[-1].team_why == "the owner of its first event"


def test_an_act_that_comes_before_its_alert_raises_it() -> None:
    """Another queue was faster: the body of the act describes the alert; the raise that follows is known."""
    store = MemoryFiringStore()
    found = resolve(act("resolved", alert=ALERT), store=store)
    assert [type(one.event) for one in found.decisions] == [Raised, Acted]
    assert seconds(raised(found)[0].at) == ALERT.at
    assert duplicates(resolve(Raise(INCIDENT, ALERT), store=store)) == 1


def test_an_act_on_nothing_is_refused_without_naming_the_person() -> None:
    """Not known and not described; what is kept for people to look at holds no actor."""
    found = resolve(act(actor="anna@example.net"))
    (refused,) = found.refused
    assert (refused.reason, found.decisions, b"anna" in refused.value) == ("unknown_alert", [], False)
    assert "INC1" in refused.detail


def test_without_memory_an_act_needs_a_description_to_find_its_team() -> None:
    """Guessing a team would send the act into another team's history."""
    found = resolve(act(alert=ALERT), act(), store=AwayStore())
    assert [one.team for one in acted(found)] == ["payments"]
    assert [refused.reason for refused in found.refused] == ["unknown_alert"]
    assert found.fallbacks == 2


def test_acts_have_ids_of_their_own_by_which_a_repeat_is_known() -> None:
    """Of kind, time and person where the source gives none; its own where it does."""
    found = resolve(
        Raise(INCIDENT, ALERT), act(), act(), act(at=NOON - 1), act("worked"), act(actor="a"), act(action_id="E1")
    )
    ids = [one.action_id for one in acted(found)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5
    assert ids[-1] == "E1"
    assert [one.actor for one in acted(found)][-2] == "p-1"


def test_an_id_that_is_too_long_is_refused_and_not_remembered() -> None:
    """Nor does it become a key in Redis."""
    store = MemoryFiringStore()
    found = resolve(Raise(Named("x" * 300), ALERT), store=store)
    assert [refused.reason for refused in found.refused] == ["bad_field"]
    assert store.values == {}


def test_an_event_that_a_scorer_would_refuse_is_refused_here() -> None:
    """A reader's slip, such as an over-long severity or a kind that names its agent, goes to alerts.failed with why."""
    long = msgspec.structs.replace(ALERT, severity="s" * 300)
    found = resolve(Raise(INCIDENT, long), act("worked@person", alert=ALERT))
    assert [refused.reason for refused in found.refused] == ["bad_field", "bad_field"]


def test_acts_on_a_firing_find_it_by_its_labels() -> None:
    """An acknowledgement, a mute: on the open firing, else on what ended last, whatever start they carry."""
    store = MemoryFiringStore()
    labels = {"host": "db-7"}
    (event,) = raised(resolve(Raise(Firing(labels, NOON - 600), ALERT), store=store))
    for kind in ("acknowledged", "muted", "ended", "commented"):
        found = resolve(Act(subject=Firing(labels, NOON - 5), at=NOON - 5, kind=kind), store=store)
        assert [(one.kind, one.alert_id, one.team) for one in acted(found)] == [(kind, event.alert_id, "payments")]


def test_of_a_thousand_labels_the_same_ones_count_in_any_order() -> None:
    """More than are read at all: the identity does not depend on how the sender orders them."""
    labels = {f"l{number}": "v" for number in range(1_500)}
    reversed_ = dict(reversed(labels.items()))
    ids = {raised(Sender().post("alertmanager", group(alert(labels=one))))[0].alert_id for one in (labels, reversed_)}
    assert len(ids) == 1
