"""The lab: how a model is made, judged and exported. Only training needs the extra `lab`.

sources    a table or a ServiceNow export, made an event log
auditing   what the log holds, and what in it would fool a model
replaying  the log through the fold: alerts, what became of them, and in which order things were known
priors     rates by rule, severity, source, entity and label, learnt from what was known
learning   trees, their number, calibration, thresholds, canaries: all from the training window
training   replay -> split by time -> learn -> ONNX -> judge -> artifact
judging    figures, baselines, intervals, the gate: a model on what came after its split
datasets   a log as a table to learn from with other tools; adoption: what they made becomes a version
reporting  what people read of a model: report.html, card.md, retrain.md
backtesting  training again every so often, beside training once
retraining   the loop for cron: pull, audit, train, judge beside the champion, publish as challenger

In a notebook the verbs have the names they have on the command line: `from stream.lab import replay, train, evaluate`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stream.config import load_problem as load_problem
    from stream.eventlog import read_log as read_log
    from stream.lab.adoption import adopt as adopt
    from stream.lab.auditing.audit import audit as audit
    from stream.lab.backtesting import backtest as backtest
    from stream.lab.datasets import dataset as dataset
    from stream.lab.judging.compare_models import compare_models as compare_models
    from stream.lab.judging.compare_models import score_models as score_models
    from stream.lab.judging.evaluation import evaluate as evaluate
    from stream.lab.replaying import replay as replay
    from stream.lab.training import train as train

_NAMES = {
    "adopt": "stream.lab.adoption",
    "audit": "stream.lab.auditing.audit",
    "backtest": "stream.lab.backtesting",
    "compare_models": "stream.lab.judging.compare_models",
    "dataset": "stream.lab.datasets",
    "evaluate": "stream.lab.judging.evaluation",
    "load_problem": "stream.config",
    "read_log": "stream.eventlog",
    "replay": "stream.lab.replaying",
    "score_models": "stream.lab.judging.compare_models",
    "train": "stream.lab.training",
}
__all__ = [
    "adopt", "audit", "backtest", "compare_models", "dataset", "evaluate", "load_problem", "read_log", "replay",
    "score_models", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a verb when it is first asked for: the lab's libraries take a second."""
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)
