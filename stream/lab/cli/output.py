"""Tables of figures, as the lab's verbs print them."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream.console import SafeConsole, print_json, strip_control_characters
from stream.lab.judging.metrics import MODEL
from stream.models.manifest import Figures, Manifest, Metrics

_WIDTH = 110


def table_console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    return SafeConsole() if sys.stdout.isatty() else SafeConsole(width=_WIDTH)


def print_metrics(console: Console, metrics: Metrics, simulated: bool) -> None:
    """Print the model's figures beside the baselines'."""
    kept = f"{metrics.target_detection:.0%}"
    title = f"{metrics.judged:,} alerts judged, {metrics.label_rate:.1%} acted on{' (SIMULATED)' if simulated else ''}"
    print_figures(console, title, {MODEL: metrics.model, **metrics.baselines}, kept)
    console.print(f"* at the threshold that kept {kept} on the end of the training window")


def print_trained(folder: Path, manifest: Manifest, problem: Path, out: Path, as_json: bool) -> None:
    """Print what a version that was just written is worth, and how to serve it."""
    if as_json:
        print_json({"folder": str(folder), "version": manifest.version, "metrics": manifest.metrics})
        return
    console = table_console()
    console.print(f"[bold]{escape(str(folder))}[/bold]  learnt from {manifest.training.used:,} alerts")
    if manifest.metrics is not None:
        print_metrics(console, manifest.metrics, manifest.training.simulated)
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


def print_figures(console: Console, title: str, scores: Mapping[str, Figures], kept: str) -> None:
    """Print a table with one row a score, the first in bold."""
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("score", no_wrap=True)
    for name in ("AUC", "ECE", "Brier", "log loss", f"suppressed at {kept}", "detection*", "suppressed*"):
        table.add_column(name, justify="right", no_wrap=not name.startswith("suppressed "))
    for number, (name, figures) in enumerate(scores.items()):
        table.add_row(name, *_cells(figures), style=None if number else "bold")
    console.print(table)


def _cells(of: Figures) -> list[str]:
    values = (of.auc, of.ece, of.brier, of.log_loss, of.suppressed_at, of.detection, of.suppressed)
    return [f"{value:.3f}" for value in values]
