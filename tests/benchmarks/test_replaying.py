"""The replay benchmark runs on any log and says what it was made on; nothing is said about speed."""

from pathlib import Path

import pytest

from benchmarks.replaying import main, measure
from tests.lab.logs import PROBLEM_TEXT, small_log, write


def test_it_measures_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The problem beside the log is taken; counts are the log's, rates are above zero, the day and machine are told."""
    log = write(tmp_path / "small.jsonl", small_log(60))
    (tmp_path / "small.toml").write_text(PROBLEM_TEXT)
    speed = measure(log, tmp_path / "small.toml", rounds=1)
    assert (speed.alerts, speed.events) == (60, len(small_log(60)))
    assert min(speed.decoding, speed.folding, speed.replaying) > 0
    main([str(log), "--rounds", "1"])
    told = capsys.readouterr().out.splitlines()
    assert "cores" in told[0]
    assert told[2].split()[:3] == ["small.jsonl", str(speed.events), "60"]
