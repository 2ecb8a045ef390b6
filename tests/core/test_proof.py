"""The proof of a rule: figures computed apart, laws, exact enumeration, and how often it is wrong."""

import csv
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import bdtr, betainc, betaincinv, betaln

from stream.core import proof
from stream.core.proof import Tally

LIMITS = (0.01, 0.02, 0.05, 0.1, 0.2)
WEEK = list(range(7))


def rows(path: Path) -> list[dict[str, float]]:
    """The rows of a table of figures."""
    with path.open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file, delimiter="\t")]


def binomial(acted: int, observations: int, rate: float) -> float:
    """The chance of so many acted on, of all observations, at a rate."""
    return math.comb(observations, acted) * rate**acted * (1.0 - rate) ** (observations - acted)


@pytest.fixture
def figures(shared_data: Path) -> Path:
    """Figures that were computed apart from the project."""
    return shared_data.parent / "proof"


def test_e_equals_figures_computed_apart(figures: Path) -> None:
    """Each log E of the table comes out to the twelve digits it is written with."""
    found = rows(figures / "log_e.tsv")
    assert len(found) > 50
    for row in found:
        e = proof.log_e(int(row["observations"]), row["acted"], row["limit"])
        assert e == pytest.approx(row["log_e"], rel=1e-11, abs=1e-11)


def test_bounds_equal_figures_computed_apart(figures: Path) -> None:
    """Each bound of the table comes out to the nine digits it is written with."""
    for row in rows(figures / "upper_bound.tsv"):
        bound = proof.upper_bound(int(row["observations"]), row["acted"], row["alpha"])
        assert bound == pytest.approx(row["upper_bound"], abs=1e-9)


@given(st.integers(0, 3_000), st.floats(0, 1), st.floats(0.005, 0.6))
def test_e_equals_the_integral_of_scipy(observations: int, share: float, limit: float) -> None:
    """For any n, any s with fractions and any limit, log E is scipy's incomplete beta over the likelihood at p0."""
    acted = share * observations
    a, b = acted + 1.0, observations - acted + 1.0
    inside = float(betainc(a, b, limit))
    if inside < 1e-260:
        return
    expected = math.log(inside) + betaln(a, b) - a * math.log(limit) - (b - 1.0) * math.log1p(-limit)
    assert proof.log_e(observations, acted, limit) == pytest.approx(expected, rel=1e-8, abs=1e-7)


def test_known_counts() -> None:
    """With none acted on 88, 224 and 449 observations prove 5, 2 and 1 %; a first start needs 173 at 5 %."""
    assert [proof.more_needed(0, 0.0, limit, 0.05) for limit in (0.05, 0.02, 0.01)] == [88, 224, 449]
    assert proof.more_needed(0, 0.0, 0.05, proof.alpha_of(1)) == 173
    assert proof.more_needed(143, 2.0, 0.05, 0.05) == 31
    assert math.exp(proof.log_e(143, 2.0, 0.05)) == pytest.approx(7.396, abs=5e-4)


@pytest.mark.parametrize(("observations", "acted", "limit"), [(3, 4.0, 0.1), (3, -0.1, 0.1), (3, 1.0, 0.0), (3, 1, 1)])
def test_what_is_no_count_is_refused(observations: int, acted: float, limit: float) -> None:
    """More acted on than observed, less than none, and limits that are no risk raise an error."""
    with pytest.raises(ValueError, match="no proof of"):
        proof.log_e(observations, acted, limit)


@given(st.integers(1, 2_000), st.floats(0, 1), st.sampled_from(LIMITS))
def test_one_more_without_an_act_never_weakens(observations: int, share: float, limit: float) -> None:
    """E grows with an observation of which nothing was acted on, and with less acted on."""
    acted = share * observations
    e = proof.log_e(observations, acted, limit)
    assert proof.log_e(observations + 1, acted, limit) >= e - 1e-9
    assert proof.log_e(observations, acted / 2.0, limit) >= e - 1e-9


