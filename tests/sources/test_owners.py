"""Which team owns an alert, and which labels change at every firing."""

import pytest

from stream.sources.label_churn import LabelChurn
from stream.sources.options import SourceOptions
from stream.sources.owners import Owner, OwnerFinder
from stream.sources.parsed import Description
from tests.sources.sender import Sender, alert, at, group


def find(options: SourceOptions, *owners: tuple[str, str]) -> Owner:
    """The owner of an alert with these candidates."""
    return OwnerFinder(options).find(Description(at=0.0, owners=owners))


def test_the_first_place_that_names_a_team_decides() -> None:
    """In the order of the options where they name places, else in the reader's."""
    owners = (("service", "checkout"), ("team", "payments"))
    assert find(SourceOptions(), *owners) == ("checkout", "service", False)
    assert find(SourceOptions(team=("team", "service")), *owners) == ("payments", "team", False)
    assert find(SourceOptions(team=("policy",)), *owners)[0] == "unowned"


def test_a_table_maps_the_values_of_its_place_and_only_those_count() -> None:
    """The value itself goes before patterns; what the table does not name is passed over, and said."""
    table = {"service": {"checkout": "payments", "search-*": "search"}}
    options = SourceOptions(teams=table, default_team="nobody")
    assert find(options, ("service", "checkout")) == ("payments", "service = 'checkout' by the table teams", False)
    assert find(options, ("service", "search-eu"))[0] == "search"
    owner = find(options, ("service", "billing"))
    assert (owner.team, owner.is_default) == ("nobody", True)
    assert "'billing', which the table teams does not name" in owner.why
    assert find(options, ("service", "billing"), ("team", "dba"))[0] == "dba"


def test_nothing_at_all_is_the_default() -> None:
    """A body that does not describe its alert names no owner."""
    assert OwnerFinder(SourceOptions()).find(None).is_default


def test_a_label_that_changes_at_every_firing_is_named_once() -> None:
    """A counter makes each firing an alert of its own; the note says which label, and what to do."""
    sender, notes = Sender(), []
    for number in range(30):
        found = sender.post("alertmanager", group(alert(labels={"count": str(number), "env": "prod"})))
        notes += found.notes
    assert len(notes) == 1
    assert "label 'count' has a new value at each firing of rule 'DiskFull'" in notes[0]
    assert "identity_ignore" in notes[0]


@pytest.mark.slow
def test_a_storm_in_one_post_is_no_change_in_time() -> None:
    """Three hundred pods at once, and again later, say nothing of a label that changes."""
    sender = Sender()
    storm = [alert(labels={"pod": f"api-{number}"}) for number in range(300)]
    for starts in ("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"):
        found = sender.post("alertmanager", group(*storm), now=at(starts))
        assert found.notes == []


def test_a_label_that_repeats_is_not_named() -> None:
    """Values that come back, however many there are."""
    churn = LabelChurn(firings=5)
    assert [churn.watch("r", "e", {"zone": str(number % 4)}) for number in range(50)] == [None] * 50


@pytest.mark.slow
def test_what_is_watched_is_bounded() -> None:
    """A sender with ever new rules and labels takes no more memory than the limit."""
    churn = LabelChurn(entries=10)
    for number in range(1_000):
        churn.watch(f"r{number}", "e", {f"l{label}": "v" for label in range(500)})
    assert len(churn._watched) == 10
    assert max(len(labels) for labels in churn._watched.values()) == 64
