"""Champions and the challenger of one batch: whose score is whose, and what a bad challenger can't do."""

from collections.abc import Sequence
from threading import Event as Gate

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from stream.config import make_settings
from stream.core.effects import Arrived
from stream.core.errors import HistoryRefused, ModelError
from stream.core.events import Acted, Event, Raised
from stream.core.frame import Array, Decayed, Inputs, Matrix
from stream.core.occlusion import contradicts
from stream.core.once import Once
from stream.core.records import Challenge, Score
from stream.core.scoring import Thresholds
from stream.models.active import ActiveModels, Challenger
from stream.models.graph import Stop
from stream.models.model import Model
from stream.models.pointers import Pointer
from stream.scorer.output import unscored
from stream.scorer.score import BatchScores, pack_score, unpack_score
from tests.lab.logs import START, acted, raised, small_problem
from tests.lab.logs import small_log as lab_log
from tests.lab.logs import small_problem as lab_problem
from tests.scorer.logs import PROBLEM, at, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.models import Says, by_name
from tests.scorer.rig import Log, Rig, folded

OLD, NEW, RIVAL = "2026-03-01-01d0", "2026-03-08-4e30", "2026-03-09-c4a1"


def log_of(events: Sequence[Event]) -> Log:
    """A log of one partition."""
    log = Log()
    for event in events:
        log.append(event)
    return log


def rival_of(alert: Raised) -> float:
    """What the challenger says: another probability than the champion's."""
    return round(1.0 - by_name(alert), 3)


def rig_of(log: Log, served: ActiveModels) -> Rig:
    """A worker that serves this."""
    rig = Rig(log, PROBLEM, MemoryHistory())
    rig.served = served
    return rig


class Failing(Says):
    """Gives up on every batch."""

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """Nothing."""
        raise ModelError("it does not run")


class Broken(Says):
    """Can't even read its features, for a reason nobody thought of."""

    def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
        """Nothing."""
        raise KeyError("a bug")


class Endless(Says):
    """Runs until it is told to stop."""

    stopped = False

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """Nothing, once it was ended."""
        assert stop is not None
        while not stop.ended:
            Gate().wait(0.001)
        self.stopped = True
        raise ModelError("ended")


@pytest.mark.slow
def test_each_team_has_its_champion_s_score() -> None:
    """Exact names, patterns and the default: probability, version, band and evidence are those of the team's model."""
    strict = Thresholds(likely_noise=0.0, likely_actionable=0.0, weak=0.0)
    old, new = Says(OLD), Says(NEW, rival_of, strict)
    rig = rig_of(log_of(random_log(3, alerts=120)), ActiveModels((old, new), Pointer(OLD, {"team-1": NEW, "*-3": NEW})))
    rig.run((17,))
    seen = set()
    for record in rig.publisher.enriched():
        moved = record.alert.team in ("team-1", "team-3")
        seen.add(record.score.model)
        assert record.score.model == (NEW if moved else OLD)
        assert record.score.probability == (rival_of if moved else by_name)(record.alert)
        if moved:
            assert record.score.band == "likely_actionable"
            assert record.score.evidence != "none"
    assert seen == {OLD, NEW}


def test_the_batch_s_matrices_stay_reachable_by_model_and_role() -> None:
    """What each model read and said of a batch can be counted afterwards, with the alerts it is about."""
    served = ActiveModels(
        (Says(OLD), Says(NEW)), Pointer(OLD, {"team-1": NEW}), Challenger(Says(RIVAL, rival_of), 60.0)
    )
    (pure,) = folded(log_of(random_log(4, alerts=50)), PROBLEM).values()
    answers = BatchScores([one for one in pure.effects if isinstance(one, Arrived)], pure.take_rows(), served)
    assert answers.scores
    assert {scored.role for scored in answers.scored} == {"champion", "team", "challenger"}
    for scored in answers.scored:
        assert scored.inputs.matrix.shape == (len(scored.indices), 1)
        for index, probability in zip(scored.indices.tolist(), scored.probabilities.tolist(), strict=True):
            score = answers.scores[index]
            if scored.role == "challenger":
                assert score.challenger is not None
                assert score.challenger.probability == probability
            else:
                assert (score.model, score.probability) == (scored.model.version, probability)
    assert sum(len(scored.indices) for scored in answers.scored) == 2 * len(answers.scores)


def test_the_challenger_stands_beside_the_champion_in_records_and_outcomes() -> None:
    """Both probabilities are on the enriched record, in the ledger, and in the outcome's scores."""
    rig = rig_of(
        log_of(random_log(5)), ActiveModels((Says(OLD),), Pointer(OLD), Challenger(Says(RIVAL, rival_of), 60.0))
    )
    rig.run((13,))
    said = {}
    for record in rig.publisher.enriched():
        assert record.score.challenger is not None
        assert record.score.challenger.model == RIVAL
        said[record.alert.team, record.alert.alert_id] = (
            record.score.probability,
            record.score.challenger.probability,
        )
        assert "challenger_failed" not in record.flags
    outcomes = rig.publisher.outcomes()
    assert outcomes
    for outcome in outcomes:
        champion, challenger = said[outcome.team, outcome.alert_id]
        assert outcome.model == OLD
        assert outcome.scores == {OLD: champion, RIVAL: challenger}
    assert rig.metrics.challenger_seconds._sum.get() > 0.0


def test_repeats_and_corrections_keep_the_first_scores_over_a_swap() -> None:
    """An alert raised again, judged and judged anew after both models were replaced is told by what scored it first."""
    events: list[Event] = [
        Raised(at(0), "A1", "team", "r", "e"),
        Raised(at(60), "A1", "team", "r", "e"),
        Acted(at(120), "A1", "team", "A1-1", "closed_by_rule"),
        Acted(at(180), "A1", "team", "A1-2", "worked"),
    ]
    log = log_of(events)
    rig = rig_of(log, ActiveModels((Says(OLD),), Pointer(OLD), Challenger(Says(RIVAL, rival_of), 60.0)))
    rig.assign()
    (records,) = log.records.values()
    (part,) = log.records
    rig.engine.step({part: records[:1]})
    rig.served = ActiveModels((Says(NEW, lambda alert: 0.5),), Pointer(NEW), Challenger(Says(OLD), 60.0))
    rig.run((1,))
    first, second = rig.publisher.enriched()
    assert first.score == second.score
    assert [(o.by, o.scores) for o in rig.publisher.outcomes()] == [
        ("closed_by_rule", {OLD: 0.001, RIVAL: 0.999}),
        ("correction", {OLD: 0.001, RIVAL: 0.999}),
    ]


def test_outcomes_carry_what_rules_match_on_and_who_decided() -> None:
    """Severity, source, labels, episode and agent as of the decision, and of a correction."""
    alert = Raised(at(0), "A1", "team", "r", "e", "high", "monitor", "T", {"env": "prod", "site": "x"})
    later = Raised(at(600), "A2", "team", "r", "e")
    events: list[Event] = [
        alert,
        later,
        Acted(at(660), "A1", "team", "A1-1", "closed_by_rule", agent="automation"),
        Acted(at(720), "A1", "team", "A1-2", "worked", agent="person"),
        Acted(at(780), "A2", "team", "A2-1", "dismissed"),
        alert,
    ]
    rig = rig_of(log_of(events), ActiveModels((Says(OLD),), Pointer(OLD)))
    rig.run((1,))
    closed, corrected, dismissed = rig.publisher.outcomes()
    for outcome, agent in ((closed, "automation"), (corrected, "person")):
        assert (outcome.severity, outcome.source, outcome.labels) == ("high", "monitor", alert.labels)
        assert outcome.agent == agent
    assert (dismissed.severity, dismissed.source, dismissed.labels, dismissed.agent) == (None, None, {}, None)
    episodes = {one.episode for one in rig.publisher.enriched()} | {one.episode for one in rig.publisher.outcomes()}
    assert len(episodes) == 1
    assert len(bytes.fromhex(str(episodes.pop()))) == 8


@pytest.mark.parametrize(
    ("kind", "why", "patience"), [(Failing, "failed", 60.0), (Broken, "failed", 60.0), (Endless, "slow", 0.05)]
)
def test_a_challenger_that_fails_or_is_slow_is_dropped_and_no_alert_is(
    kind: type[Says], why: str, patience: float
) -> None:
    """Its batch is flagged, the champion's scores stand, later batches go on without it, and a slow run is ended."""
    log = log_of(random_log(6))
    model = kind(RIVAL)
    challenger = Challenger(model, patience)
    rig = rig_of(log, ActiveModels((Says(OLD),), Pointer(OLD), challenger))
    rig.run((20,))
    assert challenger.dropped == why
    once = Once()
    records = [record for record in rig.publisher.enriched() if once.takes(record)]
    assert len(records) == len({(e.team, e.alert_id) for e in random_log(6) if isinstance(e, Raised)})
    assert all(record.score.probability == by_name(record.alert) for record in records)
    assert all(record.score.challenger is None for record in records)
    flagged = ["challenger_failed" in record.flags for record in records]
    assert any(flagged)
    assert not all(flagged)
    assert rig.metrics.challenger_dropped.labels(why)._value.get() == 1
    if isinstance(model, Endless):
        for _ in range(1_000):
            if model.stopped:
                break
            Gate().wait(0.01)
        assert model.stopped


