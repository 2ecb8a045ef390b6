"""`noisegate lab ...`: passed on to `stream.lab.cli`, which takes numpy to import and so waits until it is wanted."""

import typer

from stream.cli import options

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def lab(context: typer.Context) -> None:
    """Train and judge models (extra: lab)."""
    from stream.lab.cli import app

    app(context.args, prog_name="noisegate lab", obj=options.settings_file.get())
