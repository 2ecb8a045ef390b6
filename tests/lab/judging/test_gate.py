"""The gate opens for a model that is surely better than the best baseline, and for no other."""

import numpy as np

from stream.core.features import Array
from stream.lab.judging.bootstrap import DAY, Drawn, days_of, draw
from stream.lab.judging.gate import best_of, judge_gate
from stream.lab.judging.metrics import Labels, threshold_for

RNG = np.random.default_rng(4)
TRUE = RNG.random(1_200)
Y: Labels = (RNG.random(1_200) < TRUE).astype(np.int8)
AT = np.arange(1_200) * DAY / 60
NOISY, BLIND = 0.5 * TRUE + 0.5 * RNG.random(1_200), np.full(1_200, 0.5)


def drawn(p: Array, days: int = 20) -> Drawn:
    """A score on the first days, its threshold that of 95 % detection."""
    within = days * DAY > AT
    y, scores = Y[within], p[within]
    return draw(y, scores, days_of(AT[within], 1, draws=200), 0.95, threshold_for(y, scores, 0.95))


def test_a_better_model_passes() -> None:
    """Scores that are the true rates beat noisy ones: each condition is told and holds."""
    gate = judge_gate(drawn(TRUE), {"noisy": drawn(NOISY), "blind": drawn(BLIND)}, ["noisy", "blind"])
    assert gate.passed
    assert [check.name for check in gate.checks] == [
        "AUC above noisy", "AUC above blind", "more noise suppressed than by noisy"
    ]  # fmt: skip


def test_the_best_baseline_itself_fails() -> None:
    """A model that is the best baseline gains nothing."""
    gate = judge_gate(drawn(NOISY), {"noisy": drawn(NOISY)}, ["noisy"])
    assert not gate.passed
    assert not any(check.passed for check in gate.checks)


def test_without_an_interval_nothing_passes() -> None:
    """A gain on too few days is not sure."""
    gate = judge_gate(drawn(TRUE, 5), {"blind": drawn(BLIND, 5)}, ["blind"])
    assert not gate.passed
    assert "too few days" in gate.checks[-1].text


def test_a_missing_score_fails() -> None:
    """What must be beaten and is not there is not beaten."""
    gate = judge_gate(drawn(TRUE), {}, ["last_outcome"])
    assert not gate.passed
    assert best_of({}, ["last_outcome"]) is None
