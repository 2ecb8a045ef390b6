"""`noisegate lab adopt`: a model that was made elsewhere."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

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
)
from stream.lab.cli.version import write_version


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

    names = () if features is None else read_names(features)
    plan = make_plan(0, None, 1.0, True, calibration, priors=tuple(prior or ()), titles=titles, features=names)
    make = partial(adopt, model, split=split, seed=seed, plan=plan, decisions=decisions)
    write_version("adopt", make, (events, simulated, skip_bad, sort), problem, out, as_json)


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
