"""`noisegate intake explain`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.sources.sender import SHIPPED, alert, group
from tests.sources.test_events import RAISED

EXPLAIN = ("intake", "explain")
RECEIVED = ("--received", "2026-11-24T12:00:00Z")


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """A file of a post with an alert that fires, one that ended, and one that can't be used."""
    file = tmp_path / "body.json"
    ended = alert("resolved", labels={"instance": "db-8", "team": "{{ x }}"}, endsAt="2026-11-24T11:00:00Z")
    file.write_text(json.dumps(group(alert(), ended, {**alert(), "startsAt": "soon"})), encoding="utf-8")
    return file


def test_a_body_is_shown_as_it_is_read(run: Run, body: Path) -> None:
    """Each event with its team, id, agent, and why; and what is refused, with the place."""
    ran = run(*EXPLAIN, str(body), "--source", "alertmanager", *RECEIVED)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0] == "1. raised 2026-11-24T10:00:00Z"
    assert lines[1] == "   team     payments (label:team)"
    assert "(made of source, fingerprint " in lines[2]
    assert lines[3] == "   rule     DiskFull, entity db-7, severity warning, 4 labels"
    assert (
        "unowned (the default, as nothing names a team; label:team has '{{ x }}', which stands for no value)" in ran.out
    )
    assert "kind     ended, agent automation (alertmanager line 1: resolved by none is ended, automation)" in ran.out
    assert "refused: alerts[2].startsAt: bad_time: 'soon' is no time" in ran.out


def test_json_says_the_same(run: Run, body: Path) -> None:
    """For machines: events as they would be published, and why."""
    report: Any = run(*EXPLAIN, str(body), "--source", "alertmanager", *RECEIVED, "--json").json
    assert [one["event"]["type"] for one in report["events"]] == ["raised", "raised", "acted"]
    assert report["events"][0]["team_why"] == "label:team"
    assert report["default_teams"] == 1
    assert [one["reason"] for one in report["refused"]] == ["bad_time"]


def test_nothing_understood_ends_with_three(run: Run, tmp_path: Path) -> None:
    """The body as a whole, or all that is in it, is refused; a test that needs nothing is understood."""
    file = tmp_path / "body.json"
    for value, status in ((b"{", 3), (b"{}", 3), (json.dumps(group({**alert(), "startsAt": 1})).encode(), 3)):
        file.write_bytes(value)
        assert run(*EXPLAIN, str(file), "--source", "alertmanager").status == status
    file.write_text(json.dumps({"evalMatches": []}))
    ran = run(*EXPLAIN, str(file), "--source", "grafana")
    assert (ran.status, "refused with status 422: this is legacy alerting" in ran.out) == (3, True)
    assert run(*EXPLAIN, str(file), "--source", "grafana", "--json").json["field"] == "alerts"
    button = {**alert(), "labels": {"alertname": "TestAlert", "instance": "Grafana"}}
    file.write_text(json.dumps(group(button)))
    ran = run(*EXPLAIN, str(file), "--source", "grafana", *RECEIVED)
    assert (ran.status, ran.out) == (0, "ignored: test\n")


def test_headers_and_options_are_files(run: Run, tmp_path: Path) -> None:
    """Headers say what the body is; the options name the mappings; without the setting there are none."""
    body, headers = tmp_path / "body", tmp_path / "headers"
    body.write_text(f"\n{json.dumps(RAISED)}\r\n{json.dumps(RAISED)}\n")
    headers.write_text("Content-Type: application/x-ndjson\n\n")
    ran = run(*EXPLAIN, str(body), "--source", "events", "--headers", str(headers), *RECEIVED)
    assert ran.status == 0
    assert "already known: not published again" in ran.out
    body.write_text(json.dumps({"version": "test", "incident": {}}))
    for options, env in ((("--options", str(SHIPPED)), {}), ((), {"NOISEGATE_SOURCES": str(SHIPPED)})):
        assert "ignored: test" in run(*EXPLAIN, str(body), "--source", "map/gcp", *options, env=env).out
    ran = run(*EXPLAIN, str(body), "--source", "map/gcp")
    assert ran.status == 1
    assert "a mapping needs a table [map.gcp] in the file of --options" in ran.err


def test_mistakes_are_one_sentence(run: Run, body: Path, tmp_path: Path) -> None:
    """A file, source or time that is wrong is named, with the mend."""
    for arguments, words in (
        ((str(tmp_path / "none"), "--source", "grafana"), "can't be read: No such file"),
        ((str(body), "--source", "prometheus"), "there is no source 'prometheus'; there are alertmanager"),
        ((str(body), "--source", "grafana", "--received", "soon"), "--received: 'soon' is no time"),
        ((str(body), "--source", "grafana", "--options", str(tmp_path / "none")), "can't be read"),
    ):
        ran = run(*EXPLAIN, *arguments)
        assert (ran.status, ran.out) == (1, "")
        assert words in ran.err
        assert len(ran.err.splitlines()) == 1


def test_a_hostile_body_can_not_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    """Escape sequences in a name become blanks."""
    file = tmp_path / "body.json"
    file.write_text(json.dumps(group(alert(labels={"alertname": "\x1b[2Jgone"}))))
    ran = run(*EXPLAIN, str(file), "--source", "alertmanager", *RECEIVED)
    assert "gone" in ran.out
    assert "\x1b" not in ran.out
