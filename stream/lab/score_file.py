"""The scores of an evaluation as a table, one row an alert and model, with what pushed each score."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stream.core.errors import LabError
from stream.core.events import moment
from stream.core.scoring import band_of, evidence_of
from stream.core.text import strip_control_characters
from stream.eventlog import import_parquet
from stream.files import AnyPath, atomic_file
from stream.lab.judging.compare_models import JudgedScores, Scored

COLUMNS = (
    "team", "alert_id", "rule", "entity", "raised_at", "episode", "acted_on", "model", "probability", "band",
    "evidence", "reasons",
)  # fmt: skip
REASONS = 3  # of one alert, the strongest
_ROWS = 1_000  # whose reasons are found at once: each costs as much as some ten scores
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def check_score_path(path: Path) -> None:
    """Hold a path to a form that can be written, before a log is read for minutes.

    Raises:
        LabError: it is neither .parquet nor .csv, or the extra is not installed.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise LabError(f"--scores {path}: ends neither in .parquet nor in .csv", "name one of them")
    if path.suffix == ".parquet":
        import_parquet()


def write_scores(scored: Scored, path: AnyPath) -> int:
    """Write `COLUMNS` to a .parquet or .csv file, which replaces what is there when it is whole; returns its rows.

    `reasons` are the strongest pushes in log-odds, such as `entity -0.71, hour +0.32`, found as the scorer finds them.

    Raises:
        LabError: the name ends in something else, the file can't be written, or the extra is not installed.
    """
    path = Path(path)
    check_score_path(path)
    rows = [row for judged in scored.models for row in _rows(scored, judged)]
    try:
        with atomic_file(path) as file:
            if path.suffix == ".csv":
                file.write(_csv(rows))
            else:
                arrow, parquet = import_parquet()
                columns = list(zip(*rows, strict=True))
                parquet.write_table(arrow.table(dict(zip(COLUMNS, map(list, columns), strict=True))), file)
    except OSError as error:
        raise LabError(f"--scores {path}: can't be written: {error.strerror or error}") from None
    return len(rows)


def _rows(scored: Scored, judged: JudgedScores) -> Iterator[tuple[Any, ...]]:
    replayed, model = scored.replayed, judged.model
    for start in range(0, len(scored.places), _ROWS):
        part = slice(start, start + _ROWS)
        places = scored.places[part]
        alerts = [replayed.alerts[place] for place in places.tolist()]
        evidence = evidence_of(np.asarray(replayed.rows[places]), [one.team for one in alerts], model.thresholds)
        reasons = model.occlusion.rankings(judged.matrix[part], model.predict)
        scores = judged.scores[part].tolist()
        for number, (alert, place) in enumerate(zip(alerts, places.tolist(), strict=True)):
            yield (
                alert.team,
                alert.alert_id,
                alert.rule,
                alert.entity,
                moment(float(replayed.at[place])),
                int(replayed.episode[place]),
                int(replayed.outcome[place]),
                model.version,
                scores[number],
                band_of(scores[number], model.thresholds),
                evidence[number],
                ", ".join(f"{push.group} {push.by:+.2f}" for push in reasons[number][:REASONS]),
            )


def _csv(rows: list[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """The value; text that a spreadsheet would take as a formula begins with an apostrophe."""
    if not isinstance(value, str):
        return value.isoformat() if hasattr(value, "isoformat") else value
    safe = strip_control_characters(value)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe
