"""The verbs `lab train` and `lab evaluate`: results on standard output, one line of JSON on request."""

import re
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from stream.core.errors import LabError, LogError, NoisegateError, SettingsError
from stream.core.records import encode_record
from stream.eventlog import read_log
from stream.lab.cli import app
from stream.lab.cli.options import chosen_log
from stream.models.artifact import verify
from tests.lab.logs import PROBLEM_TEXT, small_log, write
from tests.lab.test_weights import acting_log


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options for a log and its problem file."""
    log, problem = write(tmp_path / "log.jsonl", small_log(400)), tmp_path / "problem.toml"
    problem.write_text(PROBLEM_TEXT)
    return ["--events", str(log), "--problem", str(problem)]


def run(*words: str) -> Result:
    """Run a verb; errors meant for people come out as they are."""
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, NoisegateError):
        raise result.exception
    return result


@pytest.mark.slow
def test_train_then_evaluate(files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both print a table with the model beside the baselines; the card's command is what was typed."""
    words = ["train", *files, "--out", str(tmp_path / "models")]
    monkeypatch.setattr(sys, "argv", ["noisegate", "lab", *words])
    trained = run(*words)
    evaluated = run("evaluate", *files[:2], "--model", str(tmp_path / "models"))
    for result in (trained, evaluated):
        assert result.exit_code == 0
        for word in (
            "model",
            "team_rule_rate",
            "one rate for all",
            "knows nothing of the alert",
            "AUC",
            "ECE",
            "suppressed at 95%",
            "alerts judged",
        ):
            assert word in result.stdout
        assert "reading" in result.stderr
        assert "reading" not in result.stdout
    folder = next((tmp_path / "models").glob("2*"))
    gate = verify(folder).gate
    assert gate is not None
    assert not gate.passed  # so the command that promote would refuse is not offered
    assert gate.result == "not tested"  # its test part is of a few days
    assert "The gate could not be tested: " in trained.stdout
    assert "To serve it" not in trained.stdout
    assert verify(folder).training.command == " ".join(["noisegate", "lab", *words])


@pytest.mark.slow
def test_json_is_one_line(files: list[str], tmp_path: Path) -> None:
    """With --json standard output holds one line, and both verbs give the same figures."""
    trained = run("train", *files, "--out", str(tmp_path / "models"), "--json", "--seed", "3", "--split", "0.5")
    content = msgspec.json.decode(trained.stdout)
    assert trained.stdout.count("\n") == 1
    assert Path(content["folder"]).name == content["version"]
    evaluated = msgspec.json.decode(run("evaluate", *files[:2], "--model", content["folder"], "--json").stdout)
    assert evaluated["model"] == content["version"]
    assert evaluated["metrics"] == content["metrics"]


@pytest.mark.slow
def test_json_is_one_line_whatever_an_estimator_prints(files: list[str], tmp_path: Path) -> None:
    """What it prints while it learns goes to stderr."""
    estimator = ("--estimator", "tests.lab.own_models:make_printing")
    trained = run("train", *files, "--out", str(tmp_path / "models"), "--json", *estimator)
    assert trained.stdout.count("\n") == 1
    assert msgspec.json.decode(trained.stdout)["version"]
    assert "learn: 0.5" in trained.stderr


def test_wrong_use_is_told(files: list[str], tmp_path: Path) -> None:
    """No log, two logs, no problem file: one sentence."""
    out = ["--out", str(tmp_path / "models")]
    for words in (files[2:], [*files, "--simulated"]):
        with pytest.raises(LabError, match="name one log"):
            run("train", *words, *out)
    with pytest.raises(SettingsError, match=r"nowhere\.toml' can't be read"):
        run("train", *files[:2], "--problem", "nowhere.toml", *out)


