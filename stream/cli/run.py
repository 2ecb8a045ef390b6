"""`noisegate run ...`: a room as a process."""

import typer

from stream.cli import options

app = typer.Typer(no_args_is_help=True, help="Run a part of noisegate as a process.")


@app.callback()
def rooms() -> None:
    """Run a part of noisegate as a process."""


@app.command("scorer")
def run_scorer() -> None:
    """Read alerts.events; publish scores to alerts.enriched and outcomes to alerts.outcomes."""
    from stream.lane.run import run_worker
    from stream.logs import set_up_logs
    from stream.scorer.worker import make_scorer

    settings = options.settings()
    set_up_logs(settings.log_level)
    scorer = make_scorer(settings)
    raise typer.Exit(run_worker(scorer.app, settings.log_level))