@given(st.integers(0, 500), st.floats(0, 1), st.sampled_from([0.05, 0.01, 0.00125]))
def test_the_bound_is_where_e_reaches_its_height(observations: int, share: float, alpha: float) -> None:
    """E is at 1/alpha at the bound, less below it, and the bound lies above the mean."""
    acted = share * observations
    bound = proof.upper_bound(observations, acted, alpha)
    if bound > 1.0 - 1e-9:
        return
    assert bound > acted / max(observations, 1)
    assert proof.log_e(observations, acted, bound) >= -math.log(alpha) - 1e-6
    assert proof.log_e(observations, acted, bound - 1e-6) <= -math.log(alpha)


@pytest.mark.parametrize("limit", [0.15, 0.3, 0.5])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_enumerated_exactly_it_is_wrong_at_most_alpha(limit: float, alpha: float) -> None:
    """Over all outcomes of up to 30 observations at the limit: E is 1 on average, and passes 1/alpha at most alpha."""
    alive = {0: 1.0}  # acted on so far: the chance to be there and not yet proven
    proven = 0.0
    for n in range(1, 31):
        step: dict[int, float] = {}
        for s, chance in alive.items():
            step[s] = step.get(s, 0.0) + chance * (1.0 - limit)
            step[s + 1] = step.get(s + 1, 0.0) + chance * limit
        mean = sum(binomial(s, n, limit) * math.exp(proof.log_e(n, float(s), limit)) for s in range(n + 1))
        assert mean == pytest.approx(1.0, rel=1e-9)
        passed = {s for s in step if proof.log_e(n, float(s), limit) >= -math.log(alpha)}
        proven += sum(step[s] for s in passed)
        alive = {s: chance for s, chance in step.items() if s not in passed}
    assert 0.0 < proven <= alpha


LOOKS, RULES, ACTS, AT_LIMIT = 5_000, 10_000, 330, 0.05


@pytest.fixture(scope="module")
def acts() -> NDArray[np.int32]:
    """The observations at which 10,000 rules exactly at the limit were acted on, int32[RULES, ACTS]."""
    gaps = np.random.default_rng(20_260_301).geometric(AT_LIMIT, (RULES, ACTS)).astype(np.int32)
    return gaps.cumsum(axis=1, dtype=np.int32)


def wrongly_proven(acts: NDArray[np.int32], enough: NDArray[np.int64]) -> float:
    """The share of the rules that are called proven at one of the looks after each of the first 5,000 observations.

    `enough[s]` is the least n at which s acted on prove. Evidence grows until the next act, so the look just before
    each act is the one that matters.
    """
    looked = np.minimum(acts - 1, LOOKS)
    reached = np.concatenate([np.ones((RULES, 1), dtype=bool), acts[:, :-1] <= LOOKS], axis=1)
    return float(((looked >= enough) & reached).any(axis=1).mean())


@pytest.mark.slow
def test_looked_at_after_each_observation_it_is_wrong_at_most_alpha(acts: NDArray[np.int32]) -> None:
    """10,000 rules at the limit, 5,000 looks each: at most 5 % are ever called proven, measured 3.9 %."""
    enough, n = [], 87
    for s in range(ACTS):
        n += proof.more_needed(n, float(s), AT_LIMIT, 0.05) or 0
        enough.append(n)
    assert 0.03 < wrongly_proven(acts, np.array(enough)) <= 0.05


def test_looked_at_so_clopper_pearson_is_wrong_a_third_of_the_time(acts: NDArray[np.int32]) -> None:
    """The same rules and looks with the fixed-n bound at 95 %, which says "at most 4.3 %" of 2 of 143."""
    assert betaincinv(3, 141, 0.95) == pytest.approx(0.043, abs=5e-4)
    s = np.arange(ACTS)
    low, enough = s.copy(), np.full(ACTS, 3 * LOOKS)
    while (enough - low > 1).any():
        middle = (low + enough) // 2
        proven = bdtr(s, middle, AT_LIMIT) <= 0.05
        low, enough = np.where(proven, low, middle), np.where(proven, middle, enough)
    assert 0.28 < wrongly_proven(acts, enough) < 0.42


