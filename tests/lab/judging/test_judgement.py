"""Judgement of a whole replay: they agree with the plain figures, add up, and are JSON."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from stream.core import features
from stream.core.errors import LabError
from stream.core.events import moment
from stream.core.ledger import FLOOD
from stream.lab.judging import metrics
from stream.lab.judging.baselines import score_baselines
from stream.lab.judging.judgement import (
    Case,
    encode_judgement,
    floods,
    judge_scores,
    judge_trained,
    team_notes,
)
from stream.lab.judging.metrics import MODEL
from stream.lab.judging.report_schema import Judgement
from stream.lab.learning.fit import fit_window
from stream.lab.learning.plan import Plan
from stream.lab.matrix import predict, served_matrix, training_matrix
from stream.lab.priors import choose_keys, learn
from stream.lab.replaying import Replayed, replay
from stream.lab.split import Window, judgeable, split_at_share, trainable
from stream.lab.training import train_replayed
from stream.models.model import load_model
from stream.progress import no_progress
from tests.lab.logs import lines, small_log, small_problem
from tests.lab.model_cache import small_model


@pytest.fixture(scope="module")
def long() -> Replayed:
    """4,000 alerts over four weeks."""
    return replay(lines(small_log(4_000)), small_problem())


def case_of(replayed: Replayed, name: str) -> Case:
    """A baseline as if it were the model."""
    split, baselines = split_at_share(replayed, 0.5), score_baselines(replayed)
    judged = judgeable(replayed, split)
    fixed = dict.fromkeys((MODEL, *baselines), 0.2)
    return Case(
        replayed=replayed,
        split=split,
        judged=judged,
        scores=baselines[name][judged],
        baselines=baselines,
        fixed=fixed,
        model="named",
        created=moment(1_800_000_000.0),
        command="test",
        simulated=True,
    )


@pytest.mark.slow
def test_a_baseline_as_the_model(long: Replayed) -> None:
    """Its figures are the plain ones, it gains nothing over itself, and the gate stays shut."""
    case = case_of(long, "team_rule_rate")
    found, y = judge_scores(case), long.outcome[case.judged]
    assert found.scores[0].auc.value == metrics.auc(y, case.scores)
    assert found.scores[0].name == MODEL
    assert found.scores[0].auc.low is not None
    gain = next(gain for gain in found.gains if gain.over == "team_rule_rate")
    assert (gain.auc.value, gain.auc.low, gain.auc.high) == (0.0, 0.0, 0.0)
    assert not found.gate.passed
    assert set(found.curves) == {MODEL, "team_rule_rate"}


@pytest.mark.slow
def test_counts_add_up(long: Replayed) -> None:
    """Every alert is in one count, one week and, if judged, one team."""
    found = judge_scores(case_of(long, "team_rate"))
    data = found.data
    counted = data.train_used + data.train_purged + data.judged + data.undecided
    assert counted + data.excluded_visibility + data.excluded_flood == data.alerts == 4_000
    assert sum(week.alerts for week in found.weeks) == 4_000
    assert (found.weeks[0].part, found.weeks[-1].part) == ("training", "test")
    assert found.teams is not None
    assert sum(team.count for team in found.teams.teams) == data.judged


@pytest.mark.slow
def test_the_last_outcome_as_the_model_is_a_shortcut(long: Replayed) -> None:
    """A model that repeats the last outcome is flagged, the rate of team and rule is not."""
    found = [judge_scores(case_of(long, name)).shortcut for name in ("last_outcome", "team_rule_rate")]
    assert [shortcut is not None and shortcut.flagged for shortcut in found] == [True, False]


@pytest.mark.slow
def test_a_leak_is_suspected(long: Replayed) -> None:
    """Scores that are the outcomes are far above any baseline: the notes say where to look."""
    case = case_of(long, "team_rate")
    found = judge_scores(replace(case, scores=long.outcome[case.judged].astype(np.float64)))
    assert any("look for a leak first" in note for note in found.notes)


def test_few_days_are_noted(small: Replayed) -> None:
    """Three days of alerts have figures without bounds, and a note; JSON reads back the same."""
    found = judge_scores(case_of(small, "team_rate"))
    assert found.scores[0].auc.low is None
    assert any("too few for intervals" in note for note in found.notes)
    assert msgspec.json.decode(encode_judgement(found), type=Judgement) == found


@pytest.mark.slow
def test_one_outcome_only_is_refused(long: Replayed) -> None:
    """Where all judged alerts are noise there is nothing to find."""
    case = case_of(long, "team_rate")
    noise = case.judged & (long.outcome == 0)
    with pytest.raises(LabError, match="noise"):
        judge_scores(replace(case, judged=noise, scores=np.full(int(noise.sum()), 0.1)))


@pytest.mark.slow
def test_a_trained_model(long: Replayed, tmp_path: Path) -> None:
    """Every section is there, shares add up, and no figure in the JSON is not a number."""
    plan = Plan(folds=0, params={"learning_rate": 0.2})
    model = load_model(train_replayed(long, tmp_path, plan=plan, judged=False), long.problem)
    end = split_at_share(long, 0.6)
    learnt = learn(long, choose_keys(long.alerts[: end.alert]), end.step, end.alert)
    chosen = list(features.table(long.problem.history.labels, list(learnt.priors.tables)).values())
    window = Window(long, end, trainable(long, end), training_matrix(long, learnt, chosen), chosen)
    baselines, judged = score_baselines(long), judgeable(long, end)
    fitted = fit_window(window, baselines, 7, no_progress, plan)
    scores = predict(model, served_matrix(long, model, np.flatnonzero(judged)))
    found = judge_trained(window, fitted, model, baselines, scores, judged, plan=plan)
    assert found.importance is not None
    assert sum(one.share for one in found.importance) == pytest.approx(1.0)
    assert found.drift is not None
    assert len(found.drift) == len(chosen)
    assert found.shortcut is not None
    assert len(found.shortcut.ablations) == 3
    assert found.shortcut.dependence
    assert found.ageing is not None
    assert sum(week.count for week in found.ageing.weeks) == found.data.judged
    assert sum(band.share for band in found.bands) == pytest.approx(1.0)
    json.loads(encode_judgement(found), parse_constant=pytest.fail)


def test_floods_are_judged_beside(small: Replayed, tmp_path: Path) -> None:
    """With every fifth alert in a flood, the rest is as judged and all together as if there were no flood."""
    model = load_model(small_model(tmp_path), small.problem)
    case = case_of(small, "team_rate")
    assert floods(case, model) is None
    every = predict(model, served_matrix(small, model, np.arange(len(small.alerts))))
    flood = np.arange(len(small.alerts)) % 5 == 0
    marked = replace(small, flags=np.where(flood, FLOOD, 0), counts=~flood)
    judged = judgeable(marked, case.split)
    found = floods(replace(case, replayed=marked, judged=judged, scores=every[judged]), model)
    assert found is not None
    assert found.flood_labelled + int(judged.sum()) == int(case.judged.sum())
    assert found.auc_without == metrics.auc(small.outcome[judged], every[judged])
    assert found.auc_with == pytest.approx(metrics.auc(small.outcome[case.judged], every[case.judged]))


@pytest.mark.slow
def test_one_team_and_teams_never_seen_are_told() -> None:
    """One sentence each, with the team: all alerts of one, and alerts of teams that came after the split."""
    one = judge_scores(case_of(replay(lines(small_log(600, teams=1)), small_problem()), "rule_rate"))
    assert [note for note in one.notes if "one team" in note] == team_notes([], ["team-0"])
    late = [
        event if event.at.day < 9 or event.team == "team-0" else msgspec.structs.replace(event, team="new")  # type: ignore[union-attr]
        for event in small_log(900)
    ]
    found = judge_scores(case_of(replay(lines(late), small_problem()), "rule_rate"))
    (told,) = [note for note in found.notes if "never seen" in note]
    of = next(team for team in found.teams.teams if team.name == "new")  # type: ignore[union-attr]
    assert told.startswith(f"{of.count:,} of {found.data.judged:,} judged alerts")
    assert "(1, most of 'new')" in told
    assert team_notes(["a", "b"], ["a", "a"]) == []
