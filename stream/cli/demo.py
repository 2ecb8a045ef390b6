"""`noisegate demo`: the main job on a log, on this machine, with nothing installed."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.console import print_json, stderr_console

_DISPLAYS = {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}


def demo(
    events: Annotated[
        Path | None, typer.Option(help="Event log to replay, .jsonl or .jsonl.gz. Default: a simulated organisation.")
    ] = None,
    problem: Annotated[Path | None, typer.Option(help="Problem file (TOML) of your log: what to predict.")] = None,
    speed: Annotated[str, typer.Option(help="Speed of the scored part, in multiples of real time, or max.")] = "max",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one line of JSON on standard output.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a web page.")] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Serve the page on this port in any case; 0 takes a free one."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Folder to write enriched.jsonl, outcomes.jsonl and summary.json to.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the simulation and of training.")] = 7,
) -> None:
    """Replay a log through the real scorer and compare its scores with the outcomes that followed.

    The first 60 % of the alerts build history, unscored and at full speed; the rest are scored. The simulated
    organisation ships with a model. For your own log, the demo trains one on the first part (extra: lab). The broker,
    Redis and the scorer start with the command and stop with it (extra: embedded).

    On a terminal, and without --json, it then opens a page of live alerts on which you give verdicts, and runs until
    Ctrl-C (extra: web). For the page, and in what --save writes beside it, the log is moved by whole weeks, or days if
    it is shorter than one, towards now.
    """
    from stream.dev.demo import Request, run_demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    console = stderr_console()
    attended = console.is_terminal and not os.environ.get("CI") and not no_browser
    request = Request(
        events=events,
        problem=problem,
        speed=speed,
        save=save,
        seed=seed,
        port=port,
        page=attended and not as_json,
        browser=attended and _has_display(),
    )
    run_demo(request, console, print_json if as_json else lambda _: None)


def _has_display() -> bool:
    return sys.platform in ("darwin", "win32") or bool(_DISPLAYS & os.environ.keys())
