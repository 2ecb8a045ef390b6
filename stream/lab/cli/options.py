"""The options that the lab's verbs share, and the log they name."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stream.console import print_notice
from stream.core.errors import LabError
from stream.eventlog import clean_log, left_out_sentences

Events = Annotated[Path | None, typer.Option(help="Event log: .jsonl, .jsonl.gz or .parquet, in order of time.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Use the simulated organisation's log instead of a file.")]
ProblemFile = Annotated[Path, typer.Option(help="Problem file (TOML): what to predict.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON on standard output.")]

Decisions = Annotated[
    Path | None,
    typer.Option(help="Decisions of rules (JSON lines), by which labels of held-out alerts are weighed."),
]

SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out lines that are no events, counted by reason as the scorer would.")
]
Split = Annotated[float, typer.Option(help="Share of the alerts to train on, by raise time.")]
Prior = Annotated[
    list[str] | None,
    typer.Option("--prior", help="Learn the rates of this key too, such as label.region. May be given several times."),
]
Titles = Annotated[bool, typer.Option("--titles", help="Learn the rates of the words of titles too.")]
EstimatorName = Annotated[
    str | None,
    typer.Option(
        "--estimator",
        metavar="MODULE:FUNCTION",
        help="Learn with what this function returns, such as a scikit-learn pipeline, in place of LightGBM.",
    ),
]
ParamsFile = Annotated[Path | None, typer.Option("--params", help="TOML file with parameters of LightGBM.")]
Calibration = Annotated[str, typer.Option(help="Calibration: auto, none, platt or isotonic.")]
Sort = Annotated[bool, typer.Option("--sort", help="Bring the log in order of time first, in memory.")]


def make_out(out: Path) -> None:
    """Make the folder that --out names.

    Raises:
        LabError: it can't be created.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"--out {out}: this folder can't be created ({error.strerror})", "name another") from None


@contextmanager
def chosen_log(events: Path | None, simulated: bool, skip_bad: bool = False, sort: bool = False) -> Iterator[Path]:
    """The log that --events names, or with --simulated a temporary file of the simulated organisation's.

    With --skip-bad or --sort it is a temporary copy; what is left out of it is printed.

    Raises:
        LabError: neither option is given, or both are.
    """
    if (events is None) == (not simulated):
        raise LabError("name one log: --events FILE or --simulated")
    if events is not None and not (skip_bad or sort):
        yield events
        return
    if events is not None:
        with tempfile.TemporaryDirectory() as folder:
            copy = (
                Path(folder)
                / f"{events.name.removesuffix('.gz').removesuffix('.parquet').removesuffix('.jsonl')}.jsonl"
            )
            for sentence in left_out_sentences(clean_log(events, copy, skip_bad, sort)):
                print_notice(sentence)
            yield copy
        return
    from stream.simulation import write_events

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "simulated.jsonl.gz"
        write_events(log)
        yield log
