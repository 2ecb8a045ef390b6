"""A label's weight: a row of weight k counts as k rows everywhere, and without decisions nothing changes."""

import doctest
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core.errors import LabError
from stream.core.events import Acted, Event, Raised, moment
from stream.core.frame import Array, Labels
from stream.core.kinds import HELD_OUT, PAUSED_BY_RULE
from stream.core.records import Decision, encode_record
from stream.core.scoring import Thresholds
from stream.core.titles import TITLE
from stream.lab import weights
from stream.lab.datasets import dataset_of
from stream.lab.judging import metrics
from stream.lab.judging.ageing import judge_ageing, vanished
from stream.lab.judging.baselines import score_baselines
from stream.lab.judging.bootstrap import days_of, draw, gain_at_equal_detection
from stream.lab.judging.drift import counted
from stream.lab.judging.score_figures import bands_of, curve, decompose, episode_figures, reliability_bins
from stream.lab.judging.shortcut import judge_shortcut
from stream.lab.judging.teams import delong, judge_team
from stream.lab.learning import calibration
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import weights_of
from stream.lab.priors import learn
from stream.lab.reference import spread
from stream.lab.replaying import Replayed, replay
from stream.lab.reporting import formats
from stream.lab.sources.decisions import holdout_chances
from stream.lab.split import split_at_share, trainable
from stream.lab.training import train, train_replayed
from stream.lab.weights import (
    WEIGHT_MOST,
    OutcomeCounts,
    effective_count,
    effective_size,
    holdout_sentences,
    label_weights,
    summarise_weights,
    weigh,
)
from stream.models.artifact import CARD, FINDINGS, REPORT, read_file, verify
from tests.lab.logs import RATES, START, acted, lines, raised, small_log, small_problem, write

CREATED = moment(1_800_000_000.0)
WORDS = ("disk", "memory", "latency", "queue", "backup", "login", "network", "certificate", "replica", "index")
RNG = np.random.default_rng(16)
WEIGHED = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0]) | st.floats(0, 1), st.integers(1, 4)),
    min_size=1,
    max_size=40,
)


def columns(rows: list[tuple[int, float, int]]) -> tuple[Labels, Array, Array, NDArray[np.int64]]:
    """Labels, scores, weights, and the row of each of as many rows as the weights add up to."""
    y, p, w = (np.array(column) for column in zip(*rows, strict=True))
    return y.astype(np.int8), p.astype(np.float64), w.astype(np.float64), np.repeat(np.arange(len(y)), w)


def sample(count: int = 600) -> tuple[Labels, Array, Array, NDArray[np.int64]]:
    """The same, drawn: scores that tell something, weights of 1 and 4."""
    p = RNG.beta(0.6, 1.2, count)
    y = (RNG.random(count) < p).astype(np.int8)
    w = np.where(RNG.random(count) < 0.3, 4.0, 1.0)
    return y, p, w, np.repeat(np.arange(count), w.astype(int))


def decision(alert: int, team: str, kind: str = "hold_out", p_act: float = 0.8) -> Decision:
    """A decision on alert `alert` of `small_log`."""
    return Decision(
        alert_id=f"a{alert}",
        team=team,
        rule="rule",
        entity="host",
        episode=None,
        raised_at=START,
        decision=kind,  # type: ignore[arg-type]  # one of the names
        by_rule="quiet",
        rule_version="1",
        mode="pause",
        probability=0.1,
        model="m",
        p_act=p_act,
        until=None,
        proof=None,
        why="held out",
        decided_at=START,
    )


def acting_log(alerts: int = 900) -> tuple[list[Event], list[Decision]]:
    """The small log as a rule leaves it that acts where the risk is 20 % at most: a fifth of that is held out."""
    rng, events = np.random.default_rng(3), small_log(alerts)
    touched = {event.alert_id: event for event in events if isinstance(event, Raised) and is_quiet(event)}
    paused = {alert_id for alert_id in touched if rng.random() < 0.8}
    made: list[Event] = [event for event in events if not isinstance(event, Acted) or event.alert_id not in paused]
    decisions = []
    for alert_id, event in touched.items():
        number, is_paused = int(alert_id[1:]), alert_id in paused
        kind = PAUSED_BY_RULE if is_paused else HELD_OUT
        made.append(acted(number, event.at + timedelta(seconds=1), event.team, kind))
        decisions.append(decision(number, event.team, "pause" if is_paused else "hold_out"))
    return sorted(made, key=lambda event: event.at), decisions


