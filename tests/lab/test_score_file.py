"""The scores of an evaluation as a table: one row an alert and model, with the pushes that the scorer would find."""

import csv
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream.core.errors import LabError
from stream.eventlog import import_parquet
from stream.lab.judging.compare_models import Scored, load_models, score_replayed
from stream.lab.replaying import Replayed
from stream.lab.score_file import COLUMNS, REASONS, check_score_path, write_scores
from tests.lab.model_cache import small_model


@pytest.fixture(scope="module")
def scored(small: Replayed, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """One model on the small log."""
    return score_replayed(small, load_models([small_model(tmp_path_factory.mktemp("models"))]))


def test_a_csv_holds_a_row_for_each_judged_alert(scored: Scored, tmp_path: Path) -> None:
    """In log order, with the model's probability and outcome; reasons are those of the live function."""
    path = tmp_path / "scores.csv"
    assert write_scores(scored, str(path)) == len(scored.places)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert tuple(rows[0]) == COLUMNS
    alerts = [scored.replayed.alerts[place] for place in scored.places.tolist()]
    assert [row["alert_id"] for row in rows] == [alert.alert_id for alert in alerts]
    assert [float(row["probability"]) for row in rows] == scored.models[0].scores.tolist()
    assert [int(row["acted_on"]) for row in rows] == scored.replayed.outcome[scored.places].tolist()
    judged = scored.models[0]
    ranked = judged.model.occlusion.ranked(judged.matrix[7], judged.model.predict)
    assert rows[7]["reasons"] == ", ".join(f"{push.group} {push.by:+.2f}" for push in ranked[:REASONS])
    assert any(row["reasons"] for row in rows)


def test_a_parquet_file_holds_the_same(scored: Scored, tmp_path: Path) -> None:
    """With times as times and numbers as numbers."""
    path = tmp_path / "scores.parquet"
    write_scores(scored, path)
    table = import_parquet()[1].read_table(path)
    assert tuple(table.column_names) == COLUMNS
    assert table["probability"].to_pylist() == scored.models[0].scores.tolist()
    assert table["raised_at"][0].as_py().timestamp() == scored.replayed.at[scored.places[0]]


def test_a_name_that_a_spreadsheet_would_run_is_text(scored: Scored, tmp_path: Path) -> None:
    """A team called as a formula begins with an apostrophe; control characters are spaces."""
    place = int(scored.places[0])
    alerts = list(scored.replayed.alerts)
    alerts[place] = replace(alerts[place], team="=1+1", rule="disk\x1b[2J")
    path = tmp_path / "scores.csv"
    write_scores(replace(scored, replayed=replace(scored.replayed, alerts=alerts)), path)
    row = next(csv.DictReader(path.read_text().splitlines()))
    assert (row["team"], row["rule"]) == ("'=1+1", "disk [2J")


def test_what_can_not_be_written_is_told(scored: Scored, tmp_path: Path) -> None:
    """Another ending, before a log is read, and a folder that is not there."""
    with pytest.raises(LabError, match=r"s\.txt: ends neither in \.parquet nor in \.csv; name one of them"):
        check_score_path(tmp_path / "s.txt")
    with pytest.raises(LabError, match=r"s\.csv: can't be written: No such file"):
        write_scores(scored, tmp_path / "none" / "s.csv")