@pytest.mark.parametrize("hosts", [20, 200])
def test_storms_do_not_speed_up_proof(hosts: int) -> None:
    """Storms over many entities, acted on whole or not at all, at the limit: as hours they are wrong at most alpha.

    With each entity as an observation the same storms prove a rule at the limit nearly always.
    """
    storms = np.random.default_rng(7).random((60, 60)) < 0.2

    def is_wrong(acted: Sequence[int], size: int) -> bool:
        return any(proof.log_e(size * n, float(size * s), 0.2) >= -math.log(0.05) for n, s in enumerate(acted, start=1))

    sums = storms.cumsum(axis=1).tolist()
    assert np.mean([is_wrong(acted, 1) for acted in sums]) <= 0.1
    assert np.mean([is_wrong(acted, hosts) for acted in sums]) > 0.8


def test_storms_enter_as_their_share() -> None:
    """An hour in which a tenth of 200 episodes was acted on counts as one observation with x = 0.1."""
    tally = Tally()
    tally.add(0.1, 24)
    assert (tally.observations, tally.acted, tally.days) == (1, 0.1, [1])


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 400)), max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_observations_changes_nothing(observed: list[tuple[float, int]], random: object) -> None:
    """Any order gives the same count and days, and partitions added up give the whole."""
    forward, halves = Tally(), [Tally(), Tally()]
    for number, (acted, hour) in enumerate(observed):
        forward.add(acted, hour)
        halves[number % 2].add(acted, hour)
    shuffled = Tally()
    for acted, hour in sorted(observed, reverse=True):
        shuffled.add(acted, hour)
    both = proof.total(halves)
    for other in (shuffled, both):
        assert (other.observations, other.days) == (forward.observations, forward.days)
        assert other.acted == pytest.approx(forward.acted, abs=1e-9)


def test_states_and_their_words() -> None:
    """Proven, failed and inconclusive, each with its figures; failed beats proven; days are needed too."""
    found = proof.judge(Tally(174, 2.0, WEEK), 0.05, 0.05)
    assert found.state == "proven"
    assert proof.proof_words(found, 0.05) == "proven: 174 observations, 2.0 acted on, bound 5.0 %, limit 5 %"
    few_days = proof.judge(Tally(174, 2.0, WEEK[:6]), 0.05, 0.05)
    assert few_days.state == "inconclusive"
    assert proof.proof_words(few_days, 0.05, 6).endswith("; seen on 6 days, proven from 7 on")
    failed = proof.judge(Tally(60, 20.0, WEEK), 0.05, 0.05)
    assert failed.state == "failed"
    assert proof.proof_words(failed, 0.05).startswith("failed: 60 observations, 20.0 acted on, risk at least 1")
    nothing = proof.judge(Tally(), 0.05, 0.05)
    assert proof.proof_words(nothing, 0.05) == (
        "inconclusive: 0 observations, 0.0 acted on, no bound, limit 5 %; proven after 88 more without one"
    )


def test_a_rule_at_its_limit_seldom_fails() -> None:
    """The mirrored E is on average 1 at the limit, too, so a rule at it is called failed at most alpha of the time."""
    for n in (5, 12, 30):
        mean = sum(binomial(s, n, 0.15) * math.exp(proof.log_e_above(n, float(s), 0.15)) for s in range(n + 1))
        assert mean == pytest.approx(1.0, rel=1e-9)