def is_quiet(alert: Raised) -> bool:
    """Whether an alert's team and rule are acted on in one of five cases at most."""
    return RATES[(int(alert.team[-1]) + int(alert.rule[-1])) % len(RATES)] <= 0.2


@pytest.fixture(scope="module")
def acting() -> Replayed:
    """The replay of that log, weighed."""
    events, decisions = acting_log()
    return weigh(replay(lines(events), small_problem()), holdout_chances(decisions))


@pytest.mark.parametrize("module", [weights, formats])
def test_examples_in_docstrings_hold(module: object) -> None:
    """The doctests of weights and of the words for them."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module


@given(WEIGHED, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_row_of_weight_k_counts_as_k_rows(rows: list[tuple[int, float, int]], detection: float) -> None:
    """AUC, Brier, log loss, thresholds, detection and suppression: weighed, and with rows repeated."""
    y, p, w, again = columns(rows)
    ys, ps = y[again], p[again]
    assert metrics.auc(y, p, w) == pytest.approx(metrics.auc(ys, ps), nan_ok=True)
    assert metrics.brier(y, p, w) == pytest.approx(metrics.brier(ys, ps))
    assert metrics.log_loss(y, p, w) == pytest.approx(metrics.log_loss(ys, ps))
    threshold = metrics.threshold_for(ys, ps, detection)
    assert metrics.threshold_for(y, p, detection, w) == pytest.approx(threshold, nan_ok=True)
    for of in (metrics.detected_from, metrics.suppressed_below):
        assert of(y, p, 0.4, w) == pytest.approx(of(ys, ps, 0.4), nan_ok=True)
    assert metrics.suppressed_at(y, p, detection, w) == pytest.approx(
        metrics.suppressed_at(ys, ps, detection), nan_ok=True
    )


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1), st.integers(1, 4)), min_size=10, max_size=10))
def test_calibration_error_with_weights_is_that_of_repeated_rows(rows: list[tuple[int, float, int]]) -> None:
    """With as many rows as ten bins can share out alike, bins of equal weight are the bins of repeated rows."""
    y, p, w, again = columns(rows)
    ys, ps = np.tile(y[again], 10), np.tile(p[again], 10)  # ten times: then their number can be divided by ten
    found = metrics.ece(np.tile(y, 10), np.tile(p, 10), weights=np.tile(w, 10))
    assert found == pytest.approx(metrics.ece(ys, ps), abs=1e-9)


def test_the_bootstrap_weighs_every_draw() -> None:
    """Each figure's value and interval of weighed rows are those of repeated rows, as are gains and paired shares."""
    y, p, w, again = sample()
    at = np.sort(RNG.random(len(y)) * 20 * 86_400.0)
    other = RNG.permutation(p)
    weighed, plain = days_of(at, 1, draws=50, weights=w), days_of(at[again], 1, draws=50)
    ours, repeated = draw(y, p, weighed, 0.95, 0.2), draw(y[again], p[again], plain, 0.95, 0.2)
    for name in ours.values:
        assert ours.values[name] == pytest.approx(repeated.values[name], abs=2e-3)  # the error's bins split rows
        np.testing.assert_allclose(ours.draws[name], repeated.draws[name], atol=1e-9)
    gains = [
        gain_at_equal_detection(y, ours, other, weighed),
        gain_at_equal_detection(y[again], repeated, other[again], plain),
    ]
    assert gains[0].low == pytest.approx(gains[1].low)
    assert gains[0].value == pytest.approx(gains[1].value)


