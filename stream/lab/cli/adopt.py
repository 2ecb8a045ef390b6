"""`noisegate lab adopt`: a model that was made elsewhere."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from stream.config import load_problem
from stream.console import print_notice, stage_bars
from stream.core.errors import READABLE, LabError
from stream.lab.cli.options import (
    AsJson,
    Calibration,
    Decisions,
    Events,
    Prior,
    ProblemFile,
    Simulated,
    SkipBad,
    Sort,
    Split,
    Titles,
    chosen_log,
    make_out,
)
from stream.lab.cli.output import print_trained
from stream.lab.cli.runs import SIMULATED, record_run
from stream.lab.runs import require_tracking, run_of


def adopt_command(
    model: Annotated[Path, typer.Argument(help="ONNX file: float32 [N, F] in, probabilities out.")],
    problem: ProblemFile,
    out: Annotated[Path, typer.Option(help="Folder of models. The new version becomes a folder in it.")],
    events: Events = None,
    decisions: Decisions = None,
    simulated: Simulated = False,
    skip_bad: SkipBad = False,
    sort: Sort = False,
    features: Annotated[
        Path | None,
        typer.Option(help="File with the model's features, one a line, in the order of its columns. Default: all."),
    ] = None,
    split: Split = 0.6,
    seed: Annotated[int, typer.Option(help="Random seed of canaries and intervals.")] = 7,
    calibration: Calibration = "auto",
    prior: Prior = None,
    titles: Titles = False,
    as_json: AsJson = False,
) -> None:
    """Calibrate, check and judge an ONNX model that was made elsewhere, and write it as a new version."""
    from stream.lab.adoption import adopt
    from stream.lab.learning.plan import make_plan
    from stream.models.artifact import verify

    tracking = require_tracking(os.environ)
    names = () if features is None else read_names(features)
    plan = make_plan(0, None, 1.0, True, calibration, priors=tuple(prior or ()), titles=titles, features=names)
    definition = load_problem(problem)
    make_out(out)
    command = shlex.join(["noisegate", *sys.argv[1:]])
    with chosen_log(events, simulated, skip_bad, sort) as log, stage_bars() as report_progress:
        folder = adopt(
            model,
            log,
            definition,
            out,
            split=split,
            seed=seed,
            plan=plan,
            command=command,
            progress=report_progress,
            notice=print_notice,
            decisions=decisions,
        )
        run = run_of("adopt", verify(folder), log, command, events.name if events else SIMULATED)
    record_run(run, folder, tracking)
    print_trained(folder, verify(folder), problem, out, as_json)


def read_names(path: Path) -> tuple[str, ...]:
    """The names in a file, one a line; empty lines and those that begin with # are left out.

    Raises:
        LabError: it can't be read, or holds none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}", READABLE) from None
    names = tuple(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    if not names:
        raise LabError(f"{path}: names no feature", "write one name a line")
    return names
