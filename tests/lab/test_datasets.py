"""A log as a table: the rows that training learns from and the judge judges, in and out of frames and files."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from stream.core.errors import LabError
from stream.eventlog import import_parquet
from stream.lab.datasets import COLUMNS, PARTS, Dataset, dataset, dataset_of, from_frame, read_dataset
from stream.lab.learning.plan import Plan
from stream.lab.matrix import served_matrix
from stream.lab.replaying import Replayed
from stream.lab.split import judgeable, split_at_share
from stream.models.model import load_model
from tests.lab.logs import small_log, small_problem, write
from tests.lab.model_cache import small_model
from tests.servers.availability import unavailable


@pytest.fixture(scope="module")
def data(small: Replayed) -> Dataset:
    """The small log's."""
    return dataset_of(small, 0.6, Plan())


def same(one: Dataset, other: Dataset) -> bool:
    """Whether two hold the same in every bit."""
    names: Sequence[str] = ("X", "y", "weights", "teams", "alert_ids", "times", "parts")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    equal = [np.array_equal(a, b, equal_nan=a.dtype.kind == "f") and a.dtype == b.dtype for a, b in pairs]
    return all(equal) and one.features == other.features


def test_the_test_part_is_what_is_judged(small: Replayed, data: Dataset, tmp_path: Path) -> None:
    """Its rows are those that a model trained on the same log reads of the alerts that it is judged on."""
    model = load_model(small_model(tmp_path), small.problem)
    judged = np.flatnonzero(judgeable(small, split_at_share(small, 0.6)))
    test = data.part("test")
    assert test.features == tuple(feature.name for feature in model.table)
    assert np.array_equal(test.X, served_matrix(small, model, judged), equal_nan=True)
    assert test.y.tolist() == small.outcome[judged].tolist()
    assert test.alert_ids.tolist() == [small.alerts[place].alert_id for place in judged.tolist()]
    assert test.times.astype(np.int64).tolist() == (small.at[judged] * 1e6).round().astype(int).tolist()


def test_parts_lie_behind_each_other(data: Dataset) -> None:
    """What is learnt from was raised before what is calibrated on, and that before what is judged."""
    times = [data.part(part).times for part in PARTS]
    assert all(len(part) for part in times)
    assert times[0].max() < times[1].min() <= times[1].max() < times[2].min()
    assert len(data) == sum(map(len, times))
    assert set(data.weights.tolist()) == {1.0}


def test_weights_fall_with_age(small: Replayed) -> None:
    """With a half-life the older of two alerts weighs less; the test part is not weighed."""
    aged = dataset_of(small, 0.6, Plan(recency_days=1.0))
    learning = aged.part("train")
    assert (np.diff(learning.weights) >= 0).all()
    assert learning.weights[0] < learning.weights[-1] / 2
    assert set(aged.part("test").weights.tolist()) == {1.0}


def test_a_frame_out_and_in_is_the_same(data: Dataset) -> None:
    """Through an Arrow table, also as any library that speaks Arrow's interface hands it over."""
    table = data.to_arrow()
    assert table.column_names[: len(COLUMNS)] == list(COLUMNS)
    assert same(from_frame(table), data)

    class Frame:
        """What pandas and polars have in common."""

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            """The rows, by Arrow's PyCapsule interface."""
            return table.__arrow_c_stream__(requested_schema)

    assert same(from_frame(Frame()), data)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_frame_of_another_library_is_the_same(data: Dataset, package: str) -> None:
    """Out to a DataFrame and in again, where the library is installed; else the library is named."""
    out = data.to_pandas if package == "pandas" else data.to_polars
    if find_spec(package) is not None:
        assert same(from_frame(out()), data)
        return
    with pytest.raises(LabError) as caught:
        out()
    assert str(caught.value) == f"to_{package} needs {package}, which is not installed; pip install {package}"


