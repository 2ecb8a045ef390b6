"""The command `noisegate`: one verb a command; the only place where real things meet.

VERBS is the table of all of them. What a verb needs is imported when it runs, so that `noisegate --help` is quick.
Reports go to standard output, progress and errors to standard error.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from stream import __version__
from stream.cli import (
    demo,
    dev,
    doctor,
    drill,
    events,
    failed,
    history,
    imports,
    intake,
    lab,
    models,
    options,
    problem,
    report,
    retrain,
    rules,
    run,
    schema,
    settings,
    topics,
)
from stream.console import print_notice, strip_control_characters
from stream.core.errors import NoisegateError
from stream.waiting import announce

app = typer.Typer(
    name="noisegate",
    help="Score operations alerts: the probability that the owning team will act on each one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

VERBS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "replay": events.replay,
    "tail": events.tail,
    "doctor": doctor.doctor,
    "drill": drill.drill,
    "retrain": retrain.retrain,
    "schema": schema.schema,
    "settings": settings.settings,
}
GROUPS = {
    "run": run.app,
    "topics": topics.app,
    "failed": failed.app,
    "history": history.app,
    "models": models.app,
    "import": imports.app,
    "problem": problem.app,
    "intake": intake.app,
    "report": report.app,
    "rules": rules.app,
    "dev": dev.app,
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
def configure(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--settings", help="TOML file with settings. NOISEGATE_... variables override it.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Score operations alerts: the probability that the owning team will act on each one."""
    options.settings_file.set(file)
    announce.set(None if context.invoked_subcommand == "run" else print_notice)


@cache
def root() -> Any:
    """The root of the command line, with all groups and verbs below it; typer's own click has no types to name."""
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; what a person did wrong is told in one sentence, with status 1."""
    try:
        root()(arguments, prog_name="noisegate")
    except NoisegateError as error:
        sys.stderr.write(f"noisegate: {strip_control_characters(str(error))}\n")
        sys.exit(1)
