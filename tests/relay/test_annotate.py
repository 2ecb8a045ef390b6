"""From scores to annotations."""

from datetime import UTC, datetime
from typing import Any

import pytest

from stream.core.records import Enriched, Score, Why, Whys
from stream.relay.annotate import Scores, annotations_of
from tests.relay.records import enriched

PAGE = "https://noisegate.example/alerts/{team}/{alert_id}"


def test_a_scored_alert_gets_probability_and_words() -> None:
    """The probability with two decimals, and the history behind it in core's words; no address where none is set."""
    assert annotations_of(enriched(probability=0.0712)) == {
        "noisegate_probability": "0.07",
        "noisegate_why": "acted on 1 of the last 42 like this",
    }


def test_the_address_is_filled_in_and_escaped() -> None:
    """Team and id may hold anything; the address stays one."""
    found = annotations_of(enriched(alert_id="a/b", team="web & shop"), PAGE)
    assert found["noisegate_url"] == "https://noisegate.example/alerts/web%20%26%20shop/a%2Fb"


@pytest.mark.parametrize("reason", ["no_model", "model_failed", "history_unavailable"])
def test_without_a_score_nothing_is_added(reason: Any) -> None:
    """An alert without a probability stays as it is."""
    record = enriched()
    score = Score(probability=None, band="unscored", model=None, evidence="none", reason=reason)
    assert annotations_of(Enriched(record.alert, score, None, [], record.scored_at, record.offset)) == {}


def test_without_evidence_there_are_words_in_the_place_of_a_number() -> None:
    """A probability that rests on nothing is not shown to people."""
    assert annotations_of(enriched(evidence="none")) == {"noisegate_why": "not enough history"}


def test_a_model_of_simulated_alerts_says_so() -> None:
    """Who tries the shipped model on real alerts is not led to trust it."""
    found = annotations_of(enriched(flags=["simulated"]))
    assert found["noisegate_why"].endswith("; this model learnt from simulated alerts")


def test_the_first_score_stands_and_memory_is_bounded() -> None:
    """A second record of an alert changes nothing, an unscored one is none, and the oldest go first."""
    scores = Scores(2)
    assert scores.add("a", {"k": "1"})
    assert not scores.add("a", {"k": "2"})
    assert not scores.add("b", {})
    assert scores.add("b", {"k": "3"})
    assert scores.add("c", {"k": "4"})
    assert [scores.get(one) for one in ("a", "b", "c")] == [{}, {"k": "3"}, {"k": "4"}]


def test_a_new_rule_s_words_speak_of_the_team() -> None:
    """Where team and rule have no history the words say so."""
    record = enriched()
    team = Why(50, 5, [0], datetime(2026, 3, 1, tzinfo=UTC))
    record = Enriched(record.alert, record.score, Whys(Why(0, 0, [], None), team), [], record.scored_at, record.offset)
    assert annotations_of(record)["noisegate_why"] == "new here; the team acted on 5 of its last 50"