def test_lines_that_are_no_events_are_left_out_and_a_log_is_sorted(tmp_path: Path) -> None:
    """With both options a bad and disordered log is audited as its sound part is."""
    events = small_log(60)
    sound = write(tmp_path / "sound.jsonl", events)
    bad = write(tmp_path / "bad.jsonl", [*events[30:], *events[:30]])
    bad.write_bytes(bad.read_bytes() + b'{"type":"other"}\n')
    (tmp_path / "problem.toml").write_text(PROBLEM_TEXT, encoding="utf-8")
    words = ("audit", "--problem", str(tmp_path / "problem.toml"), "--json", "--events")
    with pytest.raises(LogError, match=r"is out of order: .*; sort it by `at` \(--sort\)"):
        run(*words, str(bad), "--skip-bad")
    cleaned = run(*words, str(bad), "--skip-bad", "--sort")
    assert cleaned.stdout == run(*words, str(sound)).stdout


def test_what_is_left_out_of_a_log_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The reason, the first line and what is wrong with it stand on standard error."""
    log = write(tmp_path / "log.jsonl", small_log(10))
    log.write_bytes(log.read_bytes() + b'{"type":"other"}\n')
    with chosen_log(log, simulated=False, skip_bad=True) as copy:
        assert len(list(read_log(copy))) == len(small_log(10))
    assert re.search(r"left out 1 lines: unknown_type, the first in line \d+: ", capfd.readouterr().err)


@pytest.mark.slow
def test_models_of_own_making_side_by_side(files: list[str], tmp_path: Path) -> None:
    """Own parameters, an own estimator and an adopted model on one log: a table of differences, and a run for each."""
    params, models = tmp_path / "params.toml", tmp_path / "models"
    params.write_text("num_leaves = 4\n")
    made = [["--params", str(params)], ["--estimator", "tests.lab.own_models:make", "--prior", "label.env"]]
    for words in made:
        assert run("train", *files, "--out", str(models), *words).exit_code == 0
    folders = sorted(models.glob("2*"))
    leaves = {verify(folder).training.params.get("num_leaves") for folder in folders}
    assert leaves == {4, None}
    scores = tmp_path / "scores.csv"
    chosen = [word for folder in folders for word in ("--model", str(folder))]
    compared = run("evaluate", *files[:2], *chosen, "--scores", str(scores))
    assert f"{folders[1].name} - {folders[0].name}" in compared.stdout
    assert "too few for intervals" in compared.stdout
    assert scores.read_text().startswith("team,alert_id,")
    found = msgspec.json.decode(run("evaluate", *files[:2], *chosen, "--json").stdout)
    assert len(found["evaluations"]) == 2
    listed = msgspec.json.decode(run("runs", str(models), "--json").stdout)
    assert [one["verb"] for one in listed] == ["train"] * 2 + ["evaluate"] * 4


def test_a_form_of_scores_that_is_not_known_is_told_first(files: list[str]) -> None:
    """Before model and log are looked at."""
    with pytest.raises(LabError, match=r"ends neither in \.parquet nor in \.csv"):
        run("evaluate", *files[:2], "--model", "nowhere", "--scores", "scores.xlsx")


@pytest.mark.slow
def test_decisions_weigh_what_is_trained_judged_and_backtested(tmp_path: Path) -> None:
    """--decisions beside --events: each verb prints the effective sample size, with --json it stands in the figures."""
    events, decisions = acting_log()
    log, file = write(tmp_path / "log.jsonl", events), tmp_path / "decisions.jsonl"
    file.write_bytes(b"".join(encode_record(one) + b"\n" for one in decisions))
    problem = tmp_path / "problem.toml"
    problem.write_text(PROBLEM_TEXT)
    files = ["--events", str(log), "--decisions", str(file)]
    trained = run("train", *files, "--problem", str(problem), "--out", str(tmp_path / "models"))
    assert "learnt from: " in trained.stdout
    assert "no decision says" not in trained.stderr
    evaluated = run("evaluate", *files, "--model", str(tmp_path / "models"), "--json")
    weights = msgspec.json.decode(evaluated.stdout)["metrics"]["weights"]
    assert 0 < weights["effective"] < msgspec.json.decode(evaluated.stdout)["metrics"]["judged"]
    for verb in (["evaluate", "--model", str(tmp_path / "models")], ["backtest", "--problem", str(problem)]):
        assert "effective sample size" in run(*verb, *files).stdout
    without = run("train", *files[:2], "--problem", str(problem), "--out", str(tmp_path / "plain"))
    assert "no decision says with which chance" in without.stderr
    assert "effective sample size" not in without.stdout
