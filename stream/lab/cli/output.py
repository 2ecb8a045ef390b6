"""Tables of figures, as the lab's verbs print them."""

import sys
from collections.abc import Mapping

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from stream.console import SafeConsole
from stream.lab.judging.baselines import ALWAYS_NOISE, ALWAYS_NOISE_MEANING, title_of
from stream.lab.judging.metrics import MODEL
from stream.models.manifest import Figures, Metrics

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
