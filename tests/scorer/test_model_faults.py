"""What models do wrong is logged with its cause once, then once a minute with a count."""

import logging

import pytest

from stream.core.limits import MODEL_FAULTS
from stream.metrics.scorer import ScorerMetrics
from stream.scorer.model_faults import Failure, ModelFaults

VERSION = "2026-03-01-01d0"


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.mark.expects_errors
def test_a_failure_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand failures in two minutes are three lines, the first with a traceback, and a thousand in the counter."""
    clock, metrics = Clock(), ScorerMetrics()
    faults = ModelFaults(metrics, clock)
    for number in range(1_000):
        clock.now = number * 0.125
        faults.failed([Failure(VERSION, ValueError("odd"))])
    assert metrics.model_failures.labels(VERSION)._value.get() == 1_000
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [bool(record.exc_info) for record in told] == [True, False, False]
    assert "failed while scoring a batch (ValueError: odd); its alerts are published unscored" in told[0].getMessage()
    assert "480 more batches (ValueError: odd)" in told[1].getMessage()


@pytest.mark.expects_errors
def test_another_kind_of_failure_has_its_own_cause(caplog: pytest.LogCaptureFixture) -> None:
    """Each model and each kind of error is logged with its traceback; what is remembered of them is bounded."""
    faults = ModelFaults(ScorerMetrics(), Clock())
    for number in range(3 * MODEL_FAULTS):
        faults.failed([Failure(f"{VERSION}{number:04x}", KeyError("a"))])
    faults.failed([Failure(f"{VERSION}{number:04x}", ZeroDivisionError())])
    told = [record for record in caplog.records if record.exc_info]
    assert len(told) == 3 * MODEL_FAULTS + 1
    assert "(ZeroDivisionError)" in told[-1].getMessage()
    assert len(faults._logged) <= MODEL_FAULTS
