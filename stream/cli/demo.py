"""`noisegate demo`: the main job on a log, on this machine, with nothing installed."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.cli import options


def demo(
    events: Annotated[
        Path | None, typer.Option(help="An event log, .jsonl or .jsonl.gz; default: the simulated organisation.")
    ] = None,
    problem: Annotated[Path | None, typer.Option(help="Its problem file (TOML): what is predicted.")] = None,
    speed: Annotated[
        str, typer.Option(help="How many times faster than it happened the scored part is replayed, or max.")
    ] = "max",
    as_json: Annotated[bool, typer.Option("--json", help="End standard output with the summary as one line.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no page.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write enriched.jsonl, outcomes.jsonl and summary.json into this folder.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated organisation, and of training.")] = 7,
) -> None:
    """Replay a log through the real scorer and hold its scores against the outcomes that followed.

    The first 60 % of the alerts are history, unscored and at full speed; the rest is scored. The simulated organisation
    has its model with it; for a log of one's own a model is trained on the first part (extra: lab). Broker, Redis and
    scorer are started here and end with it (extra: embedded).
    """
    from stream.dev.demo import Request, run_demo

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is cleaned up
    request = Request(events=events, problem=problem, speed=speed, save=save, seed=seed)
    summary = run_demo(request, stderr_console())
    if as_json:
        print_json(summary)
