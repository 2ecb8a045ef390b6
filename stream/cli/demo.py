"""`noisegate demo`: the main job on a log, on this machine, with nothing installed."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.console import print_json, stderr_console


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
    save: Annotated[
        Path | None, typer.Option(help="Folder to write enriched.jsonl, outcomes.jsonl and summary.json to.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the simulation and of training.")] = 7,
) -> None:
    """Replay a log through the real scorer and compare its scores with the outcomes that followed.

    The first 60 % of the alerts build history, unscored and at full speed; the rest are scored. The simulated
    organisation ships with a model. For your own log, the demo trains one on the first part (extra: lab). The broker,
    Redis and the scorer start with the command and stop with it (extra: embedded).
    """
    from stream.dev.demo import Request, run_demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    request = Request(events=events, problem=problem, speed=speed, save=save, seed=seed)
    summary = run_demo(request, stderr_console())
    if as_json:
        print_json(summary)
