"""What `lab train` and `lab adopt` share: a version is made of a log, its run noted, its worth printed."""

import os
import shlex
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Literal

from stream.config import load_problem
from stream.console import print_notice, stage_bars
from stream.lab.cli.options import chosen_log, make_out
from stream.lab.cli.output import print_trained
from stream.lab.cli.runs import SIMULATED, record_run
from stream.lab.runs import require_tracking, run_of


def write_version(
    verb: Literal["train", "adopt"],
    make: Callable[..., Path],
    log_options: tuple[Path | None, bool, bool, bool],
    problem: Path,
    out: Path,
    as_json: bool,
) -> None:
    """Make a version and print what it is worth.

    Args:
        verb: of the run log.
        make: makes it of a log, the problem and the folder of models, and returns its folder.
        log_options: the arguments of `chosen_log`.
        problem: the problem file.
        out: the folder of models.
        as_json: whether JSON is printed.
    """
    from stream.models.artifact import verify

    tracking = require_tracking(os.environ)
    definition = load_problem(problem)
    make_out(out)
    command, events = shlex.join(["noisegate", *sys.argv[1:]]), log_options[0]
    with chosen_log(*log_options) as log, stage_bars() as report_progress:
        with redirect_stdout(sys.stderr):  # an estimator may print while it learns
            folder = make(log, definition, out, command=command, progress=report_progress, notice=print_notice)
        run = run_of(verb, verify(folder), log, command, events.name if events else SIMULATED)
    record_run(run, folder, tracking)
    print_trained(folder, verify(folder), problem, out, as_json)