def test_a_first_model_can_challenge_nobody() -> None:
    """Without a champion alerts are unscored for its reason, and the challenger's score is recorded all the same."""
    rig = rig_of(log_of(random_log(7)), ActiveModels((), None, Challenger(Says(RIVAL, rival_of), 60.0), "model_failed"))
    rig.run()
    for record in rig.publisher.enriched():
        assert (record.score.probability, record.score.band, record.score.reason) == (None, "unscored", "model_failed")
        assert record.score.challenger is not None
        assert record.score.challenger.probability == rival_of(record.alert)
    assert all(list(outcome.scores) == [RIVAL] for outcome in rig.publisher.outcomes())


@pytest.mark.expects_errors
def test_a_team_s_champion_that_fails_leaves_the_others_scored() -> None:
    """Only the alerts of the failing model's teams are unscored, with the reason that the model failed."""
    served = ActiveModels((Says(OLD), Failing(NEW)), Pointer(OLD, {"team-1": NEW}))
    rig = rig_of(log_of(random_log(8)), served)
    rig.run()
    for record in rig.publisher.enriched():
        failed = record.alert.team == "team-1"
        assert record.score.reason == ("model_failed" if failed else None)
        assert (record.score.probability is None) == failed


class Buggy(Says):
    """Fails on every batch of an odd number of alerts, in a way that nobody thought of."""

    def __init__(self, version: str, error: BaseException, at: str = "inputs") -> None:
        super().__init__(version)
        self.error, self.at = error, at

    def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
        """As another model, but for the bug."""
        if self.at == "inputs" and len(alerts) % 2:
            raise self.error
        return super().inputs(rows, alerts)

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """As another model, but for the bug."""
        if self.at == "predict" and len(matrix) % 2:
            raise self.error
        if self.at == "shape" and len(matrix) % 2:
            return np.zeros(len(matrix) + 1)
        return super().predict(matrix, stop)