@pytest.mark.slow
def test_sections_of_the_report_weigh_alike() -> None:
    """Bands, decomposition, reliability, curve, shortcut and ageing of weighed rows are those of repeated rows."""
    y, p, w, again = sample(1_000)
    ys, ps, edges = y[again], p[again], Thresholds()
    for band, plain in zip(bands_of(y, p, edges, w), bands_of(ys, ps, edges), strict=True):
        assert [band.share, band.rate] == pytest.approx([plain.share, plain.rate])
    assert decompose(y, p, w) == pytest.approx(decompose(ys, ps), abs=2e-3)
    for one, plain_bin in zip(reliability_bins(y, p, w), reliability_bins(ys, ps), strict=True):
        assert one.rate.value == pytest.approx(plain_bin.rate.value, abs=0.02)
        assert one.count < plain_bin.count  # what was repeated is not new
    assert all(point.detection == metrics.detected_from(ys, ps, point.threshold) for point in curve(y, p, w)[::20])
    last = (RNG.random(len(y)) < 0.5).astype(np.int8)
    found, plain_shortcut = judge_shortcut(y, p, last, 1, w), judge_shortcut(ys, ps, last[again], 1)
    assert found.auc_differs == pytest.approx(plain_shortcut.auc_differs)
    assert found.auc_within == pytest.approx(plain_shortcut.auc_within)
    assert found.agreement == pytest.approx(plain_shortcut.agreement)


def test_equal_weights_tell_what_rows_tell() -> None:
    """Where all weights are alike, a team's interval, gains and blocks of calibration are those without weights."""
    y, p, _, _ = sample(400)
    alike = np.full(len(y), 7.0)
    of, plain = delong(y, p, alike), delong(y, p)
    assert of is not None
    assert plain is not None
    assert [of.value, of.low, of.high] == pytest.approx([plain.value, plain.low, plain.high])
    assert judge_team("a", y, p, alike).verdict == judge_team("a", y, p).verdict
    gains = RNG.normal(0.01, 0.1, 400)
    assert vanished(gains, np.full(400, 7.0)) == vanished(gains)
    logits = np.log(p + 1e-3)
    for kind in ("platt", "isotonic"):
        weighed, unweighed = calibration.choose(y, logits, kind, alike), calibration.choose(y, logits, kind)
        np.testing.assert_allclose(calibration.apply(weighed, logits), calibration.apply(unweighed, logits), atol=1e-6)
    first = episode_figures(y, np.arange(400.0), np.arange(400), {"model": p}, {}, 0.95, 1, alike)
    unweighed_first = episode_figures(y, np.arange(400.0), np.arange(400), {"model": p}, {}, 0.95, 1)
    assert first is not None
    assert unweighed_first is not None
    assert first.scores[0].auc.value == pytest.approx(unweighed_first.scores[0].auc.value)


def test_unequal_weights_widen_an_interval() -> None:
    """A few rows that stand for many tell less: the interval of the AUC grows, the value is that of repeated rows."""
    y, p, _, _ = sample(600)
    w = np.where(RNG.random(600) < 0.05, 20.0, 1.0)
    weighed, plain = delong(y, p, w), delong(y, p)
    assert weighed is not None
    assert plain is not None
    assert weighed.value == pytest.approx(metrics.auc(y, p, w))
    assert weighed.high - weighed.low > 1.5 * (plain.high - plain.low)  # type: ignore[operator]  # both have bounds


def test_calibration_follows_the_weights() -> None:
    """Of two halves of rows with the same logit, the one that weighs more decides the probability."""
    y, logits = np.tile([0, 1], 200).astype(np.int8), np.tile([-0.5, -0.5, 0.5, 0.5], 100)
    w = np.where(y == 1, 9.0, 1.0)
    for kind in ("platt", "isotonic"):
        fitted = calibration.choose(y, logits, kind, w)
        if fitted.kind == "isotonic":
            assert calibration.apply(fitted, logits).mean() == pytest.approx(0.9, abs=0.03)
    assert calibration.apply(calibration.fit_platt(y, logits, w), logits).mean() == pytest.approx(0.9, abs=1e-3)


def test_drift_counts_shares_of_the_effective_number() -> None:
    """Weighed values fill bins by weight, as many together as they tell."""
    values = np.array([0.0, 0.0, 1.0, np.nan])
    found = counted(values, spread(np.array([0.0, 1.0])), np.array([1.0, 1.0, 4.0, 2.0]))
    np.testing.assert_allclose(found / found.sum(), [0.25, 0.5, 0.25])
    assert found.sum() == pytest.approx(effective_size(np.array([1.0, 1.0, 4.0, 2.0])))


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(1, 20)), min_size=1, max_size=30))
def test_counts_tell_no_more_than_there_are_outcomes(outcomes: list[tuple[int, float]]) -> None:
    """The effective number lies between 1 and the number of outcomes, and is that number where weights are alike."""
    counts, alike = OutcomeCounts(), OutcomeCounts()
    for outcome, weight in outcomes:
        counts.add(outcome, weight)
        alike.add(outcome, 3.0)
    assert 1.0 - 1e-9 <= counts.effective <= len(outcomes) + 1e-9
    assert alike.effective == pytest.approx(len(outcomes))
    assert alike.smoothed(0.5, 10.0) == pytest.approx((sum(y for y, _ in outcomes) + 5.0) / (len(outcomes) + 10.0))


