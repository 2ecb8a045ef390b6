"""Readers take each alert once, however often it comes."""

from hypothesis import given
from hypothesis import strategies as st

from stream.core.events import Raised, moment
from stream.core.once import Once
from stream.core.records import Decision, DecisionName, Enriched, Outcome, Score
from tests.core.logs import LAW

NOW = moment(1e9)


def enriched(alert_id: str = "a", team: str = "pay", probability: float | None = 0.5) -> Enriched:
    """A scored record, or an unscored one."""
    alert = Raised(NOW, alert_id, team, "disk", "db")
    return Enriched(alert, Score(probability, "unsure", None, "none"), None, [], NOW, "t/0/1")


def outcome(by: str = "worked") -> Outcome:
    """An outcome record."""
    return Outcome("a", "pay", "r", "e", NOW, "unknown", NOW, by, "p@1", None, {}, "none", None, [])


def decision(said: DecisionName = "pause", by_rule: str | None = "night", alert_id: str = "a") -> Decision:
    """A decision record."""
    return Decision(
        alert_id=alert_id, team="pay", rule="r", entity="e", episode=None, raised_at=NOW, decision=said,
        by_rule=by_rule, rule_version="1", mode="pause", probability=0.1, model="m", p_act=0.5, until=NOW, proof=None,
        why="", decided_at=NOW,
    )  # fmt: skip


def test_a_decision_is_taken_once_for_each_rule_and_what_it_decides() -> None:
    """The same decision of a rule about an alert comes again; another rule's, another one, another alert's do not."""
    once = Once()
    ones = [decision(), decision("release"), decision(by_rule="day"), decision("none", None), decision(alert_id="b")]
    assert [once.takes_decision(one) for one in (*ones, *ones)] == [True] * 5 + [False] * 5


def test_among_scored_records_the_first_stands() -> None:
    """A second scored record, and an unscored one after it, are not taken."""
    once = Once()
    assert [once.takes(enriched(probability=p)) for p in (0.1, 0.2, None)] == [True, False, False]


def test_a_scored_record_replaces_an_unscored_one() -> None:
    """The first unscored record is taken, a second is not, the scored one is."""
    once = Once()
    assert [once.takes(enriched(probability=p)) for p in (None, None, 0.0, 0.1)] == [True, False, True, False]


def test_an_alert_id_belongs_to_its_team() -> None:
    """The same id of another team is another alert."""
    once = Once()
    assert once.takes(enriched())
    assert once.takes(enriched(team="ops"))
    assert not once.takes(enriched(team="ops"))


def test_a_correction_replaces_an_outcome() -> None:
    """A published-again outcome is not taken, a correction is, once, and nothing after it."""
    once = Once()
    told = [once.takes_outcome(outcome(by)) for by in ("closed_by_rule", "closed_by_rule", "correction", "correction")]
    assert told == [True, False, True, False]
    assert not once.takes_outcome(outcome("closed_by_rule"))


def test_only_the_newest_alerts_are_remembered() -> None:
    """With room for two, the third alert drives out the first, whose record then counts as new."""
    once = Once(2)
    assert all(once.takes(enriched(alert_id)) for alert_id in "abc")
    assert not once.takes(enriched("c"))
    assert not once.takes(enriched("b"))
    assert once.takes(enriched("a"))


@LAW
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, 0.1, 0.9])), max_size=20), st.data())
def test_repeats_change_nothing(records: list[tuple[str, float | None]], data: st.DataObject) -> None:
    """Whatever part of a stream comes again, what a reader ends with is the first scored record of each alert."""
    start = data.draw(st.integers(0, len(records)))
    once, kept = Once(), {}
    for alert_id, probability in [*records, *records[start:]]:
        if once.takes(enriched(alert_id, probability=probability)):
            kept[alert_id] = probability
    for alert_id in {alert_id for alert_id, _ in records}:
        scored = [p for known, p in records if known == alert_id and p is not None]
        assert kept[alert_id] == (scored[0] if scored else None)