def test_starts_spend_alpha_and_never_more() -> None:
    """The k-th start has alpha/(20 k (k+1)); however many there are, they add up to less than alpha/20."""
    assert [proof.alpha_of(k) for k in (1, 2, 3)] == pytest.approx([0.05 / 40, 0.05 / 120, 0.05 / 240])
    assert sum(map(proof.alpha_of, range(1, 2_000))) < 0.05 / 20
    assert proof.alpha_of(1, 0.01, 1) == 0.005


@pytest.mark.slow
def test_trying_again_does_not_prove_a_rule_by_luck() -> None:
    """20,000 rules at the limit, each with four starts of 900 observations: at most alpha/20 are ever proven."""
    rng, proven = np.random.default_rng(5), np.zeros(20_000, dtype=bool)
    for start in range(1, 5):
        at, needed = np.zeros(len(proven)), 0
        for s in range(25):
            needed += proof.more_needed(max(needed, s), float(s), AT_LIMIT, proof.alpha_of(start)) or 0
            following = at + rng.geometric(AT_LIMIT, len(proven))
            proven |= (np.minimum(following - 1, 900) >= needed) & (at < 900)
            at = following
    assert 0.0 < proven.mean() <= 0.05 / 20


@pytest.mark.parametrize(("times", "share"), [(0.1, 0.5), (1, 0.5), (9, 0.5), (10, 0.2), (101, 0.1), (1_001, 0.05)])
def test_the_hold_out_shrinks_with_the_evidence(times: float, share: float) -> None:
    """50, 20, 10 % and the floor, as E passes 1, 10, 100 and 1,000 times 1/alpha."""
    assert proof.holdout_share(math.log(times), 0.05) == share
    assert proof.holdout_share(math.log(times), 0.3) == max(share, 0.3)


def test_draws_are_even_and_the_same_again() -> None:
    """A fifth of the hours is drawn below 0.2, the same ones in every run; salt, rule and team each matter."""
    draws = [proof.draw("salt", "night-disks", "payments", hour) for hour in range(4_000)]
    assert draws == [proof.draw("salt", "night-disks", "payments", hour) for hour in range(4_000)]
    assert np.mean(np.array(draws) < 0.2) == pytest.approx(0.2, abs=0.02)
    assert all(0.0 <= one < 1.0 for one in draws)
    first = {proof.draw(*key, 1) for key in itertools.product("ab", "ab", "ab")}
    assert len(first) == 8


def run_lengths(risk: float, limit: float, most: int, runs: int) -> NDArray[np.int64]:
    """Observations until the trip of `runs` rules with this risk; `most` where it did not come."""
    rng = np.random.default_rng(11)
    level, length = np.zeros(runs), np.full(runs, most)
    quiet, acted = (proof.trip_step(0.0, x, limit) for x in (0.0, 1.0))
    for n in range(1, most):
        level = (1.0 + level) * np.where(rng.random(runs) < risk, acted, quiet)
        length[(level >= proof.TRIP_LEVEL) & (length == most)] = n
        if n % 64 == 0 and (length < most).all():
            break
    return length


def test_the_trip_rings_seldom_within_the_limit() -> None:
    """At the limit of 5 % there are on average at least 1,000 observations before a false trip; measured 1,500."""
    assert 1_000 < run_lengths(0.05, 0.05, 6_000, 400).mean() < 2_000


@pytest.mark.parametrize(("risk", "least", "most"), [(0.15, 50, 65), (0.5, 11, 14)])
def test_the_trip_is_quick_when_the_risk_has_grown(risk: float, least: int, most: int) -> None:
    """At a limit of 5 % a risk of 15 % trips after 57 observations on average, one of 50 % after 13."""
    assert least < run_lengths(risk, 0.05, 2_000, 2_000).mean() < most


def test_the_trip_takes_high_limits() -> None:
    """At a limit of 40 %, three times which is no probability, acts still raise the level and quiet lowers it."""
    assert proof.trip_step(0.0, 1.0, 0.4) > 1.0 > proof.trip_step(0.0, 0.0, 0.4)