def test_only_held_out_alerts_weigh_more(acting: Replayed) -> None:
    """What was paused has no label and weighs nothing; what was held out weighs 5, everything else 1."""
    found, held = label_weights(acting), np.array([bool(flags & 8) for flags in acting.flags])
    assert found is not None
    assert held.any()
    np.testing.assert_allclose(found, np.where(held, 5.0, 1.0))
    assert int(np.count_nonzero(acting.outcome == 2)) > 300  # paused
    usable = trainable(acting, split_at_share(acting, 0.6))
    learnt = summarise_weights(acting, usable)
    assert learnt is not None
    assert learnt.held_out == int(held[: len(usable)][usable].sum())
    assert learnt.clipped == 0
    assert learnt.effective < usable.sum()


def test_a_weight_above_the_most_is_clipped_and_counted() -> None:
    """At a hold-out of 1 % a label would stand for a hundred alerts: it stands for 20, and is among the clipped."""
    replayed = replay(lines(small_log(60)), small_problem())
    teams = [alert.team for alert in replayed.alerts]
    chances = holdout_chances([decision(n, teams[n], p_act=(0.99, 0.95, 0.5)[n % 3]) for n in range(30)])
    weighed = weigh(replayed, chances)
    found, summary = label_weights(weighed), summarise_weights(weighed, np.ones(60, dtype=np.bool_))
    assert found is not None
    assert summary is not None
    assert float(found.max()) == WEIGHT_MOST
    assert sorted(set(found.round(6).tolist())) == [1.0, 2.0, 20.0]
    assert (summary.held_out, summary.clipped, summary.most) == (30, 10, WEIGHT_MOST)


def test_rates_learnt_weigh_what_is_known(acting: Replayed) -> None:
    """The rate of all alerts is that of the log before the rule acted, which the plain rate misses; baselines too."""
    whole = replay(lines(small_log(900)), small_problem())
    true = float(whole.outcome[whole.labelled].mean())
    plain = replace(acting, p_act=None)
    every = [learn(one, ["rule"], len(one.sequence), len(one.at)).priors.global_rate for one in (acting, plain)]
    assert abs(every[0] - true) < 0.03 < 0.06 < abs(every[1] - true)
    always = [float(score_baselines(one)["always_noise"][-1]) for one in (acting, plain)]
    assert abs(always[0] - true) < 0.03 < 0.06 < abs(always[1] - true)


def test_words_of_titles_weigh_what_is_known(acting: Replayed) -> None:
    """Titles that are the rules' names have the weighed rates of the rules, at each raise and at the end."""
    alerts = [replace(alert, title=WORDS[int(alert.rule[-1])]) for alert in acting.alerts]
    titled = replace(acting, alerts=alerts)
    learnt = learn(titled, ["rule", TITLE], len(acting.sequence), len(acting.at))
    assert np.array_equal(learnt.encoded["title_high"], learnt.encoded["rule"])
    assert sorted(learnt.priors.tables[TITLE].values()) == sorted(learnt.priors.tables["rule"].values())
    plain = learn(replace(titled, p_act=None), [TITLE], len(acting.sequence), len(acting.at))
    assert plain.priors.tables[TITLE] != learnt.priors.tables[TITLE]


def test_a_dataset_has_the_weights(acting: Replayed) -> None:
    """As learnt from, with a mean of 1, in the training window; in the test part how many alerts each stands for."""
    data, weights = dataset_of(acting, 0.6, Plan()), label_weights(acting)
    assert weights is not None
    by_id = dict(zip([alert.alert_id for alert in acting.alerts], weights.tolist(), strict=True))
    test = data.part("test")
    assert test.weights.tolist() == [by_id[name] for name in test.alert_ids.tolist()]
    assert test.weights.max() == pytest.approx(5.0)
    learning = data.part("train", "calibrate")
    expected = np.array([by_id[name] for name in learning.alert_ids.tolist()])
    assert np.ptp(learning.weights / expected) == pytest.approx(0.0)


