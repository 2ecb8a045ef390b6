"""The catalogues of metrics: names, labels, and what the /metrics of one process shows."""

import re
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics.catalogue import Catalogue, Entry, Label, counter, entries, gauge
from stream.metrics.lane import LaneMetrics
from stream.metrics.scorer import UNWATCHED, DriftMetrics, QualityMetrics, ScorerMetrics
from stream.models.reference import FAULTS

CATALOGUES: list[type[Catalogue]] = [LaneMetrics, ScorerMetrics, DriftMetrics, QualityMetrics]
ENTRIES = [entry for catalogue in CATALOGUES for entry in entries(catalogue)]
by_name = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def shown_by(catalogue: Catalogue) -> dict[str, str]:
    """Help texts on a /metrics page by the family's name."""
    page = generate_latest(catalogue.registry).decode()
    return {family.name: family.documentation for family in text_string_to_metric_families(page)}


@by_name
def test_an_entry_has_form(entry: Entry[Any]) -> None:
    """Snake case without prefix or `_total`, a meaning without a full stop, and a topic beside every partition."""
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", entry.name)
    assert not entry.name.endswith("_total")
    assert entry.meaning[0].isupper() or entry.meaning[0].isdigit()
    assert not entry.meaning.endswith(".")
    names = [label.name for label in entry.labels]
    assert ("partition" in names) == ("topic" in names)


def test_no_name_stands_twice() -> None:
    """The lane and a room share one registry, so their names may not meet."""
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names)) > 50


def test_a_scorer_shows_its_own_and_the_lanes() -> None:
    """Every entry is a family of the page, and its help text is the entry's meaning."""
    assert shown_by(ScorerMetrics()) == {f"noisegate_{entry.name}": entry.meaning for entry in ENTRIES}


def test_a_lane_alone_shows_nothing_of_a_room() -> None:
    """Another room's process has the lane's metrics and not the scorer's."""
    assert set(shown_by(LaneMetrics())) == {f"noisegate_{entry.name}" for entry in entries(LaneMetrics)}


def test_known_values_begin_at_zero() -> None:
    """A counter with one label of known values has all its series from the start, others none."""

    class Two(Catalogue):
        """Two counters and a gauge."""

        doors = counter("doors", "Doors opened", Label("side", ("left", "right")))
        rooms = counter("rooms", "Rooms entered", Label("name"))
        light = gauge("light", "1 while it is on")

    two = Two()
    assert [sample.labels for sample in next(iter(two.doors.collect())).samples] == [
        {"side": "left"},
        {"side": "right"},
    ]
    assert not next(iter(two.rooms.collect())).samples
    two.light.set(1)
    assert two.registry.get_sample_value("noisegate_light") == 1
    assert Two.doors.exposed == "noisegate_doors_total"


def test_values_are_those_that_the_code_uses() -> None:
    """The catalogue spells out what another module decides; both agree."""
    assert UNWATCHED.values == FAULTS
