"""A log as a table to learn from: features as a live scorer sees them, labels, weights, ids and times."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core.errors import LabError, first_line
from stream.core.frame import Array, Labels, Mask, Matrix
from stream.core.problem import Problem
from stream.eventlog import import_parquet, read_log
from stream.extras import import_extra
from stream.files import AnyPath, atomic_file
from stream.lab.learning.plan import Plan
from stream.lab.learning.trees import weights_of
from stream.lab.log_checks import about, check_log, check_training
from stream.lab.matrix import known_matrix, make_window
from stream.lab.replaying import Replayed, replay
from stream.lab.sources.decisions import chances_of_file
from stream.lab.split import earlier_and_later, judgeable, split_at_share, trainable
from stream.lab.weights import label_weights, weigh
from stream.progress import Progress, no_progress

SPLIT = 0.6
Part = Literal["train", "calibrate", "test"]
PARTS: tuple[Part, ...] = ("train", "calibrate", "test")
COLUMNS = ("team", "alert_id", "raised_at", "part", "y", "weight")
"""The columns of a frame before those of the features."""


class Dataset(Struct, frozen=True, eq=False, kw_only=True):
    """N alerts that have an outcome, in order of their part, then of the log.

    Attributes:
        X: float32[N, F], one column a feature; NaN where it is not known.
        y: int8[N], 1 acted on and 0 noise.
        weights: float64[N], how much each alert counts when learnt from; in `test`, how many alerts it stands for.
        teams, alert_ids: what names each alert.
        times: datetime64[us][N], when it was raised, UTC.
        parts: which part each belongs to. `train`: known at four fifths of the training window. `calibrate`: raised
            after that and decided within the window. `test`: raised after the split; look at it once.
        features: the names of the columns, in their order.
    """

    X: Matrix
    y: Labels
    weights: Array
    teams: NDArray[np.str_]
    alert_ids: NDArray[np.str_]
    times: NDArray[np.datetime64]
    parts: NDArray[np.str_]
    features: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def part(self, *names: Part) -> "Dataset":
        """Only the alerts of these parts."""
        return self.take(np.isin(self.parts, names))

    def take(self, rows: Any) -> "Dataset":
        """Only these rows: indices or a mask."""
        names = ("X", "y", "weights", "teams", "alert_ids", "times", "parts")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def to_arrow(self) -> Any:
        """A `pyarrow.Table`: the columns of `COLUMNS`, then one a feature; a feature that is not known is NaN.

        Raises:
            LabError: the extra is not installed.
        """
        arrow = _arrow()
        columns = [self.teams, self.alert_ids, self.times, self.parts, self.y, self.weights]
        arrays = [arrow.array(column.tolist() if column.dtype.kind == "U" else column) for column in columns]
        arrays[2] = arrays[2].cast(arrow.timestamp("us", "UTC"))
        arrays += [arrow.array(np.ascontiguousarray(self.X[:, column])) for column in range(self.X.shape[1])]
        return arrow.Table.from_arrays(arrays, names=[*COLUMNS, *self.features])

    def to_pandas(self) -> Any:
        """The same as a pandas DataFrame.

        Raises:
            LabError: pandas is not installed.
        """
        _frames("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """The same as a polars DataFrame.

        Raises:
            LabError: polars is not installed.
        """
        return _frames("polars").from_arrow(self.to_arrow())

    def write(self, path: AnyPath) -> None:
        """Write a Parquet file, which replaces what is there when it is whole.

        Raises:
            LabError: it can't be written, or the extra is not installed.
        """
        path = Path(path)
        _, parquet = import_parquet()
        try:
            with atomic_file(path) as file:
                parquet.write_table(self.to_arrow(), file, compression="zstd")
        except OSError as error:
            raise LabError(f"{path}: can't be written: {error.strerror or error}") from None


def dataset(
    log: AnyPath,
    problem: Problem,
    *,
    split: float = SPLIT,
    recency_days: float | None = None,
    priors: Sequence[str] = (),
    titles: bool = False,
    features: Sequence[str] = (),
    decisions: AnyPath | None = None,
    progress: Progress = no_progress,
) -> Dataset:
    """The alerts of a log that can be learnt from or judged, each as it was known when it was raised.

    What was not decided at the split, is visibility-only or in a flood is left out, as `train` leaves it out.

    Args:
        log: an event log.
        problem: what an outcome is.
        split: the share of the alerts before the test part, by raise time.
        recency_days: the half-life of an alert's weight; None weighs all alike.
        priors: more keys whose rates are learnt, such as `label.region`.
        titles: whether the words of titles are features too.
        features: only these, in this order; all there are where it is empty.
        decisions: a file of the closer's, by which labels of held-out alerts are weighed.
        progress: called now and then.

    Raises:
        LogError: the log or the decisions can't be read.
        LabError: it holds too little.
    """
    plan = Plan(recency_days=recency_days, priors=tuple(priors), titles=titles, features=tuple(features))
    path, chances = Path(log), chances_of_file(decisions)
    replayed = weigh(replay(read_log(path, problem.outcome.grace_minutes * 60.0, progress), problem), chances)
    with about(path):
        return dataset_of(replayed, split, plan)


def dataset_of(replayed: Replayed, split: float, plan: Plan) -> Dataset:
    """The same of a replay."""
    check_log(replayed)
    end = split_at_share(replayed, split)
    usable = trainable(replayed, end)
    check_training(replayed.outcome[: end.alert][usable])
    window, learnt = make_window(replayed, end, usable, plan)
    earlier, later = earlier_and_later(window)
    learning, judging = np.flatnonzero(earlier), np.flatnonzero(later)
    test = np.flatnonzero(judgeable(replayed, end))
    places = np.concatenate([learning, judging, test])
    alerts = [replayed.alerts[place] for place in places.tolist()]
    sizes = (len(learning), len(judging), len(test))
    tested = known_matrix(replayed, learnt.priors, window.features, test)
    return Dataset(
        X=np.concatenate([window.matrix[learning], window.matrix[judging], tested]),
        y=replayed.outcome[places],
        weights=_weights(replayed, usable, plan)[places],
        teams=np.array([alert.team for alert in alerts], dtype=np.str_),
        alert_ids=np.array([alert.alert_id for alert in alerts], dtype=np.str_),
        times=np.round(replayed.at[places] * 1e6).astype(np.int64).astype("datetime64[us]"),
        parts=np.repeat(np.array(PARTS, dtype=np.str_), sizes),
        features=tuple(feature.name for feature in window.features),
    )


def _weights(replayed: Replayed, usable: Mask, plan: Plan) -> Array:
    """The weight of every alert: as it is learnt from within the training window, as it is judged outside."""
    judged, learnt = label_weights(replayed), weights_of(replayed, usable, plan)
    weights = np.ones(len(replayed.at)) if judged is None else judged
    if learnt is not None:
        weights[np.flatnonzero(usable)] = learnt
    return weights


def read_dataset(path: AnyPath) -> Dataset:
    """What `Dataset.write` wrote.

    Raises:
        LabError: it can't be read, or is another table.
    """
    arrow, parquet = import_parquet()
    try:
        table = parquet.read_table(Path(path))
    except (OSError, arrow.ArrowException) as error:
        raise LabError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from None
    return from_frame(table)


def from_frame(frame: Any) -> Dataset:
    """A dataset of a table with the columns of `COLUMNS` and one a feature, in any order of rows.

    Args:
        frame: a `pyarrow.Table`, or a DataFrame of pandas or polars.

    Raises:
        LabError: it is no such table, or the extra is not installed.
    """
    arrow = _arrow()
    try:
        table = frame if isinstance(frame, arrow.Table) else arrow.table(frame)
    except (TypeError, ValueError) as error:
        raise LabError(
            f"{type(frame).__name__} is no table that can be read: {first_line(error)}",
            "hand over a pyarrow.Table, or a DataFrame of pandas or polars",
        ) from None
    missing = [name for name in COLUMNS if name not in table.column_names]
    features = tuple(name for name in table.column_names if name not in COLUMNS and not name.startswith("__"))
    if missing or not features:
        raise LabError(f"the table lacks the column {missing[0]!r}" if missing else "the table has no features")
    teams, alert_ids, parts = (_known(table, name, arrow.string()) for name in ("team", "alert_id", "part"))
    _hold(set(parts.to_pylist()) <= set(PARTS), "part", f"must hold {', '.join(PARTS)} only")
    y = _known(table, "y", arrow.int8()).to_numpy()
    _hold(bool(np.isin(y, (0, 1)).all()), "y", "must hold 0 and 1 only")
    weights = _known(table, "weight", arrow.float64()).to_numpy()
    _hold(bool((np.isfinite(weights) & (weights >= 0.0)).all()), "weight", "must hold numbers from 0 on only")
    times = _known(table, "raised_at", arrow.timestamp("us", "UTC")).cast(arrow.int64()).to_numpy()
    columns = [_cast(table, name, arrow.float32()).to_numpy() for name in features]
    return Dataset(
        X=np.stack(columns, axis=1).astype(np.float32),
        y=y,
        weights=weights,
        teams=np.array(teams.to_pylist(), dtype=np.str_),
        alert_ids=np.array(alert_ids.to_pylist(), dtype=np.str_),
        times=times.astype("datetime64[us]"),
        parts=np.array(parts.to_pylist(), dtype=np.str_),
        features=features,
    )


def _cast(table: Any, name: str, kind: Any) -> Any:
    """The column as this type of Arrow; null where a value is not known."""
    arrow = _arrow()
    try:
        column = table[name]
        if column.type == arrow.string_view():  # polars' text, which Arrow casts to text only
            column = column.cast(arrow.string())
        return column.cast(kind)
    except (arrow.ArrowException, KeyError) as error:
        mend = "cast it before" if name in COLUMNS else "cast it before, or leave it out"
        raise LabError(f"the column {name!r} can't be read as {kind}: {first_line(error)}", mend) from None


def _known(table: Any, name: str, kind: Any) -> Any:
    """The same of a column that must have a value in each row."""
    column = _cast(table, name, kind)
    _hold(not column.null_count, name, f"has no value in {column.null_count} rows")
    return column


def _hold(holds: bool, name: str, fault: str) -> None:
    if not holds:
        raise LabError(f"the column {name!r} {fault}")


def _arrow() -> Any:
    return import_extra("pyarrow", "lab", "a table of a dataset needs", LabError)


def _frames(package: Literal["pandas", "polars"]) -> Any:
    try:
        return cast(Any, __import__(package))
    except ImportError:
        raise LabError(f"to_{package} needs {package}, which is not installed", f"pip install {package}") from None
