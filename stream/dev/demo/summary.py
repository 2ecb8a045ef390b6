"""The closing figures: scores beside the outcomes that followed, and beside the five baselines."""

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from stream.core.errors import SettingsError
from stream.core.frame import Array, Labels
from stream.core.ledger import OUTCOME_NAMES
from stream.dev.demo.collector import Collector
from stream.dev.demo.plan import Plan
from stream.dev.demo.rules import RuleFigures
from stream.lab.judging import metrics
from stream.lab.judging.gate import judge_gate
from stream.lab.judging.metrics import MODEL
from stream.lab.judging.report_schema import Gate
from stream.lab.judging.score_figures import compare
from stream.models.artifact import verify

DETECTION = 0.95
SEED = 7  # of the gate's bootstrap
_LABELS = {name: code for code, name in OUTCOME_NAMES.items() if name != "unknown"}


class Figures(Struct, frozen=True):
    """None where a class is missing, so that there is nothing to tell."""

    auc: float | None
    ece: float | None
    suppressed_at_95: float | None


class Summary(Struct, frozen=True, kw_only=True):
    """What `--json` prints.

    `alerts` were replayed for scoring, after `history_alerts` without a score. Of them `judged` could be held against
    an outcome: neither visibility-only nor in a flood, scored, outcome known, and horizon and grace passed when the
    log ended, so that fast outcomes do not run ahead of slow ones. Latency is from an event's Kafka record to that of
    its enriched alert. `failed` records are of the whole log. `gate` is that of the problem's target on the judged
    alerts; None where their outcomes are not of both kinds. `rules` are those of the simulated organisation, on the
    scored alerts; none for another log.
    """

    alerts: int
    enriched: int
    failed: int
    failed_by_reason: dict[str, int]
    alerts_per_second: float
    latency_p50_seconds: float | None
    latency_p99_seconds: float | None
    auc: float | None
    ece: float | None
    suppressed_at_95: float | None
    baselines: dict[str, Figures]
    gate: Gate | None
    label_rate: float | None
    judged: int
    unscored: int
    excluded: int
    undecided: int
    likely_noise: float
    rules: list[RuleFigures]
    history_alerts: int
    events: int
    simulated: bool
    model: str
    model_source: str  # shipped, or trained on the log's first part
    problem: str
    split_at: datetime
    speed: str


class Judged(Struct, frozen=True, eq=False):
    """The alerts after the split that can be held against an outcome, and how many can't, by why."""

    indices: list[int]
    labels: Labels
    scores: Array
    unscored: int
    excluded: int
    undecided: int


def match_outcomes(plan: Plan, collected: Collector) -> Judged:
    """Bring together what was published of each alert after the split with what came of it."""
    indices, labels, scores = [], [], []
    unscored = excluded = undecided = 0
    mature, at = plan.replayed.mature, plan.replayed.at
    for key, index in plan.indices().items():
        seen = collected.enriched.get(key)
        if at[index] < plan.split.at or seen is None:
            continue
        label = _LABELS.get(collected.outcomes.get(key, ""))
        if seen.flags & {"flood", "visibility_only"}:
            excluded += 1
        elif seen.probability is None:
            unscored += 1
        elif label is None or not mature[index]:
            undecided += 1
        else:
            indices.append(index)
            labels.append(label)
            scores.append(seen.probability)
    return Judged(
        indices, np.array(labels, dtype=np.int8), np.array(scores, dtype=np.float64), unscored, excluded, undecided
    )


def figures(y: Labels, p: Array) -> Figures:
    """The figures of one score."""
    if not len(y):
        return Figures(None, None, None)
    values = metrics.auc(y, p), metrics.ece(y, p), metrics.suppressed_at(y, p, DETECTION)
    return Figures(*(None if math.isnan(value) else value for value in values))


def baseline_figures(baselines: Mapping[str, Array], judged: Judged) -> dict[str, Figures]:
    """The same of each baseline (float64[N] of the log's N alerts), which knows only what was known at each raise."""
    return {name: figures(judged.labels, known[judged.indices]) for name, known in baselines.items()}


def demo_gate(plan: Plan, judged: Judged, baselines: Mapping[str, Array], model: Path) -> Gate | None:
    """The gate on the scores as they were published; thresholds are those that the model's training fixed."""
    y, target = judged.labels, plan.problem.target
    if not len(y) or y.min() == y.max():
        return None
    scores = {MODEL: judged.scores} | {name: known[judged.indices] for name, known in baselines.items()}
    fixed = verify(model).training.fixed_thresholds
    compared = compare(y, plan.replayed.at[judged.indices], scores, fixed, target.detection, SEED)
    return judge_gate(compared.model, compared.others, compared.gains, target, len(y))


def save(folder: Path, collected: Collector, summary: Summary) -> None:
    """Write enriched.jsonl (each alert once), outcomes.jsonl and summary.json.

    Raises:
        SettingsError: the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "enriched.jsonl").write_bytes(b"".join(value + b"\n" for value in collected.kept.values()))
        (folder / "outcomes.jsonl").write_bytes(b"".join(value + b"\n" for value in collected.kept_outcomes))
        (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    except OSError as error:
        raise SettingsError(f"--save {folder}: can't be written: {error.strerror}") from None
