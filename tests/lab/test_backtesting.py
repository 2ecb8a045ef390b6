"""The backtest scores each step with what was known at its start, and says how training once would have done."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stream.core.errors import LabError
from stream.lab.backtesting import ONCE, RETRAINED, Backtest, backtest_replayed
from stream.lab.cli import app
from stream.lab.cli.backtest import days_of
from stream.lab.judging.baselines import score_baselines
from stream.lab.replaying import Replayed, replay
from stream.lab.split import judgeable, split_at_share
from tests.lab.logs import PROBLEM_TEXT, lines, small_log, small_problem, write

EVERY_DAYS = 1.0


@pytest.fixture(scope="module")
def found(small: Replayed) -> Backtest:
    """The small log (six days), trained again every day."""
    return backtest_replayed(small, every_days=EVERY_DAYS)


@pytest.mark.slow
def test_every_judged_alert_is_scored_once(small: Replayed, found: Backtest) -> None:
    """The steps' alerts are the alerts that a judgement after the split has, and each score is there for all."""
    judged = judgeable(small, split_at_share(small, 0.6))
    assert sum(step.judged for step in found.steps) == found.judged == np.count_nonzero(judged)
    assert set(found.scores) == {RETRAINED, ONCE, *score_baselines(small)}


@pytest.mark.slow
def test_later_steps_learn_from_more(found: Backtest) -> None:
    """Each training knows more outcomes than the one before it; the first step is scored by the same model twice."""
    learnt = [step.learnt_from for step in found.steps]
    assert learnt == sorted(set(learnt))
    assert len(learnt) > 1
    assert found.steps[0].auc[RETRAINED] == found.steps[0].auc[ONCE]


@pytest.mark.slow
def test_nothing_is_known_early(small: Replayed, found: Backtest) -> None:
    """With the log cut in its last step, every step before says what it said with the whole log."""
    start = found.steps[-1].start.timestamp() + small.problem.due_seconds
    cut = [line for line in lines(small_log()) if line.at < start]
    again = backtest_replayed(replay(cut, small_problem()), every_days=EVERY_DAYS, split=_share(small, cut_at=start))
    for before, after in zip(found.steps[:-1], again.steps, strict=False):
        assert before == after


def test_steps_have_a_length_and_a_limit(small: Replayed) -> None:
    """No length, and lengths that mean thousands of trainings, are told in one sentence."""
    with pytest.raises(LabError, match="above 0"):
        backtest_replayed(small, every_days=0.0)
    with pytest.raises(LabError, match="take longer"):
        backtest_replayed(small, every_days=0.001)
    with pytest.raises(LabError, match="such as 7d"):
        days_of("weekly")


@pytest.mark.slow
def test_the_verb_prints_steps_and_figures(tmp_path: Path) -> None:
    """A row a step, then retrained, trained once and the baselines side by side."""
    (problem := tmp_path / "problem.toml").write_text(PROBLEM_TEXT)
    log = write(tmp_path / "log.jsonl", small_log(600))
    words = ["backtest", "--events", str(log), "--problem", str(problem), "--every", "1d"]
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0
    for word in (RETRAINED, ONCE, "team_rule_rate", "learnt from"):
        assert word in printed.stdout


def _share(small: Replayed, cut_at: float) -> float:
    """The share that splits the cut log where 60 % splits the whole one."""
    return split_at_share(small, 0.6).alert / int(np.count_nonzero(small.at < cut_at))
