"""Priors are learnt from what was known before each alert, and shipped as known at the split."""

from datetime import timedelta

import numpy as np
import pytest

from stream.core.errors import LabError
from stream.core.events import Event, Raised
from stream.core.frame import prior_values
from stream.core.titles import tokens_of
from stream.lab.priors import LABEL_KEYS, LEAST_OUTCOMES, VALUES, choose_keys, learn
from stream.lab.replaying import Replayed, replay
from stream.lab.split import split_at_share
from tests.lab.logs import START, acted, lines, raised, small_log, small_problem


def known_before(small: Replayed, index: int) -> list[int]:
    """Alerts whose outcome stands before the raise in the sequence."""
    place = int(np.flatnonzero(small.sequence == index)[0])
    return [~step for step in small.sequence[:place].tolist() if step < 0]


def test_each_alert_has_the_rates_known_before_it(small: Replayed) -> None:
    """Every tenth alert of the window, against the definition written out."""
    split = split_at_share(small, 0.6)
    learnt = learn(small, ["rule", "label.env"], split.step, split.alert)
    for index in range(0, split.alert, 10):
        known = known_before(small, index)
        overall = (sum(int(small.outcome[i]) for i in known) + 1) / (len(known) + 2)
        assert learnt.global_rates[index] == pytest.approx(overall)
        for key in ("rule", "label.env"):
            values = prior_values(key, small.alerts)
            same = [int(small.outcome[i]) for i in known if values[i] == values[index]]
            rate = (sum(same) + 10 * overall) / (len(same) + 10) if len(same) >= LEAST_OUTCOMES else overall
            assert learnt.encoded[key][index] == pytest.approx(rate)


def test_what_is_shipped_was_known_at_the_split(small: Replayed) -> None:
    """The tables hold the rates at the first raise after the split; encoding a new alert with them gives just these."""
    split = split_at_share(small, 0.6)
    learnt = learn(small, ["rule"], split.step, split.alert)
    longer = learn(small, ["rule"], split.step + 1, split.alert + 1)  # one alert further: as known before it
    first = small.alerts[split.alert]
    assert learnt.priors.encode([first])["rule"][0] == longer.encoded["rule"][-1]
    assert learnt.priors.global_rate == longer.global_rates[-1]


@pytest.mark.slow
def test_rare_values_have_no_rate_and_tables_have_an_end() -> None:
    """A value with fewer than five outcomes is left out; of very many, those with the most outcomes stay."""
    events: list[Event] = []
    for number in range(VALUES + 10):
        for again in range(LEAST_OUTCOMES + (number < 10) - (number == 20)):
            at = START + timedelta(minutes=number * 10 + again)
            identity = number * 10 + again
            events += [raised(identity, at, rule=f"rule-{number:05d}"), acted(identity, at + timedelta(seconds=1))]
    replayed = replay(lines(events), small_problem())
    table = learn(replayed, ["rule"], len(replayed.sequence), len(replayed.alerts)).priors.tables["rule"]
    assert len(table) == VALUES
    assert {f"rule-{number:05d}" for number in range(10)} < set(table)
    assert "rule-00020" not in table


def test_keys_are_what_varies_and_is_common() -> None:
    """Labels on at least one alert in a hundred, at most sixteen; a key with one value only is none."""
    alerts = []
    for number in range(300):
        labels = {f"common-{i:02d}": str(number % 2) for i in range(LABEL_KEYS + 4)}
        labels["constant"] = "x"
        labels |= {"rare": str(number)} if number < 2 else {}
        alerts.append(raised(number, START, **labels))
    keys = choose_keys(alerts)
    assert keys == ["rule", "entity", *(f"label.common-{i:02d}" for i in range(LABEL_KEYS))]


def test_excluded_alerts_teach_nothing() -> None:
    """An outcome of a visibility-only alert moves no rate."""
    plain = small_log(300)
    reports = [
        event
        for number in range(20)
        for event in (
            raised(10_000 + number, START + timedelta(hours=number), rule="report/daily", team="team-9"),
            acted(10_000 + number, START + timedelta(hours=number, minutes=1), team="team-9"),
        )
    ]
    both = sorted([*plain, *reports], key=lambda event: event.at)
    tables = []
    for events in (plain, both):
        replayed = replay(lines(events), small_problem())
        tables.append(learn(replayed, ["rule", "entity"], len(replayed.sequence), len(replayed.alerts)).priors)
    assert tables[0] == tables[1]


def titled(count: int = 400) -> Replayed:
    """Alerts of one team and rule whose titles tell them apart: those that say `disk` are acted on."""
    events: list[Event] = []
    for number in range(count):
        at = START + timedelta(minutes=10 * number)
        word = "disk" if number % 3 == 0 else "cpu"
        events.append(Raised(at, f"a{number}", "team-0", "rule-0", "host", title=f"{word} {number}% on host-{number}"))
        kind = "worked" if word == "disk" else "dismissed"
        events.append(acted(number, at + timedelta(minutes=1), kind=kind))
    return replay(lines(events), small_problem())


def test_words_of_titles_have_rates_as_known_before_each_alert() -> None:
    """A token counts from its fifth outcome on; at the end the table holds hashes and their rates, and no word."""
    replayed = titled()
    keys = choose_keys(replayed.alerts, titles=True)
    assert keys == ["rule", "title"]
    learnt = learn(replayed, keys, len(replayed.sequence), len(replayed.alerts))
    highest = learnt.encoded["title_high"]
    assert highest[0] == learnt.global_rates[0]
    disk, cpu = (learnt.priors.tables["title"][token] for token in (tokens_of("disk")[0], tokens_of("cpu")[0]))
    assert disk > 0.9
    assert cpu < 0.05
    assert highest[399] == pytest.approx(disk, abs=0.01)
    assert highest[398] < 0.5
    assert "disk" not in str(learnt.priors)
    shipped = learnt.priors.encode([replayed.alerts[399]])
    assert shipped["title_high"][0] == disk


def test_keys_that_are_asked_for_must_be_there(small: Replayed) -> None:
    """A rare label is taken on request; one that no alert has is told, and so are titles where there are none."""
    assert choose_keys(small.alerts, also=["label.env", "rule"]) == choose_keys(small.alerts)
    with pytest.raises(LabError, match=r"has the label of 'label.region'; it has: env"):
        choose_keys(small.alerts, also=["label.region"])
    with pytest.raises(LabError, match="has a title; train without --titles"):
        choose_keys(small.alerts, titles=True)
    rare = [Raised(START, f"r{n}", "t", "r", "e", labels={"site": "x"} if n == 7 else {}) for n in range(200)]
    assert choose_keys(rare) == ["rule"]
    assert choose_keys(rare, also=["label.site"]) == ["rule", "label.site"]