@pytest.mark.slow
@pytest.mark.expects_errors
@pytest.mark.parametrize("where", ["inputs", "predict", "shape"])
def test_a_bug_in_a_champion_costs_the_scores_of_its_batches_and_nothing_else(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Those alerts go out unscored as model_failed, counted and logged with a traceback once; history is the same."""
    log = log_of(random_log(10, alerts=300))
    sound, buggy = (
        rig_of(log, ActiveModels((Says(OLD),))),
        rig_of(log, ActiveModels((Buggy(OLD, KeyError("a bug"), where),))),
    )
    for rig in (sound, buggy):
        rig.run((17,))
    records = buggy.publisher.enriched()
    reasons = {record.score.reason for record in records}
    assert reasons == {None, "model_failed"}
    assert [record.alert for record in records] == [record.alert for record in sound.publisher.enriched()]
    first = {(record.alert.team, record.alert.alert_id): record for record in reversed(records)}
    assert all(record.why is not None for record in first.values())
    assert len(buggy.publisher.outcomes()) == len(sound.publisher.outcomes())
    histories = [rig.history for rig in (sound, buggy) if isinstance(rig.history, MemoryHistory)]
    levels = [{key: packed for (_, _, key), packed in one.levels.items()} for one in histories]
    assert levels[0] == levels[1] != {}
    failures = buggy.metrics.model_failures.labels(OLD)._value.get()
    assert failures > 1
    told = [record for record in caplog.records if "failed while scoring" in record.getMessage()]
    assert len(told) == 1
    assert told[0].exc_info is not None


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt()])
def test_what_is_no_fault_of_the_model_is_not_swallowed(error: BaseException) -> None:
    """No memory left, or an interrupt, ends the batch as it would without a model; so does a challenger's."""
    for served in (
        ActiveModels((Buggy(OLD, error),)),
        ActiveModels((Buggy(OLD, error, "predict"),)),
        ActiveModels((Says(OLD),), None, Challenger(Buggy(NEW, error), 60.0)),
    ):
        with pytest.raises(type(error)):
            rig_of(log_of(random_log(11, alerts=30)), served).run((1,))


def test_a_challenger_without_memory_is_not_dropped() -> None:
    """In its own thread too: what the process lacks is no fault of the challenger."""
    challenger = Challenger(Buggy(NEW, MemoryError(), "predict"), 60.0)
    with pytest.raises(MemoryError):
        rig_of(log_of(random_log(11, alerts=30)), ActiveModels((Says(OLD),), None, challenger)).run((1,))
    assert challenger.dropped is None


def test_a_challenger_that_gives_too_few_probabilities_is_dropped() -> None:
    """As one that fails; the champion's scores stand."""
    challenger = Challenger(Buggy(NEW, KeyError("unused"), "shape"), 60.0)
    rig = rig_of(log_of(random_log(11, alerts=30)), ActiveModels((Says(OLD),), None, challenger))
    rig.run((1,))
    assert challenger.dropped == "failed"
    assert all(record.score.probability is not None for record in rig.publisher.enriched())


def test_scores_of_simulated_alerts_on_others_are_flagged(caplog: pytest.LogCaptureFixture) -> None:
    """A simulated model's alerts are flagged unless they are simulated too, repeats as well; log and gauge say it."""
    events: list[Event] = []
    for number, labels in enumerate(({}, {"simulated": "true"}, {}, {"simulated": "true"})):
        raised = Raised(at(number), f"A{number}", f"team-{number // 2}", "r", "e", labels=labels)
        events += [raised, raised]
    served = ActiveModels((Says(OLD), Says(NEW)), Pointer(OLD, {"team-1": NEW}))
    served.champions[1].simulated = True
    rig = rig_of(log_of(events), served)
    rig.run((3,))
    flagged = [(record.alert.alert_id, "simulated" in record.flags) for record in rig.publisher.enriched()]
    assert sorted(flagged) == [(f"A{number}", number == 2) for number in range(4) for _ in range(2)]
    assert rig.metrics.model_simulated.labels(NEW)._value.get() == 1
    assert rig.metrics.model_simulated.labels(OLD)._value.get() == 0
    told = [record.getMessage() for record in caplog.records if "trained on simulated alerts" in record.getMessage()]
    assert len(told) == 1
    assert NEW in told[0]


def test_a_simulated_model_on_simulated_alerts_is_as_it_should_be(caplog: pytest.LogCaptureFixture) -> None:
    """As in the demo: no flag, no word, and the gauge stays at zero."""
    model = Says(OLD)
    model.simulated = True
    rig = rig_of(log_of([Raised(at(0), "A0", "team", "r", "e", labels={"simulated": "true"})]), ActiveModels((model,)))
    rig.run()
    (record,) = rig.publisher.enriched()
    assert (record.score.model, record.flags) == (OLD, [])
    assert rig.metrics.model_simulated.labels(OLD)._value.get() == 0
    assert not caplog.records


def test_models_of_a_batch_are_those_of_one_moment() -> None:
    """Whatever is assigned while a batch is worked on, all its alerts are scored by what served at its start."""
    log = log_of(random_log(9, alerts=200))

    class Swapping(Says):
        def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
            rig.served = ActiveModels((Swapping(NEW if self.version == OLD else OLD),))
            return super().inputs(rows, alerts)

    rig = rig_of(log, ActiveModels((Swapping(OLD),)))
    rig.run((50,))
    batches: dict[int, set[str | None]] = {}
    for record in rig.publisher.enriched():
        offset = int(record.offset.rsplit("/", 1)[1])
        if record.why is not None:  # a repeat carries the first score
            batches.setdefault(offset // 50, set()).add(record.score.model)
    assert all(len(models) == 1 for models in batches.values())
    assert {model for models in batches.values() for model in models} == {OLD, NEW}
    assert np.isfinite([r.score.probability for r in rig.publisher.enriched() if r.score.probability is not None]).all()


@pytest.mark.parametrize("challenger", [None, Challenge("rival", 0.5)])
@pytest.mark.parametrize("probability", [0.25, 1.0, None])
def test_a_score_of_before_there_were_versions_is_read(probability: float | None, challenger: Challenge | None) -> None:
    """Ledgers in Redis keep their scores over an upgrade; those of a newer noisegate are refused by their version."""
    score = Score(probability, "unsure", "champion", "strong", None, challenger)
    packed = pack_score(score)
    assert packed[0] == 1
    for kept in (packed, packed[1:]):
        assert unpack_score(msgspec.msgpack.decode(msgspec.msgpack.encode(kept))) == score
    assert unpack_score(None) == Score(None, "unscored", None, "none", "no_model")
    with pytest.raises(HistoryRefused, match="scores of version 2"):
        unpack_score([2, *packed[1:], "more"])


def test_a_text_that_was_cut_is_flagged_in_the_score_and_nowhere_else() -> None:
    """The enriched record has the flag `cut`, scored or not; outcomes and the history are the same bytes as without."""
    alerts = [raised(number, START.replace(minute=number)) for number in range(3)]
    acts = [acted(number, START.replace(minute=30 + number)) for number in range(3)]
    rigs, histories = [], []
    for cut in (None, True):
        events: list[Event] = [*(replace(alert, cut=cut) for alert in alerts), *acts, replace(alerts[0], cut=cut)]
        history = MemoryHistory()
        rigs.append(Rig(log_of(events), small_problem(), history))
        rigs[-1].run()
        kept = [*history.levels.items(), *history.entries.items()]
        histories.append([(key[2], value) for key, value in kept])  # without the history's own generation
    flags = [[one.flags for one in rig.publisher.enriched()] for rig in rigs]
    assert flags == [[[]] * 4, [["cut"]] * 4]
    outcomes = [[o.value for o in rig.publisher.outputs if o.topic == "alerts.outcomes"] for rig in rigs]
    assert outcomes[0] == outcomes[1] != []
    assert histories[0] == histories[1] != []
    away = [unscored(replace(alerts[0], cut=cut), START, "alerts.events/0/1").flags for cut in (None, True)]
    assert away == [[], ["cut"]]


def test_enriched_records_carry_the_features_of_the_score(small_model: Model) -> None:
    """By setting: float32, little-endian, in the model's order, which give the same probability; none when repeated."""
    events = lab_log(60)
    again = next(event for event in reversed(events) if isinstance(event, Raised))
    settings = make_settings(tick_seconds=0, enriched_features=True)
    rig = Rig(log_of([*events, again]), lab_problem(), MemoryHistory(), settings, small_model)
    rig.run((17,))
    *records, repeated = rig.publisher.enriched()
    matrix = np.stack([np.frombuffer(record.features or b"", dtype="<f4") for record in records])
    assert matrix.shape == (60, len(small_model.table))
    assert small_model.predict(matrix).tolist() == [record.score.probability for record in records]
    assert repeated.features is None


def test_features_are_left_out_by_setting_and_without_a_score(small_model: Model) -> None:
    """By default the field is absent, to the byte; switched on it is null without a model."""
    rig = Rig(log_of(lab_log(5)), lab_problem(), MemoryHistory(), model=small_model)
    rig.run()
    assert all(b'"features"' not in output.value for output in rig.publisher.outputs)
    settings = make_settings(tick_seconds=0, enriched_features=True)
    unscored = Rig(log_of(lab_log(5)), lab_problem(), MemoryHistory(), settings)
    unscored.run()
    assert {record.features for record in unscored.publisher.enriched()} == {None}


def test_words_name_the_push_exactly_where_they_differ_from_the_score(small_model: Model) -> None:
    """Each scored alert has the counts of its words; a push stands there only where they lie over 25 points apart."""
    rig = Rig(log_of(lab_log(400)), lab_problem(), MemoryHistory(), model=small_model)
    rig.run((97,))
    records = rig.publisher.enriched()
    whys = [record.why for record in records if record.why is not None]
    assert len(whys) == 400
    apart = [contradicts(record.score, record.why.like) for record in records if record.why is not None]
    pushed = [why.push is not None for why in whys]
    assert 0 < sum(pushed) <= sum(apart) < 100
    assert all(differs for differs, named in zip(apart, pushed, strict=True) if named)


class Unexplained(Says):
    """A model that scores a batch and fails when it is asked again."""

    asked = 0

    def predict(self, matrix: Matrix, stop: Stop | None = None) -> Array:
        """What was said, the first time."""
        self.asked += 1
        if self.asked % 2 == 0:
            raise ModelError("once is enough")
        return super().predict(matrix, stop)


def test_an_explanation_that_fails_costs_no_score() -> None:
    """The alerts of the batch keep their scores and counts, without a push, and the failure is reported."""
    model = Unexplained(OLD, lambda alert: 0.999, Thresholds(weak=0.0))
    (pure,) = folded(log_of(random_log(4, alerts=200)), PROBLEM).values()
    arrived = [one for one in pure.effects if isinstance(one, Arrived)]
    found = BatchScores(arrived, pure.take_rows(), ActiveModels((model,), Pointer(OLD)))
    assert model.asked == 2
    assert {score.probability for score in found.scores} == {0.999}
    assert {why.push for why in found.whys} == {None}
    assert any(why.like is not None for why in found.whys)
    assert [str(failure.error) for failure in found.failures] == ["once is enough"]