def test_least_numbers_are_of_effective_alerts() -> None:
    """Sixty alerts, two of which stand for most of them, are too few for a week's figures and for agreement."""
    y, p = np.tile(np.array([0, 1], dtype=np.int8), 30), np.linspace(0.0, 1.0, 60)
    heavy = np.where(np.arange(60) < 2, 20.0, 1.0)
    assert effective_count(60, heavy) < 20
    at = np.linspace(0.0, 6.0 * 86_400.0, 60)
    weeks = [judge_ageing(at, y, p, ("team_rate", p), 0.95, w).weeks[0] for w in (None, heavy)]
    assert [week.ece is None for week in weeks] == [False, True]
    found = [judge_shortcut(y, p, np.zeros(60, dtype=np.int8), 7, w) for w in (None, heavy)]
    assert [one.auc_within is None for one in found] == [False, True]


def test_trees_learn_with_the_weights(acting: Replayed) -> None:
    """Weights are of mean 1, the held-out ones five times the others, beside those of age."""
    mask = trainable(acting, split_at_share(acting, 0.6))
    found, aged = weights_of(acting, mask, Plan()), weights_of(acting, mask, Plan(recency_days=2.0))
    assert found is not None
    assert aged is not None
    assert found.mean() == pytest.approx(1.0)
    assert found.max() / found.min() == pytest.approx(5.0)
    assert aged.max() / aged.min() > 5.0


def test_two_weights_of_the_hold_out_are_refused(acting: Replayed, tmp_path: Path) -> None:
    """Decisions and --holdout-weight would both weigh the same alerts."""
    with pytest.raises(LabError, match="decisions give the weight of each alert"):
        train_replayed(acting, tmp_path, plan=Plan(holdout_weight=3.0))


def test_held_out_labels_without_a_decision_are_told(acting: Replayed) -> None:
    """A log that says that alerts were held out, read without decisions, would weigh them too little."""
    assert holdout_sentences(acting) == []
    (sentence,) = holdout_sentences(replace(acting, p_act=None))
    assert "no decision says with which chance" in sentence
    assert holdout_sentences(replay(lines([raised(0, START), acted(0, START)]), small_problem())) == []


@pytest.mark.slow
def test_card_report_and_manifest_tell_the_weights(acting: Replayed, tmp_path: Path) -> None:
    """The effective sample size and what was clipped stand beside the counts, for training and for judging."""
    folder = train_replayed(acting, tmp_path, created=CREATED)
    manifest = verify(folder)
    assert manifest.training.weights is not None
    assert manifest.metrics is not None
    assert manifest.metrics.weights is not None
    for found in (manifest.training.weights, manifest.metrics.weights):
        words = formats.weights_words(found)
        assert f"effective sample size {found.effective:,.0f}" in words
        for name in (CARD, REPORT):
            assert words in read_file(folder, name).decode()
    assert b'"train_weights"' in read_file(folder, FINDINGS)
    whole = replay(lines(small_log(900)), small_problem())
    assert manifest.training.label_rate == pytest.approx(float(whole.outcome[whole.labelled].mean()), abs=0.05)


@pytest.mark.slow
def test_without_held_out_alerts_nothing_changes_bit_by_bit(tmp_path: Path) -> None:
    """Decisions that touched nothing, or of other alerts, give the bytes that no decisions give."""
    log, problem = write(tmp_path / "log.jsonl", small_log(400)), small_problem()
    file = tmp_path / "decisions.jsonl"
    others = [decision(n, "team-0", "would_pause", 0.0) for n in range(50)] + [decision(9_999, "team-0")]
    file.write_bytes(b"".join(encode_record(one) + b"\n" for one in others))
    plain = train(log, problem, tmp_path / "plain", created=CREATED)
    with_decisions = train(log, problem, tmp_path / "with", created=CREATED, decisions=file)
    assert plain.name == with_decisions.name
    for path in plain.iterdir():
        assert path.read_bytes() == (with_decisions / path.name).read_bytes()
    for name in ("manifest.json", FINDINGS):
        assert b"weights" not in (plain / name).read_bytes().replace(b"holdout_weight", b"")
