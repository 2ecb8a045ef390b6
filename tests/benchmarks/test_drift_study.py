"""The study of false alarms evaluates the product's own rule, on the windows it says."""

from typing import cast

import numpy as np
import pytest

from benchmarks.drift_rules import alarms, evaluate, first_ring
from benchmarks.drift_world import Trained, Watched, sums, thinned
from stream.core import drift
from stream.core.features import table
from stream.core.frame import Array, Matrix
from stream.lab.learning.fit import Fitted
from stream.lab.priors import Learnt
from stream.lab.reference import spread
from stream.models.reference import Reference, Spread
from stream.simulation import simulate

RNG = np.random.default_rng(3)
HOURS, EACH = 30 * 24, 20
NAME = "team.open"


def hours_of(hours: int) -> Array:
    """`EACH` alerts an hour, from a week before the start on."""
    return np.repeat(np.arange(-168, hours), EACH).astype(np.float64)


def trained(design_effect: float = 1.0) -> Trained:
    """A reference of one feature and the score; the study's rules look at nothing else."""
    made: Spread = spread(RNG.random(10_000))
    made = Spread(made.edges, made.shares, made.missing, design_effect, design_effect)
    nothing = cast(Learnt, None), cast(Fitted, None)
    return Trained(*nothing, [table([], [])[NAME]], Reference(10_000, 0.5, made, {NAME: made}))


def watched(values: Array) -> Watched:
    """The feature has the values, and so has the score."""
    matrix: Matrix = values.astype(np.float32)[:, None]
    return Watched(hours_of(HOURS), matrix, values)


def test_sums_are_those_of_the_window() -> None:
    """Each hour's window holds the alerts of just so many hours up to its end; later ones are left out."""
    hour = hours_of(40)
    counts = sums(np.zeros(len(hour)), hour, [0.5], 30, 24)
    assert counts.tolist() == [[24.0 * EACH, 0.0, 0.0]] * 30


@pytest.mark.parametrize("design_effect", [1.0, 3.0])
def test_the_rule_is_the_products(design_effect: float) -> None:
    """Row by row, the study's verdict is that of `drift.is_significant`, for many rows and few."""
    model = trained(design_effect)
    spreads = model.reference.features[NAME]
    counts = np.array([RNG.multinomial(n, RNG.dirichlet(np.full(11, 3.0))) for n in RNG.integers(1, 900, 300)], float)
    found = evaluate(counts, spreads, model, "24h")["ours"]
    verdicts = []
    for row in counts:
        index = drift.psi(row, [*spreads.shares, spreads.missing], 10_000)
        threshold = drift.chance_threshold(row.sum(), 10_000, 11, 2, design_effect)
        verdicts.append(drift.is_significant(index, threshold, row.sum()))
    assert found.tolist() == verdicts
    assert 0 < sum(verdicts) < 300


def test_what_stands_still_is_quiet_and_what_breaks_rings() -> None:
    """A month of the same spread rings at most once; a feature that is lost rings in hours, and not before."""
    values = RNG.random(len(hours_of(HOURS)))
    model = trained()
    assert alarms(model, watched(values), HOURS, calm=False)["ours"]["either"].alarms <= 1
    lost = np.where(hours_of(HOURS) >= 240, np.nan, values)
    after = first_ring(model, lost, hours_of(HOURS), NAME, 240, HOURS)
    assert 1 <= after["24h"] <= 6
    assert after["24h"] <= after["7d"] <= 24
    rung = alarms(model, watched(lost), HOURS, calm=False)["ours"]["24h"]
    assert rung.alarms >= 1
    assert NAME in rung.features


@pytest.mark.slow
def test_thinning_doubles_a_share_and_spares_what_was_before() -> None:
    """From the day on about half of the other sources' alerts go, with all their actions; before it nothing does."""
    keep = thinned(10.0, 10.0, "prometheus")
    events = list(simulate(3, 20))
    day = {e["alert_id"]: place / len(events) * 20 for place, e in enumerate(events) if e["type"] == "raised"}
    kept = [event for event in events if keep(event, day[event["alert_id"]])]
    ids = {event["alert_id"] for event in kept if event["type"] == "raised"}
    assert all(event["alert_id"] in ids for event in kept)
    others = {e["alert_id"] for e in events if e["type"] == "raised" and e["source"] != "prometheus"}
    early = {each for each in day if day[each] < 10.0}
    assert early <= ids
    assert set(day) - others <= ids
    assert len((others - early) & ids) / len(others - early) == pytest.approx(0.5, abs=0.05)
