"""Drift and quality count each alert once, after the fenced write, whatever happens in between."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.config import make_settings
from stream.core.effects import Arrived
from stream.core.events import Event, Raised, Tick
from stream.core.frame import Array, Decayed, Inputs
from stream.core.kinds import DRILL_TEAM
from stream.core.ledger import UNJUDGED
from stream.kafka.records import Part
from stream.lane.batch import Batch
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels
from stream.models.model import Model
from stream.scorer.history import Write
from stream.scorer.metrics.recorder import MetricsRecorder
from stream.scorer.metrics.tally import Tally
from stream.scorer.metrics.verdicts import JudgedAlerts, Verdicts
from stream.scorer.score import Scored
from tests.lab.logs import START, acted, raised, small_log, small_problem
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.rig import TOPIC, Crash, Log, Rig, folded
from tests.scorer.shown import Series, shown, text_of, total

COUNTED = ("feature_obs", "category", "scores", "quality", "team_")
SETTINGS = make_settings(tick_seconds=0, team_groups={"first": ["team-0"], "rest": ["team-?"]})


def log_of(events: list[Event], partitions: int = 1) -> Log:
    """A log that holds the events."""
    log = Log(partitions)
    for event in events:
        log.append(event)
    return log


def counted(rig: Rig) -> Series:
    """All counters of drift and quality that are not at zero, up to the last digit of their sums."""
    return {key: round(value, 6) for key, value in shown(rig.metrics, *COUNTED).items() if value}


def a_log(alerts: int = 150) -> list[Event]:
    """Alerts of three teams, every seventh of a rule that is visibility-only, then a day of nothing."""
    events = [
        replace(event, rule="report/x") if isinstance(event, Raised) and event.alert_id.endswith("7") else event
        for event in small_log(alerts, seed=5)
    ]
    return [*events, Tick(START.replace(month=2))]


@pytest.mark.slow
def test_every_written_alert_is_counted_in_its_bins(small_model: Model) -> None:
    """Each feature's bins hold the alerts that count, as numpy puts them, and all of them in all."""
    rig = Rig(log_of(a_log(), 2), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run((13, 40))
    pure = folded(rig.log, rig.problem)
    rows, alerts = [], []
    for fold in pure.values():
        arrived = [one for one in fold.effects if type(one).__name__ == "Arrived"]
        taken = fold.take_rows()
        for one in arrived:
            if not one.flags & UNJUDGED:  # type: ignore[union-attr]  # an Arrived has flags
                rows.append(taken[one.row])  # type: ignore[union-attr]
                alerts.append(one.event)  # type: ignore[union-attr]
    matrix, page = small_model.features(np.array(rows), alerts), shown(rig.metrics)
    for column, feature in enumerate(small_model.table):
        spread = small_model.reference.spreads.get(feature.name)
        if spread is None:
            continue
        values = matrix[:, column].astype(np.float64)
        known = values[~np.isnan(values)]
        expected = np.bincount(np.searchsorted(spread.edges, known), minlength=len(spread.shares)).tolist()
        bins = [*map(str, range(len(spread.shares))), "missing"]
        found = [total(page, "feature_observations_total", feature=feature.name, bin=bin_) for bin_ in bins]
        assert found == [*expected, len(values) - len(known)], feature.name
    assert total(rig.metrics, "scores_count", role="champion") == len(alerts)
    assert total(rig.metrics, "category_observations_total", key="rule") == len(alerts)
    assert total(rig.metrics, "team_alerts_total") == len([e for e in a_log() if isinstance(e, Raised)])


class Odd(Model):
    """A model whose inputs are not what its manifest promises."""

    def inputs(self, rows: Array | Decayed, alerts: Sequence[Raised]) -> Inputs:
        """Without what training knew."""
        return Inputs(super().inputs(rows, alerts).matrix, {})


@pytest.mark.slow
@pytest.mark.expects_errors
def test_odd_inputs_of_a_model_stop_no_alert(small_model: Model, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be counted costs that model's drift of the batch, all of it, and one log line; quality counts."""
    odd = copy.copy(small_model)
    odd.__class__ = Odd
    rig = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, odd)
    rig.run((40,))
    assert all(record.score.probability is not None for record in rig.publisher.enriched())
    assert total(rig.metrics, "drift_uncounted_batches_total") > 1
    assert total(rig.metrics, "feature_observations_total") == total(rig.metrics, "scores_count", role="champion") == 0
    assert total(rig.metrics, "quality_scores_count") > 0
    assert total(rig.metrics, "team_alerts_total") == len([e for e in a_log() if isinstance(e, Raised)])
    told = [record for record in caplog.records if "failed while counting" in record.getMessage()]
    assert [bool(record.exc_info) for record in told] == [True]


@pytest.mark.slow
def test_quality_is_what_the_outcomes_say(small_model: Model) -> None:
    """Histograms, sums and bands by outcome are those of the published outcomes, each alert counted once."""
    rig = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run((17,))
    outcomes = [one for one in rig.publisher.outcomes() if not {"flood", "visibility_only"} & {*one.flags}]
    scores = [one.scores[small_model.version] for one in outcomes]
    labels = [one.outcome == "actionable" for one in outcomes]
    assert total(rig.metrics, "quality_scores_count") == len(outcomes)
    assert total(rig.metrics, "quality_scores_sum") == pytest.approx(sum(scores))
    errors = sum((score - label) ** 2 for score, label in zip(scores, labels, strict=True))
    assert total(rig.metrics, "quality_squared_error_total") == pytest.approx(errors)
    below = [score for score in scores if score <= 0.3]
    assert total(rig.metrics, "quality_scores_below_sum_total", part="open", le="0.3") == pytest.approx(sum(below))
    bands = Counter(one.score.band for one in rig.publisher.enriched() if "visibility_only" not in one.flags)
    for band, count in bands.items():
        assert total(rig.metrics, "quality_alerts_total", band=band) == count
    group = sum(one.team == "team-0" for one in outcomes)
    assert total(rig.metrics, "quality_alerts_total", group="first") == group
    assert total(rig.metrics, "quality_alerts_total", group="other") == 0
    lasts = Counter({1: "actionable", 0: "noise", None: "none"}[one.last_outcome] for one in outcomes)
    for last, count in lasts.items():
        assert total(rig.metrics, "quality_scores_count", last=last) == count
    left = [one for one in rig.publisher.outcomes() if "visibility_only" in one.flags]
    assert total(rig.metrics, "quality_left_out_total", reason="visibility_only") == len(left) > 0


@pytest.mark.slow
def test_nothing_counts_before_its_time_has_passed(small_model: Model) -> None:
    """A decision alone moves no quality counter; the event that passes raise + horizon + grace does."""
    events: list[Event] = [raised(0, START), acted(0, START.replace(minute=5))]
    rig = Rig(log_of(events), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run()
    assert len(rig.publisher.outcomes()) == 1
    assert total(rig.metrics, "quality_scores_count") == 0
    rig.log.append(Tick(START.replace(hour=2)))
    rig.run()
    assert total(rig.metrics, "quality_scores_count", outcome="actionable", part="open", last="none") == 1


class _Dying(MemoryHistory):
    """Dies after the so-maniest write, before anybody hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self.countdown = 0

    def write(self, writes: Mapping[Part, Write]) -> dict[Part, bool]:
        """See `History`."""
        written = super().write(writes)
        self.countdown -= 1
        if self.countdown == 0:
            raise Crash
        return written


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 2, 5])
def test_a_crash_between_publication_and_write_counts_once(small_model: Model, calls: int) -> None:
    """What was published, and is published again after the crash, is counted with its write."""
    calm = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, small_model)
    calm.run((20,))
    rig = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.publisher.crash_at = calls
    with pytest.raises(Crash):
        rig.run((20,))
    rig.start()
    rig.run((33,))
    assert len(rig.publisher.outputs) > len(calm.publisher.outputs)
    assert counted(rig) == counted(calm)


@pytest.mark.slow
def test_a_crash_after_the_write_costs_one_batch_at_most(small_model: Model) -> None:
    """The batch whose write nobody heard of is missing from the counters, and nothing is counted twice."""
    calm = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, small_model)
    calm.run((20,))
    history = _Dying()
    rig = Rig(log_of(a_log()), small_problem(), history, SETTINGS, small_model)
    history.countdown = 4
    with pytest.raises(Crash):
        rig.run((20,))
    rig.start()
    rig.run((20,))
    whole, found = (total(one.metrics, "team_alerts_total") for one in (calm, rig))
    assert whole - 20 <= found < whole
    most = counted(calm)
    assert all(value <= most[key] for key, value in counted(rig).items())


@pytest.mark.slow
def test_what_is_folded_again_in_silence_is_not_counted_again(small_model: Model) -> None:
    """After Redis was lost the counters stay; an alert that was open then counts once, when it matures."""
    events = a_log()
    rig = Rig(log_of(events[:-1]), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run((20,))
    before, matured = counted(rig), total(rig.metrics, "quality_scores_count")
    rig.history = MemoryHistory()
    rig.start()
    rig.run((15,))
    assert counted(rig) == before
    rig.log.append(events[-1])
    rig.run()
    calm = Rig(log_of(events), small_problem(), MemoryHistory(), SETTINGS, small_model)
    calm.run()
    assert total(rig.metrics, "quality_scores_count") == total(calm.metrics, "quality_scores_count") > matured


@pytest.mark.slow
@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.lists(st.integers(1, 60), min_size=1, max_size=4))
@hypothesis_settings(max_examples=15, deadline=None)
def test_silence_counts_the_rest_exactly(first: list[int], again: list[int]) -> None:
    """However batches are cut before Redis is lost, and while the log is folded again, each alert counts once."""
    log, more = small_log(60, seed=3), Tick(START.replace(month=2))
    cut, calm = log_of(log[: len(log) // 2]), Rig(log_of([*log, more]), small_problem(), MemoryHistory(), SETTINGS)
    rig = Rig(cut, small_problem(), MemoryHistory(), SETTINGS)
    rig.run(first)
    rig.history = MemoryHistory()
    for event in (*log[len(log) // 2 :], more):
        cut.append(event)
    rig.start()
    rig.run(again)
    calm.run()
    left = total(calm.metrics, "quality_left_out_total", reason="unscored")
    assert total(rig.metrics, "quality_left_out_total", reason="unscored") == left == 60


def test_a_group_that_is_no_longer_set_counts_as_other(small_model: Model) -> None:
    """What was decided under other settings keeps its group's name until it matures; an unknown one is `other`."""
    teams = ("team-0", "team-1")
    events: list[Event] = [raised(n, START, team) for n, team in enumerate(teams)]
    events += [acted(n, START.replace(minute=5), team) for n, team in enumerate(teams)]
    rig = Rig(log_of(events), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run()
    rig.settings, rig.metrics = make_settings(tick_seconds=0, team_groups={"rest": ["team-*"]}), ScorerMetrics()
    rig.start()
    rig.log.append(Tick(START.replace(hour=9)))
    rig.run()
    assert [total(rig.metrics, "quality_alerts_total", group=group) for group in ("first", "rest", "other")] == [
        0,
        1,
        1,
    ]


@pytest.mark.slow
def test_batches_and_partitions_change_no_counter(small_model: Model) -> None:
    """One partition event by event or three in large batches: the same counters in the end."""
    one = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, small_model)
    one.run((1,))
    three = Rig(log_of(a_log(), 3), small_problem(), MemoryHistory(), SETTINGS, small_model)
    three.run((70,))
    assert counted(one) == counted(three)


@pytest.mark.slow
@pytest.mark.parametrize("jump", [Tick(START.replace(year=2060)), Tick(START.replace(year=2199))])
def test_a_clock_jump_counts_everything_once(small_model: Model, jump: Tick) -> None:
    """A tick years ahead matures all; alerts after it are late, and count once each."""
    events: list[Event] = [*small_log(30), jump, *[raised(900 + n, START) for n in range(3)]]
    rig = Rig(log_of(events), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run((7,))
    assert total(rig.metrics, "quality_scores_count") == 30
    assert total(rig.metrics, "scores_count") == 33


@pytest.mark.slow
def test_outcomes_for_nobody_and_outcomes_twice_count_nothing_more(small_model: Model) -> None:
    """An action for an alert that nobody raised fails; the same action again, or another one, changes no counter."""
    once: list[Event] = [raised(0, START), acted(0, START.replace(minute=5))]
    more = [*once, once[1], acted(0, START.replace(minute=6), kind="dismissed"), acted(77, START.replace(minute=7))]
    end = Tick(START.replace(day=9))
    rigs = [
        Rig(log_of([*events, end]), small_problem(), MemoryHistory(), SETTINGS, small_model) for events in (once, more)
    ]
    for rig in rigs:
        rig.run((2,))
    assert counted(rigs[0]) == counted(rigs[1])
    assert [one["reason"] for one in rigs[1].publisher.failed()] == ["unknown_alert"]


def test_what_is_not_judged_is_counted_under_a_reason(small_model: Model) -> None:
    """Closed by a rule, corrected before and after maturity, without a score: each under its own reason.

    An alert that a rule closed counts as that when it matures, and its correction, whenever it comes, as one.
    """
    events: list[Event] = [raised(n, START) for n in range(4)]
    events += [acted(n, START.replace(minute=5), kind="closed_by_rule") for n in range(3)]
    events += [acted(0, START.replace(minute=9)), Tick(START.replace(hour=9))]
    rig = Rig(log_of(events), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run()
    rig.log.append(acted(1, START.replace(hour=10)))
    rig.served = ActiveModels()
    rig.log.append(raised(8, START.replace(hour=11)))
    rig.log.append(Tick(START.replace(hour=15)))
    rig.run()
    left = {key[1][1]: value for key, value in shown(rig.metrics, "quality_left_out").items() if value}
    assert left == {"closed_by_rule": 3, "correction": 2, "unscored": 1}
    assert total(rig.metrics, "quality_scores_count") == 1


def test_drills_are_scored_and_published_and_are_in_no_figure(small_model: Model) -> None:
    """With the drill team's alerts among them, every counter of drift, quality and teams is as without."""
    events: list[Event] = [raised(n, START.replace(minute=n)) for n in range(9)]
    events += [acted(n, START.replace(minute=20 + n), kind="closed_by_rule" if n == 3 else "worked") for n in range(9)]
    events += [acted(3, START.replace(minute=40)), Tick(START.replace(hour=9))]
    drills = [one if isinstance(one, Tick) else replace(one, team=DRILL_TEAM) for one in events]
    both = [one for pair in zip(events, drills, strict=True) for one in pair]
    rigs = [Rig(log_of(log), small_problem(), MemoryHistory(), SETTINGS, small_model) for log in (events, both)]
    for rig in rigs:
        rig.run((5,))
    assert len(rigs[1].publisher.outcomes()) == 2 * len(rigs[0].publisher.outcomes()) == 20
    assert len(rigs[1].publisher.enriched()) == 2 * len(rigs[0].publisher.enriched())
    assert counted(rigs[0]) == counted(rigs[1])


def test_held_out_alerts_are_a_part_of_their_own(small_model: Model) -> None:
    """What the closer held out on purpose is told apart."""
    events: list[Event] = [raised(0, START), raised(1, START), acted(1, START.replace(minute=1), kind="held_out")]
    rig = Rig(log_of([*events, Tick(START.replace(hour=9))]), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.run()
    assert [total(rig.metrics, "quality_scores_count", part=part) for part in ("open", "held_out")] == [1, 1]


class Clock:
    """A clock to be set."""

    now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def again(model: Model, version: str) -> Model:
    """The same model under another version."""
    made = Model.__new__(Model)
    made.__dict__.update(model.__dict__)
    made.version = version
    return made


def matured(alerts: int, model: str, challenger: str | None = None) -> Verdicts:
    """Alerts that matured as actionable, with the scores of a champion and a challenger."""
    found = [JudgedAlerts(model, "champion", "other", [0.5] * alerts, [12] * alerts)]
    if challenger:
        found.append(JudgedAlerts(challenger, "challenger", "other", [0.4] * alerts, [0] * alerts))
    return Verdicts(found)


@pytest.mark.slow
def test_series_of_a_retired_model_go_after_a_named_time(small_model: Model) -> None:
    """They stay while it is served or its alerts mature, then go; what matures later brings back what can be told."""
    metrics, clock = ScorerMetrics(), Clock()
    recorder = MetricsRecorder(metrics, {}, 60.0, clock)
    recorder.serve([(small_model, "champion")])
    assert total(metrics, "feature_info", model=small_model.version) == len(small_model.reference.spreads)
    new = again(small_model, "2026-02-02-abcd")
    clock.now = 50.0
    recorder.serve([(new, "champion"), (small_model, "challenger")])
    clock.now = 100.0
    recorder.serve([(new, "champion"), (small_model, "challenger")])
    assert not [
        key for key in shown(metrics, "scores") if set(key) >= {("model", small_model.version), ("role", "champion")}
    ]
    clock.now = 170.0
    recorder.serve([(new, "champion")])
    assert not [key for key in shown(metrics) if ("model", small_model.version) in key]
    recorder.record([], [Tally(0.0, matured=[matured(9, small_model.version, "gone")])])
    assert total(metrics, "quality_scores_count", model=small_model.version, role="champion") == 9
    assert total(metrics, "quality_alerts_total", band="unsure", outcome="actionable", group="other") == 9
    assert total(metrics, "quality_left_out_total", reason="no_such_model") == 9
    assert not [key for key in shown(metrics, "feature_obs") if ("model", small_model.version) in key]


@pytest.mark.slow
def test_models_without_end_are_not_all_shown(small_model: Model) -> None:
    """Beyond the limit a model's matured alerts are left out; one that comes into service takes the oldest's place."""
    metrics, clock = ScorerMetrics(), Clock()
    recorder = MetricsRecorder(metrics, {}, 60.0, clock)
    recorder.serve([(small_model, "champion")])
    for number in range(20):
        clock.now += 1
        recorder.record([], [Tally(0.0, matured=[matured(1, f"v{number}")])])
    assert total(metrics, "quality_scores_count") == 7
    assert total(metrics, "quality_left_out_total", reason="no_such_model") == 13
    recorder.serve([(small_model, "champion"), (again(small_model, "new"), "challenger")])
    models = {dict(key)["model"] for key in shown(metrics, "quality_scores_count")}
    assert models == {small_model.version, "new", *(f"v{number}" for number in range(1, 7))}


def forty_features(model: Model, version: str) -> Model:
    """The model with the first forty of its features, ten full bins each, though its file told of other bins."""
    made = again(model, version)
    made.table = [replace(made.table[0], name=f"feature_{number}") for number in range(40)]
    spread = replace(made.reference.spreads["score"], edges=[n / 10 for n in range(9)], shares=[0.1] * 10)
    names = [*(feature.name for feature in made.table), "score"]
    made.reference = replace(made.reference, spreads=dict.fromkeys(names, spread), faults={})
    return made


def test_a_worker_shows_less_than_4000_series(small_model: Model) -> None:
    """Forty features, champion and challenger, ten groups of teams, eight partitions, everything counted once."""
    groups = {f"group-{number}": [f"team-{number}"] for number in range(10)}
    settings = make_settings(tick_seconds=0, team_groups=groups)
    rig = Rig(log_of(a_log(), 8), small_problem(), MemoryHistory(), settings, small_model)
    rig.run()
    metrics = rig.metrics
    champion, challenger = forty_features(small_model, "champion"), forty_features(small_model, "challenger")
    recorder = MetricsRecorder(metrics, groups, 0.0)
    rig.room._recorder.serve([])
    recorder.serve([(champion, "champion"), (challenger, "challenger")])
    for grid in (*metrics.drift.of_role, *metrics.quality.of_role):
        for role in ("champion", "challenger"):
            grid.close((small_model.version, role))
    for plain in metrics.drift.of_model:
        plain.close((small_model.version,))
    lines = [line for line in text_of(metrics).splitlines() if not line.startswith("#")]
    assert len([line for line in lines if "feature_observations_total" in line]) == 2 * 41 * 11
    assert 3_000 < len(lines) < 4_000
    assert not [line for line in lines if "_created" in line]


@pytest.mark.slow
def test_everything_is_there_at_zero_before_anything_happened(small_model: Model) -> None:
    """A rate over a counter's first move is right only if Prometheus saw it at zero."""
    rig = Rig(log_of(a_log()), small_problem(), MemoryHistory(), SETTINGS, small_model)
    rig.room._recorder.serve([(small_model, "champion")])
    before = shown(rig.metrics, *COUNTED)
    assert set(before.values()) == {0.0}
    rig.run((20,))
    assert set(shown(rig.metrics, *COUNTED)) == set(before)


@pytest.mark.slow
def test_a_broken_reference_is_told_and_the_rest_is_counted(small_model: Model) -> None:
    """Features that can't be watched are counted by reason; NaN and infinite values fall in their bins."""
    model = again(small_model, "broken")
    name = model.table[0].name
    spreads = {key: value for key, value in model.reference.spreads.items() if key not in (name, "score")}
    model.reference = replace(model.reference, spreads=spreads, faults={name: "bad_edges", "score": "missing"})
    metrics = ScorerMetrics()
    recorder = MetricsRecorder(metrics, {}, 60.0)
    recorder.serve([(model, "champion")])
    assert total(metrics, "features_unwatched", reason="bad_edges") == 1
    assert not [key for key in shown(metrics, "feature_obs") if ("feature", name) in key or ("feature", "score") in key]
    matrix = np.array([[np.nan], [np.inf], [-np.inf]], dtype=np.float32).repeat(len(model.table), axis=1)
    inputs = Inputs(matrix, dict.fromkeys(model.manifest.priors.tables, np.array([True, False, True])))
    tally = Tally(0.0, rows=[0, 1, 2])
    recorder.record([Scored(model, "champion", np.arange(3), inputs, np.array([0.1, 0.2, 0.3]))], [tally])
    other = next(iter(spreads))
    last = str(len(spreads[other].shares) - 1)
    assert total(metrics, "category_observations_total", key="rule", seen="yes") == 2
    assert total(metrics, "category_observations_total", key="rule", seen="no") == 1
    for bin_ in ("missing", "0", last):
        assert total(metrics, "feature_observations_total", feature=other, bin=bin_) == 1


@pytest.mark.slow
def test_a_fenced_worker_counts_nothing_of_what_was_refused(small_model: Model) -> None:
    """The batch that another worker wrote first is counted by that one alone."""
    history, log = MemoryHistory(), log_of(a_log())
    one = Rig(log, small_problem(), history, SETTINGS, small_model)
    two = Rig(log, small_problem(), history, SETTINGS, small_model)
    one.assign()
    two.assign()
    part = Part(TOPIC, 0)
    work = one.room.process([_batch(log, part, 40)])
    two.run((40,))
    one.room.snapshot(work)
    assert not one.room.on_committed(work, one.room.commit(work))
    assert counted(one) == {}
    assert total(two.metrics, "team_alerts_total") > 100


def _batch(log: Log, part: Part, count: int) -> Batch:
    return Batch(part, 0, count, log.records[part][:count])


def test_what_rings_by_its_increase_begins_at_zero() -> None:
    """A counter whose first sample is 5,000 has no increase in Prometheus, so each reason is there from the start."""
    metrics = ScorerMetrics()
    for name, reason in (("alerts_unscored", "history_unavailable"), ("records_failed", "too_large")):
        assert shown(metrics, name)[("name", f"{name}_total"), ("reason", reason)] == 0.0
    assert shown(metrics, "progress")[(("name", "progress_timestamp_seconds"),)] > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("other", ["features", "priors"])
def test_another_model_under_the_same_name_does_not_end_the_worker(small_model: Model, other: str) -> None:
    """Its scores are counted; its features and priors, which are not those whose series are shown, are not."""
    metrics = ScorerMetrics()
    recorder = MetricsRecorder(metrics, {}, 60.0)
    recorder.serve([(small_model, "champion")])
    manifest = replace(small_model.manifest, features=small_model.manifest.features[:-1])
    if other == "priors":
        tables = {"label.other": {"x": 0.5}} | small_model.manifest.priors.tables
        manifest = replace(small_model.manifest, priors=replace(small_model.manifest.priors, tables=tables))
    swapped = Model(manifest, small_model._graph)
    fold = next(iter(folded(log_of(a_log(20)), small_problem()).values()))
    arrived = [one for one in fold.effects if isinstance(one, Arrived) and not one.flags & UNJUDGED]
    rows = np.array([one.row for one in arrived])
    tally = Tally(0.0, rows=rows.tolist())
    matrix = np.zeros((len(rows), len(manifest.features)), dtype=np.float32)
    recorder.record([Scored(swapped, "champion", rows, Inputs(matrix, {}), np.full(len(rows), 0.5))], [tally])
    assert total(metrics, "scores_count") == len(rows) > 0
    assert total(metrics, "feature_observations_total") == total(metrics, "category_observations_total") == 0


def test_acts_are_counted_by_who_did_them() -> None:
    """Agent, kind and problem file say who; drills count nowhere."""
    alerts = [raised(number, START) for number in range(5)]
    acts: list[Event] = [
        replace(acted(0, START, kind="resolved"), agent="person"),
        replace(acted(1, START, kind="worked"), agent="automation"),
        acted(2, START, kind="worked"),
        acted(3, START, kind="ended"),
        acted(4, START, kind="resolved"),
    ]
    drill = replace(alerts[0], team=DRILL_TEAM)
    events: list[Event] = [*alerts, *acts, drill, replace(acts[0], team=DRILL_TEAM)]
    rig = Rig(log_of(events), small_problem(), MemoryHistory(), SETTINGS)
    rig.run()
    counts = {agent: total(rig.metrics, "acts_total", agent=agent) for agent in ("person", "automation", "unknown")}
    assert counts == {"person": 2, "automation": 2, "unknown": 1}
