"""Tables of figures, as the lab's verbs print them."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.console import SafeConsole, print_json, strip_control_characters
from stream.lab.judging.baselines import ALWAYS_NOISE, ALWAYS_NOISE_MEANING, title_of
from stream.lab.judging.bootstrap import LEAST_DAYS
from stream.lab.judging.metrics import MODEL
from stream.lab.judging.report_schema import Interval
from stream.lab.reporting.formats import weights_words
from stream.models.manifest import Figures, Manifest, Metrics

if TYPE_CHECKING:
    from stream.lab.judging.compare_models import Difference, ModelComparison
    from stream.lab.judging.evaluation import Evaluation

_LESS_IS_BETTER = ("brier", "log_loss", "ece")
_WIDTH = 110
_NAME = 16


def table_console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    return SafeConsole() if sys.stdout.isatty() else SafeConsole(width=_WIDTH)


def print_metrics(console: Console, metrics: Metrics, simulated: bool) -> None:
    """Print the model's figures beside the baselines'."""
    kept = f"{metrics.target_detection:.0%}"
    title = f"{metrics.judged:,} alerts judged, {metrics.label_rate:.1%} acted on{' (SIMULATED)' if simulated else ''}"
    print_figures(console, title, {MODEL: metrics.model, **metrics.baselines}, kept)
    console.print(f"* at the threshold that kept {kept} on the end of the training window")
    if metrics.weights is not None:
        console.print(f"judged: {weights_words(metrics.weights)}", highlight=False)


def print_trained(folder: Path, manifest: Manifest, problem: Path, out: Path, as_json: bool) -> None:
    """Print what a version that was just written is worth, and how to serve it."""
    if as_json:
        print_json({"folder": str(folder), "version": manifest.version, "metrics": manifest.metrics})
        return
    console = table_console()
    console.print(f"[bold]{escape(str(folder))}[/bold]  learnt from {manifest.training.used:,} alerts")
    if manifest.metrics is not None:
        print_metrics(console, manifest.metrics, manifest.training.simulated)
    if manifest.training.weights is not None:
        console.print(f"learnt from: {weights_words(manifest.training.weights)}", highlight=False)
    if manifest.gate is not None and not manifest.gate.passed:
        verb = "could not be tested" if manifest.gate.result == "not tested" else "failed"
        why = escape(strip_control_characters("; ".join(manifest.gate.faults)))
        console.print(
            f"The gate {verb}: {why}. `noisegate models promote` refuses this version unless you give a reason; "
            f"see {escape(str(folder / 'report.html'))}"
        )
        return
    served = shlex.join([f"NOISEGATE_PROBLEM={problem.resolve()}", f"NOISEGATE_MODEL_STORE={out.resolve()}"])
    console.print(
        f"To serve it: {escape(served)} noisegate models promote {manifest.version}"
        " (scorers with these two settings load it within seconds)"
    )


def print_evaluation(evaluation: "Evaluation", as_json: bool) -> None:
    """Print one model's figures beside the baselines'."""
    if as_json:
        print_json(evaluation)
        return
    console = table_console()
    console.print(f"[bold]{evaluation.model}[/bold]  {escape(evaluation.question)}")
    console.print(
        f"after {evaluation.split_at:%Y-%m-%d %H:%M} UTC; not judged: {evaluation.excluded:,} visibility-only or in a "
        f"flood, {evaluation.young:,} whose horizon had not passed"
    )
    print_metrics(console, evaluation.metrics, evaluation.simulated)


def print_comparison(comparison: "ModelComparison", as_json: bool) -> None:
    """Print the figures of several models on the same alerts, and what each is over the first."""
    if as_json:
        print_json(comparison)
        return
    console, first = table_console(), comparison.evaluations[0]
    metrics, kept = first.metrics, f"{first.metrics.target_detection:.0%}"
    simulated = " (SIMULATED)" if first.simulated else ""
    console.print(
        f"{escape(first.question)} after {first.split_at:%Y-%m-%d %H:%M} UTC, the latest of the splits", highlight=False
    )
    title = f"{metrics.judged:,} alerts judged, {metrics.label_rate:.1%} acted on{simulated}"
    models = {one.model: one.metrics.model for one in comparison.evaluations}
    print_figures(console, title, {**models, **metrics.baselines}, kept)
    console.print(f"* at the threshold that kept {kept} on the end of each model's training window")
    if metrics.weights is not None:
        console.print(f"judged: {weights_words(metrics.weights)}", highlight=False)
    for difference in comparison.differences:
        _print_difference(console, difference, comparison, kept)
    if comparison.days < LEAST_DAYS:
        console.print(f"The alerts are of {comparison.days} days, too few for intervals, which take {LEAST_DAYS}.")


def _print_difference(console: Console, difference: "Difference", comparison: "ModelComparison", kept: str) -> None:
    table = Table(title=f"{difference.model} - {difference.over}", title_justify="left", box=SIMPLE)
    table.add_column("figure", no_wrap=True)
    alerts = f"{comparison.evaluations[0].metrics.judged:,} alerts"
    for head in (alerts, f"{comparison.first_alerts:,} first of an episode", "better"):
        table.add_column(head, justify="right", no_wrap=True)
    labels = {"suppressed_target": f"suppressed at {kept}", "detection_fixed": "detection*", "log_loss": "log loss"}
    labels |= {"suppressed_fixed": "suppressed*", "auc": "AUC", "ece": "ECE", "brier": "Brier"}
    for name, found in difference.figures.items():
        episodes = None if difference.episodes is None else difference.episodes[name]
        less = name in _LESS_IS_BETTER
        table.add_row(labels[name], _difference(found), _difference(episodes), _better(found, less, difference))
    console.print(table)


def _difference(found: Interval | None) -> str:
    if found is None:
        return "-"
    return f"{found.value:+.3f}" if found.low is None else f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


def _better(found: Interval, less: bool, difference: "Difference") -> str:
    """Which version is surely better: the whole interval lies on its side of zero."""
    if found.low is None or found.high is None:
        return "not tested"
    if found.low <= 0.0 <= found.high:
        return "neither surely"
    return difference.model if (found.low > 0.0) != less else difference.over


def print_figures(console: Console, title: str, scores: Mapping[str, Figures], kept: str) -> None:
    """Print a table with one row a score, the first in bold, and what a score without knowledge is worth."""
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("score", min_width=_NAME, max_width=_NAME)
    for name in ("AUC", "ECE", "Brier", "log loss", f"suppressed at {kept}", "detection*", "suppressed*"):
        table.add_column(name, justify="right", no_wrap=not name.startswith("suppressed "))
    for number, (name, figures) in enumerate(scores.items()):
        table.add_row(title_of(name), *_cells(figures), style=None if number else "bold")
    console.print(table)
    if ALWAYS_NOISE in scores:
        console.print(ALWAYS_NOISE_MEANING, markup=False, highlight=False)


def _cells(of: Figures) -> list[str]:
    values = (of.auc, of.ece, of.brier, of.log_loss, of.suppressed_at, of.detection, of.suppressed)
    return [f"{value:.3f}" for value in values]
