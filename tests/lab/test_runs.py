"""The run log: what a training or an evaluation was, and how often a log was looked at."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from stream.core.errors import LabError
from stream.lab.cli import app
from stream.lab.runs import FOLDER, PATIENCE, Run, looks, read_runs, require_tracking, run_of, track, write_run
from stream.models.artifact import verify
from tests.lab.logs import small_log, write
from tests.lab.model_cache import small_model

RUN = Run(
    at=datetime(2026, 1, 2, tzinfo=UTC),
    verb="train",
    command="noisegate lab train",
    log="log.jsonl",
    log_sha256="ab" * 32,
    problem="small@1234",
    split_at=datetime(2026, 1, 1, tzinfo=UTC),
    model="2026-01-02-abcd",
)


def test_a_run_is_what_was_trained(tmp_path: Path) -> None:
    """Its figures, options and parameters are the manifest's; the log is named with its hash."""
    manifest = verify(small_model(tmp_path))
    log = write(tmp_path / "log.jsonl", small_log())
    run = run_of("train", manifest, log, "noisegate lab train")
    assert (run.model, run.metrics, run.log) == (manifest.version, manifest.metrics, "log.jsonl")
    assert run.options["num_leaves"] == manifest.training.params["num_leaves"]
    assert run.gate == "failed"
    assert len(run.log_sha256) == 64
    assert run_of("train", manifest, log, "", "simulated").log == "simulated"


def test_runs_are_read_as_written_in_order_of_time(tmp_path: Path) -> None:
    """Whatever their files are called; a folder without any holds none."""
    assert read_runs(tmp_path) == []
    later = replace(RUN, at=RUN.at + timedelta(hours=1), verb="evaluate")
    for run in (later, RUN):
        assert write_run(run, str(tmp_path)).parent == tmp_path / FOLDER
    assert read_runs(tmp_path) == [RUN, later]


def test_a_file_that_is_no_run_is_told(tmp_path: Path) -> None:
    """With its path and what to do; a run log that can't be written, too."""
    write_run(RUN, tmp_path)
    (tmp_path / FOLDER / "a.json").write_text("{}")
    with pytest.raises(LabError, match=r"a\.json: is no run: .*; move it elsewhere"):
        read_runs(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="can't be written"):
        write_run(RUN, tmp_path / "file")


def test_looks_are_counted_by_the_log_s_content(tmp_path: Path) -> None:
    """Trainings and evaluations that judged count alike, whatever the log was called then."""
    metrics = verify(small_model(tmp_path)).metrics
    seen = replace(RUN, metrics=metrics)
    runs = [seen, replace(seen, log="renamed.jsonl", verb="evaluate"), RUN, replace(seen, log_sha256="cd" * 32)]
    assert looks(runs) == {"ab" * 32: 2, "cd" * 32: 1}


def test_the_verb_lists_runs_and_warns(tmp_path: Path) -> None:
    """A table, JSON on request; from five looks on a sentence; without runs, where they would be."""
    metrics = verify(small_model(tmp_path)).metrics
    for number in range(5):
        shown = CliRunner().invoke(app, ["runs", str(tmp_path)])
        assert "times" not in shown.stdout
        write_run(replace(RUN, metrics=metrics, at=RUN.at + timedelta(minutes=number)), tmp_path)
    shown = CliRunner().invoke(app, ["runs", str(tmp_path)])
    assert "Models were judged on log.jsonl 5 times." in " ".join(shown.stdout.split())
    assert "2026-01-02 00:04" in shown.stdout
    as_json = CliRunner().invoke(app, ["runs", str(tmp_path), "--json"])
    assert len(msgspec.json.decode(as_json.stdout)) == 5
    none = CliRunner().invoke(app, ["runs", str(tmp_path / "none")])
    assert isinstance(none.exception, LabError)
    assert "holds no run; name the folder of models" in str(none.exception)


