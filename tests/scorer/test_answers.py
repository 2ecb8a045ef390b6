"""Champions and the challenger of one batch: whose score is whose, and what a bad challenger can't do."""

from collections.abc import Mapping, Sequence
from threading import Event as Gate

import numpy as np
import pytest

from stream.core.errors import ModelError
from stream.core.events import Acted, Event, Raised
from stream.core.frame import Array, Decayed, Inputs, Matrix
from stream.core.once import Once
from stream.core.scoring import Thresholds
from stream.lane.batch import Part
from stream.models.graph import Stop
from stream.models.pointers import Pointer
from stream.models.served import Challenger, Served
from stream.scorer.answers import Answers
from stream.scorer.decode import Decoded
from tests.scorer.logs import PROBLEM, at, random_log
from tests.scorer.memory_history import MemoryHistory
from tests.scorer.models import Says, by_name
from tests.scorer.rig import Log, Rig

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


def rig_of(log: Log, served: Served) -> Rig:
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


def test_each_team_has_its_champion_s_score() -> None:
    """Exact names, patterns and the default: probability, version, band and evidence are those of the team's model."""
    strict = Thresholds(likely_noise=0.0, likely_actionable=0.0, weak=0.0)
    old, new = Says(OLD), Says(NEW, rival_of, strict)
    rig = rig_of(log_of(random_log(3, alerts=120)), Served((old, new), Pointer(OLD, {"team-1": NEW, "*-3": NEW})))
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
    kept: list[Answers] = []
    rig = rig_of(log_of(random_log(4, alerts=50)), Served((Says(OLD), Says(NEW)), Pointer(OLD, {"team-1": NEW})))
    rig.served = Served(rig.served.champions, rig.served.pointer, Challenger(Says(RIVAL, rival_of), 5.0))
    answer = rig.room._answer

    def spy(decoded: Mapping[Part, Decoded]) -> Answers:
        kept.append(answer(decoded))
        return kept[-1]

    rig.room._answer = spy  # type: ignore[method-assign]  # a spy
    rig.run()
    (answers,) = [answers for answers in kept if answers.scores]
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
    rig = rig_of(log_of(random_log(5)), Served((Says(OLD),), Pointer(OLD), Challenger(Says(RIVAL, rival_of), 5.0)))
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
    rig = rig_of(log, Served((Says(OLD),), Pointer(OLD), Challenger(Says(RIVAL, rival_of), 5.0)))
    rig.assign()
    (records,) = log.records.values()
    (part,) = log.records
    rig.engine.step({part: records[:1]})
    rig.served = Served((Says(NEW, lambda alert: 0.5),), Pointer(NEW), Challenger(Says(OLD), 5.0))
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
    rig = rig_of(log_of(events), Served((Says(OLD),), Pointer(OLD)))
    rig.run((1,))
    closed, corrected, dismissed = rig.publisher.outcomes()
    for outcome, agent in ((closed, "automation"), (corrected, "person")):
        assert (outcome.severity, outcome.source, outcome.labels) == ("high", "monitor", alert.labels)
        assert outcome.agent == agent
    assert (dismissed.severity, dismissed.source, dismissed.labels, dismissed.agent) == (None, None, {}, None)
    episodes = {one.episode for one in rig.publisher.enriched()} | {one.episode for one in rig.publisher.outcomes()}
    assert len(episodes) == 1
    assert len(bytes.fromhex(str(episodes.pop()))) == 8


@pytest.mark.parametrize(("kind", "why"), [(Failing, "failed"), (Broken, "failed"), (Endless, "slow")])
def test_a_challenger_that_fails_or_is_slow_is_dropped_and_no_alert_is(kind: type[Says], why: str) -> None:
    """Its batch is flagged, the champion's scores stand, later batches go on without it, and a slow run is ended."""
    log = log_of(random_log(6))
    model = kind(RIVAL)
    challenger = Challenger(model, 0.05)
    rig = rig_of(log, Served((Says(OLD),), Pointer(OLD), challenger))
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
    rig = rig_of(log_of(random_log(7)), Served((), None, Challenger(Says(RIVAL, rival_of), 5.0), "model_failed"))
    rig.run()
    for record in rig.publisher.enriched():
        assert (record.score.probability, record.score.band, record.score.reason) == (None, "unscored", "model_failed")
        assert record.score.challenger is not None
        assert record.score.challenger.probability == rival_of(record.alert)
    assert all(list(outcome.scores) == [RIVAL] for outcome in rig.publisher.outcomes())


@pytest.mark.expects_errors
def test_a_team_s_champion_that_fails_leaves_the_others_scored() -> None:
    """Only the alerts of the failing model's teams are unscored, with the reason that the model failed."""
    served = Served((Says(OLD), Failing(NEW)), Pointer(OLD, {"team-1": NEW}))
    rig = rig_of(log_of(random_log(8)), served)
    rig.run()
    for record in rig.publisher.enriched():
        failed = record.alert.team == "team-1"
        assert record.score.reason == ("model_failed" if failed else None)
        assert (record.score.probability is None) == failed


def test_models_of_a_batch_are_those_of_one_moment() -> None:
    """Whatever is assigned while a batch is worked on, all its alerts are scored by what served at its start."""
    log = log_of(random_log(9, alerts=200))

    class Swapping(Says):
        def inputs(self, rows: Decayed, alerts: Sequence[Raised]) -> Inputs:
            rig.served = Served((Swapping(NEW if self.version == OLD else OLD),))
            return super().inputs(rows, alerts)

    rig = rig_of(log, Served((Swapping(OLD),)))
    rig.run((50,))
    batches: dict[int, set[str | None]] = {}
    for record in rig.publisher.enriched():
        offset = int(record.offset.rsplit("/", 1)[1])
        if record.why is not None:  # a repeat carries the first score
            batches.setdefault(offset // 50, set()).add(record.score.model)
    assert all(len(models) == 1 for models in batches.values())
    assert {model for models in batches.values() for model in models} == {OLD, NEW}
    assert np.isfinite([r.score.probability for r in rig.publisher.enriched() if r.score.probability is not None]).all()
