"""The options that the lab's verbs share, and the log they name."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from stream.core.errors import LabError

Events = Annotated[Path | None, typer.Option(help="Event log: .jsonl, .jsonl.gz or .parquet, in order of time.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="Use the simulated organisation's log instead of a file.")]
ProblemFile = Annotated[Path, typer.Option(help="Problem file (TOML): what to predict.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON on standard output.")]


@contextmanager
def chosen_log(events: Path | None, simulated: bool) -> Iterator[Path]:
    """The log that --events names, or with --simulated a temporary file of the simulated organisation's.

    Raises:
        LabError: neither option is given, or both are.
    """
    if (events is None) == (not simulated):
        raise LabError("name one log: --events FILE or --simulated")
    if events is not None:
        yield events
        return
    from stream.simulation import write_events

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "simulated.jsonl.gz"
        write_events(log)
        yield log
