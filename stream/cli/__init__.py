"""The command `noisegate`: one verb a command; the only place where real things meet.

VERBS is the table of all of them. What a verb needs is imported when it runs, so that `noisegate --help` is quick.
Reports go to standard output, progress and errors to standard error.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from stream import __version__
from stream.cli import (
    demo,
    doctor,
    events,
    failed,
    history,
    imports,
    intake,
    lab,
    models,
    report,
    retrain,
    run,
    schema,
    shown,
    topics,
)
from stream.core.errors import NoisegateError
from stream.plain import plain
from stream.waiting import announce

app = typer.Typer(
    name="noisegate",
    help="For every operations alert, the probability that its team will act on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

VERBS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "replay": events.replay,
    "tail": events.tail,
    "doctor": doctor.doctor,
    "retrain": retrain.retrain,
    "schema": schema.schema,
}
GROUPS = {
    "run": run.app,
    "topics": topics.app,
    "failed": failed.app,
    "history": history.app,
    "models": models.app,
    "import": imports.app,
    "intake": intake.app,
    "report": report.app,
}

for name, verb in VERBS.items():
    app.command(name)(verb)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
app.command("lab", help=lab.lab.__doc__, context_settings=lab.PASSED_ON, add_help_option=False)(lab.lab)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"noisegate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    settings: Annotated[
        Path | None, typer.Option(help="A TOML file of settings; NOISEGATE_... variables go over it.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """For every operations alert, the probability that its team will act on it."""
    shown.settings_file.set(settings)
    announce.set(None if context.invoked_subcommand == "run" else shown.say_waiting)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what a person did wrong is told in one sentence, with status 1."""
    try:
        app(arguments, prog_name="noisegate")
    except NoisegateError as error:
        sys.stderr.write(f"noisegate: {plain(str(error))}\n")
        sys.exit(1)