def test_mlflow_is_wanted_only_where_its_address_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLFLOW_TRACKING_URI nothing is imported; with it a missing package is one sentence."""
    wanted = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
    assert require_tracking({}) is None
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "mlflow", None)
        with pytest.raises(LabError, match=r"needs mlflow, which is not installed; pip install 'noisegate\[mlflow\]'"):
            require_tracking(wanted)
    with monkeypatch.context() as there:
        there.setitem(sys.modules, "mlflow", client := ModuleType("mlflow"))
        assert require_tracking(wanted) is client
    assert wanted["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "5"
    assert wanted["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == PATIENCE["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns"])
def test_a_folder_that_mlflow_refuses_is_told_before_anything_is_learnt(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In MLflow's first sentence, with what helps; a server's address is not tried."""

    def refuse(where: str) -> None:
        raise RuntimeError(f"The backend {where} is in maintenance mode. Please migrate to a database. See the docs.")

    refusing = ModuleType("mlflow")
    refusing.MlflowClient = refuse  # type: ignore[attr-defined]  # what is used of it
    monkeypatch.setitem(sys.modules, "mlflow", refusing)
    with pytest.raises(LabError) as caught:
        require_tracking({"MLFLOW_TRACKING_URI": uri})
    assert caught.value.problem == f"MLFLOW_TRACKING_URI={uri}: The backend {uri} is in maintenance mode"
    assert "sqlite:///mlflow.db" in str(caught.value.mend)
    assert require_tracking({"MLFLOW_TRACKING_URI": "https://127.0.0.1:1"}) is refusing


class RecordingClient:
    """What `track` calls of MLflow's client, noted."""

    def __init__(self) -> None:
        self.calls: dict[str, Any] = {}

    def start_run(self, run_name: str) -> AbstractContextManager[None]:
        """A run that does nothing; MLflow prints at its end where it is."""
        print("a run is on its way")  # noqa: T201  # as MLflow does
        self.calls["start_run"] = run_name
        return nullcontext()

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        return lambda value: self.calls.update({name: value})


def test_a_run_is_tracked_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Experiment, name, parameters, figures, tags and files of the version go to its client, its words to stderr."""
    folder = small_model(tmp_path / "models")
    run = run_of("train", verify(folder), write(tmp_path / "log.jsonl", small_log()), "noisegate lab train")
    client = RecordingClient()
    assert track(client, run, folder) is None
    assert (client.calls["set_experiment"], client.calls["start_run"]) == ("small", folder.name)
    assert client.calls["log_params"]["num_leaves"] == "7"
    assert client.calls["log_metrics"]["model.auc"] == run.metrics.model.auc  # type: ignore[union-attr]
    assert client.calls["set_tags"]["model"] == folder.name
    assert client.calls["log_artifacts"] == str(folder)
    assert capsys.readouterr() == ("", "a run is on its way\n")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the library's own
def test_a_run_reaches_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the library's own file store: parameters, figures, tags and files of the version."""
    mlflow = pytest.importorskip("mlflow", reason="its client is in no lock")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert require_tracking(dict(os.environ)) is mlflow
    folder = small_model(tmp_path / "models")
    run = run_of("train", verify(folder), write(tmp_path / "log.jsonl", small_log()), "noisegate lab train")
    assert track(mlflow, run, folder) is None
    (found,) = mlflow.search_runs(experiment_names=["small"], output_format="list")
    assert found.data.metrics["model.auc"] == pytest.approx(run.metrics.model.auc)  # type: ignore[union-attr]
    assert found.data.params["num_leaves"] == "7"
    assert found.data.tags["model"] == folder.name


def test_a_server_that_is_away_costs_the_tracking_alone() -> None:
    """The sentence names no login, and nothing is raised."""

    def fail(name: str) -> None:
        raise ConnectionError(f"no answer from http://me:secret@127.0.0.1:1 for {name}")

    away: Any = SimpleNamespace(set_experiment=fail)
    assert track(away, RUN, None) == "not tracked in MLflow: no answer from http://***@127.0.0.1:1 for small"