@pytest.mark.slow
@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_rows_chosen_in_another_library_are_the_same_alerts(data: Dataset, package: str, tmp_path: Path) -> None:
    """A part chosen there, and the Parquet and CSV files that it writes, come back as that part."""
    if find_spec(package) is None:
        unavailable(f"{package} is not installed")
    library, wanted = import_module(package), data.part("test")
    csv, parquet = tmp_path / "data.csv", tmp_path / "data.parquet"
    if package == "pandas":
        frame = data.to_pandas()
        chosen = frame[frame["part"] == "test"]
        chosen.to_csv(csv, index=False)
        chosen.to_parquet(parquet)
    else:
        frame = data.to_polars()
        chosen = frame.filter(frame["part"] == "test")
        chosen.write_csv(csv)
        chosen.write_parquet(parquet)
    for found in (from_frame(chosen), from_frame(library.read_csv(csv)), read_dataset(parquet)):
        assert np.array_equal(found.X, wanted.X, equal_nan=True)
        assert found.alert_ids.tolist() == wanted.alert_ids.tolist()
        assert found.times.tolist() == wanted.times.tolist()
        assert found.y.tolist() == wanted.y.tolist()


def test_a_file_out_and_in_is_the_same(data: Dataset, tmp_path: Path) -> None:
    """By a path as text; a file that is none of these is told."""
    path = str(tmp_path / "data.parquet")
    data.write(path)
    assert same(read_dataset(path), data)
    with pytest.raises(LabError, match="can't be written"):
        data.write(tmp_path / "none" / "data.parquet")
    with pytest.raises(LabError, match="can't be read"):
        read_dataset(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"team": ["a"]}, "the table lacks the column 'alert_id'"),
        ({name: [0] for name in COLUMNS}, "the table has no features"),
        ({**{name: [0] for name in COLUMNS}, "f": [1.0]}, "'part' must hold train, calibrate, test only"),
    ],
)
def test_another_table_is_told(columns: dict[str, list[object]], said: str) -> None:
    """What is missing is named."""
    with pytest.raises(LabError, match=said):
        from_frame(import_parquet()[0].table(columns))
    with pytest.raises(LabError, match="int is no table"):
        from_frame(7)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": [None, 1]}, "the column 'y' has no value in 1 rows"),
        ({"y": [0, 2]}, "the column 'y' must hold 0 and 1 only"),
        ({"y": [0.5, 1.0]}, "the column 'y' can't be read as int8: .*; cast it before$"),
        ({"weight": [1.0, -1.0]}, "the column 'weight' must hold numbers from 0 on only"),
        ({"team": ["a", None]}, "the column 'team' has no value in 1 rows"),
        ({"raised_at": ["yesterday", "today"]}, "the column 'raised_at' can't be read as timestamp"),
        ({"f": ["x", "y"]}, "the column 'f' can't be read as float: .*; cast it before, or leave it out$"),
    ],
)
def test_a_column_with_a_fault_is_told(change: dict[str, list[object]], said: str) -> None:
    """By its name, whatever a person did to the table before."""
    sound: dict[str, list[object]] = {"team": ["a", "b"], "alert_id": ["1", "2"], "y": [0, 1], "weight": [1.0, 2.0]}
    sound |= {"raised_at": [datetime(2026, 1, 1, tzinfo=UTC)] * 2, "part": ["train", "test"], "f": [None, 1.0]}
    table = import_parquet()[0].table
    assert np.isnan(from_frame(table(sound)).X[0, 0])
    with pytest.raises(LabError, match=said):
        from_frame(table({**sound, **change}))


def test_paths_may_be_text(tmp_path: Path) -> None:
    """The log is read from a path as text; features are chosen by name and order."""
    log = write(tmp_path / "log.jsonl", small_log(400))
    names = ("hour_sin", "team.rate_ever")
    found = dataset(str(log), small_problem(), features=names, priors=("label.env",))
    assert found.features == names
    assert found.X.shape == (len(found), 2)
    with pytest.raises(LabError, match=r"log\.jsonl: no alert .* has the label of 'label.region'; it has: env"):
        dataset(str(log), small_problem(), priors=("label.region",))
