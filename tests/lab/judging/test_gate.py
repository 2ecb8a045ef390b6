"""The gate opens for a model that is surely better than the best baseline, and for no other."""

import numpy as np

from stream.core.frame import Array, Labels
from stream.core.problem import Target
from stream.lab.judging.bootstrap import DAY, days_of, draw, gain_at_equal_detection
from stream.lab.judging.gate import LEAST_JUDGED, best_of, judge_gate
from stream.lab.judging.metrics import suppressed_at, suppressed_below, threshold_for
from stream.lab.judging.report_schema import Gain, Gate

RNG = np.random.default_rng(4)
TRUE = RNG.random(1_200)
Y: Labels = (RNG.random(1_200) < TRUE).astype(np.int8)
AT = np.arange(1_200) * DAY / 60
NOISY, BLIND = 0.5 * TRUE + 0.5 * RNG.random(1_200), np.full(1_200, 0.5)


DETECTION = 0.95


def threshold(p: Array) -> float:
    """The one that keeps 95 %."""
    return threshold_for(Y, p, DETECTION)


def gate(model: Array, others: dict[str, Array], fixed: float, days: int = 20, judged: int | None = None) -> Gate:
    """The gate of a model whose threshold was fixed before, against others, on the first days."""
    within = days * DAY > AT
    y, drawn_days = Y[within], days_of(AT[within], 1, draws=200)
    ours = draw(y, model[within], drawn_days, DETECTION, fixed)
    theirs = {name: draw(y, p[within], drawn_days, DETECTION, None) for name, p in others.items()}
    gains = [
        Gain(
            over=name,
            auc=ours.gain(theirs[name], "auc"),
            suppressed=gain_at_equal_detection(y, ours, p[within], drawn_days),
        )
        for name, p in others.items()
    ]
    return judge_gate(ours, theirs, gains, target(*others), judged)


def target(*names: str) -> Target:
    """What must be beaten; tests name scores of their own."""
    return Target(detection=DETECTION, must_beat=names)  # type: ignore[arg-type]


def test_a_better_model_passes() -> None:
    """Scores that are the true rates beat noisy ones: each condition is told and holds."""
    found = gate(TRUE, {"noisy": NOISY, "blind": BLIND}, threshold(TRUE))
    assert found.passed
    assert [check.name for check in found.checks] == [
        "AUC above noisy", "AUC above blind", "detection of 95% kept", "more noise suppressed than by noisy"
    ]  # fmt: skip


def test_one_auc_is_above_another_only_on_enough_alerts() -> None:
    """On one alert less than the named number it is not tested, and the gate not passed."""
    few = gate(TRUE, {"noisy": NOISY}, threshold(TRUE), judged=LEAST_JUDGED - 1)
    assert (few.passed, few.checks[0].passed) == (None, None)
    assert few.checks[0].text.endswith(f"; too few alerts to compare them, at least {LEAST_JUDGED} are needed")
    assert gate(TRUE, {"noisy": NOISY}, threshold(TRUE), judged=LEAST_JUDGED).passed is True


def test_the_best_baseline_itself_fails() -> None:
    """A model that is the best baseline gains nothing."""
    found = gate(NOISY, {"noisy": NOISY}, threshold(NOISY))
    assert [check.passed for check in found.checks] == [False, True, False]


def test_a_model_that_keeps_more_is_not_held_against_one_that_keeps_less() -> None:
    """With a cautious threshold it suppresses less than the baseline at 95 %, and more than it could at its own."""
    cautious = threshold_for(Y, TRUE, 0.99)
    at_95 = suppressed_at(Y, NOISY, DETECTION)
    assert suppressed_below(Y, TRUE, cautious) < at_95 < suppressed_at(Y, TRUE, DETECTION)
    assert gate(TRUE, {"noisy": NOISY}, cautious).passed


def test_a_model_that_suppresses_by_keeping_less_fails() -> None:
    """A threshold that lost a tenth of the actionable is told, however much noise it suppressed."""
    found = gate(TRUE, {"noisy": NOISY}, threshold_for(Y, TRUE, 0.85))
    assert [check.name for check in found.checks if not check.passed] == ["detection of 95% kept"]


def test_without_an_interval_nothing_passes() -> None:
    """A gain on too few days is not tested: the gate neither passed nor failed, and each condition says why."""
    found = gate(TRUE, {"blind": BLIND}, threshold(TRUE), days=5)
    assert (found.passed, found.result) == (None, "not tested")
    assert [check.result for check in found.checks] == ["passed", "not tested", "not tested"]
    assert all("too few days" in check.text for check in found.checks[-2:])


def test_a_failed_condition_is_not_hidden_by_one_that_was_not_tested() -> None:
    """A model that ranks worse fails, however few the days."""
    found = gate(BLIND, {"noisy": NOISY}, 0.5, days=5)
    assert [check.passed for check in found.checks] == [False, None, None]
    assert found.result == "failed"


def test_with_nothing_to_beat_detection_is_still_tested() -> None:
    """A problem that names no baseline asks for its detection alone; an empty list of conditions never passes."""
    assert [check.name for check in gate(TRUE, {}, threshold(TRUE)).checks] == ["detection of 95% kept"]
    assert gate(TRUE, {}, threshold(TRUE)).passed is True
    assert gate(TRUE, {}, threshold_for(Y, TRUE, 0.5)).passed is False


def test_a_missing_score_or_threshold_is_not_tested() -> None:
    """What must be beaten and is not there is not beaten, and what was not fixed is not made up."""
    days = days_of(AT, 1, draws=200)
    alone = judge_gate(draw(Y, TRUE, days, DETECTION, None), {}, [], target("last_outcome"))
    assert [check.passed for check in alone.checks] == [None, None, None]
    assert alone.passed is None
    unfixed = draw(Y, TRUE, days, DETECTION, None)
    found = judge_gate(unfixed, {"blind": draw(Y, BLIND, days, DETECTION, None)}, [], target("blind"))
    assert [check.passed for check in found.checks] == [True, None, None]
    assert best_of({}, ["last_outcome"]) is None
