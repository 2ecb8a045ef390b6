"""The command `noisegate`: one verb a command; the only place where real things meet."""

import sys

import typer

from stream.config import load_settings
from stream.core.errors import NoisegateError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
run = typer.Typer(no_args_is_help=True, help="Run a room as a process.")
app.add_typer(run, name="run")


@run.command("scorer")
def run_scorer() -> None:
    """Score alerts.events into alerts.enriched and alerts.outcomes."""
    from stream.lane.run import run_worker
    from stream.logs import set_up_logs
    from stream.scorer.app import make_scorer

    settings = load_settings()
    set_up_logs(settings.log_level)
    scorer = make_scorer(settings)
    raise typer.Exit(run_worker(scorer.app, scorer.lane, settings))


def main() -> None:
    """Run the command; what a person did wrong is told in one sentence, with status 1."""
    try:
        app()
    except NoisegateError as error:
        sys.stderr.write(f"noisegate: {error}\n")
        sys.exit(1)
