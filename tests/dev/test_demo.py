"""The demo: real servers, a real scorer, and figures that are the lab's own."""

import json
import math
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from msgspec.structs import replace
from rich.console import Console

from stream.config import load_problem
from stream.core.events import Acted, Raised, encode_event
from stream.core.records import decode_enriched, decode_outcome
from stream.dev.demo.live import moved
from stream.dev.demo.plan import Parts, make_plan
from stream.dev.demo.summary import figures
from stream.dev.demo.view import Snapshot, gate_sentence, line, render
from stream.dev.shipped import shipped_models, simulated_problem
from stream.eventlog import read_log
from stream.lab.judging.evaluation import evaluate_replayed
from stream.lab.judging.report_schema import Check, Gate
from stream.lab.rule_backtest import WARNING
from stream.lab.training import train_replayed
from stream.models.artifact import verify
from stream.models.model import load_model
from stream.models.store import find
from stream.progress import no_progress
from stream.simulation import write_events
from tests.waits import until

SERVERS = 3  # broker, Valkey, scorer
PAGE_SERVERS = SERVERS + 2  # and triage, closer
DEADLINE_SECONDS = 300
MINE = ("auc", "ece", "suppressed_at_95")
RULES = ["legacy-erp-quiet", "data-science-jobs", "outside-production"]
BASELINES = {"always_noise", "team_rate", "rule_rate", "team_rule_rate", "last_outcome"}


def demo(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "stream", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        env={**os.environ, **(env or {})},
        check=False,
    )


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The summary, which must be the one line on standard output."""
    assert done.returncode == 0, done.stderr
    (only,) = done.stdout.splitlines()
    summary: dict[str, Any] = json.loads(only)
    assert summary["alerts"] == summary["enriched"]
    assert set(summary["baselines"]) == BASELINES
    assert summary["judged"] + summary["excluded"] + summary["undecided"] + summary["unscored"] <= summary["alerts"]
    assert 0 < summary["latency_p50_seconds"] <= summary["latency_p99_seconds"]
    assert summary["alerts_per_second"] > 0
    return summary


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small log of the simulated organisation."""
    path = tmp_path_factory.mktemp("log") / "simulated.jsonl.gz"
    write_events(path, scale=0.05)
    return path


@pytest.mark.slow
def test_log_of_ones_own(log: Path, tmp_path: Path) -> None:
    """A model is trained on the first part and scores the rest; live figures equal those of the lab, and the saved
    records give them again."""
    problem_file, saved = simulated_problem(), tmp_path / "saved"
    arguments = ("--events", str(log), "--problem", str(problem_file), "--save", str(saved))
    summary = summary_of(demo(*arguments, "--speed", "10000000", "--no-browser", "--json"))
    assert summary["simulated"] is True
    assert summary["model_source"] == "trained"
    assert json.loads((saved / "summary.json").read_text(encoding="utf-8")) == summary

    problem = load_problem(problem_file)
    replayed = make_plan(log, problem, no_progress).replayed
    model = load_model(train_replayed(replayed, tmp_path / "models"), problem)
    lab = evaluate_replayed(replayed, model).metrics
    assert summary["judged"] == lab.judged
    assert summary["auc"] == pytest.approx(lab.model.auc, abs=1e-6)
    assert summary["ece"] == pytest.approx(lab.model.ece, abs=1e-5)
    for name, known in lab.baselines.items():
        assert summary["baselines"][name]["auc"] == pytest.approx(known.auc, abs=1e-9)

    enriched = [decode_enriched(value) for value in (saved / "enriched.jsonl").read_bytes().splitlines()]
    outcomes = [decode_outcome(value) for value in (saved / "outcomes.jsonl").read_bytes().splitlines()]
    assert {record.alert.alert_id for record in enriched} == {alert.alert_id for alert in replayed.alerts}
    assert len(enriched) == len(replayed.alerts) == summary["alerts"] + summary["history_alerts"]
    assert sum(record.score.probability is not None for record in enriched) == summary["alerts"]
    assert not any("simulated" in record.flags for record in enriched)
    came = {record.alert_id: record.outcome for record in outcomes}
    expected = {index: outcome for index, outcome in enumerate(replayed.outcome.tolist()) if replayed.mature[index]}
    codes = {"noise": 0, "actionable": 1, "unknown": 2}
    assert expected == {index: codes[came[replayed.alerts[index].alert_id]] for index in expected}


@pytest.mark.slow
@pytest.mark.skipif(shipped_models() is None, reason="no model is shipped")
def test_simulated_organisation_with_the_shipped_model() -> None:
    """The default input is scored by the shipped model, says that it is simulated, and gives the figures of its
    manifest."""
    done = demo("--json")
    summary = summary_of(done)
    assert (summary["simulated"], summary["model_source"]) == (True, "shipped")
    assert "SIMULATED" in done.stderr
    models = shipped_models()
    assert models is not None
    metrics = verify(find(models)).metrics
    assert metrics is not None
    assert summary["model"] == find(models).name
    assert summary["auc"] == pytest.approx(metrics.model.auc, abs=1e-6)
    assert summary["judged"] == metrics.judged
    assert summary["auc"] > max(known["auc"] for known in summary["baselines"].values())
    assert summary["gate"]["passed"] is True
    assert "The gate passed on all of its 7 conditions." in done.stderr
    assert [rule["name"] for rule in summary["rules"]] == RULES
    for rule in summary["rules"]:
        assert rule["matched"] >= rule["would_pause"] >= rule["judged"] >= rule["acted"]
        counted = f"{rule['would_pause']:,} of {rule['matched']:,} alerts, {rule['acted']:,} of them acted on"
        assert f"{rule['name']} would have paused {counted}" in done.stderr
    assert WARNING in done.stderr
    assert "one rate for all" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "auc"), [("uci_incidents", 0.68), ("london_fire_calls", 0.765)])
def test_real_logs(shared_data: Path, name: str, auc: float) -> None:
    """On both real logs the model beats every baseline and is calibrated; the gate's verdict is the lab's."""
    log, problem = shared_data / f"{name}.jsonl.gz", shared_data / f"{name}.toml"
    done = demo("--events", str(log), "--problem", str(problem), "--json")
    summary = summary_of(done)
    failed = [check["text"] for check in summary["gate"]["checks"] if check["passed"] is False]
    if name == "uci_incidents":
        (text,) = failed
        assert "kept 90.4% of the actionable" in text
        assert f"The gate failed: detection of 95% kept ({text}). The model is used for this demo only" in done.stderr
    else:
        assert failed == []
    assert summary["simulated"] is False
    assert summary["rules"] == []
    assert summary["auc"] >= auc
    assert summary["auc"] > max(known["auc"] for known in summary["baselines"].values())
    assert summary["ece"] < 0.06


def test_the_gate_is_told_in_one_sentence() -> None:
    """Passed; failed, with each condition that did; not tested, with each that was not; or no gate for one class."""
    good, bad = Check("AUC above b", True, "AUC 0.7, b has 0.6"), Check("detection of 95% kept", False, "kept 90.4%")
    untested = Check("more noise suppressed than by b", None, "too few days")
    only = "The model is used for this demo only: `noisegate models promote` would refuse it without a reason."
    assert gate_sentence(Gate(True, [good])) == "The gate passed on all of its 1 conditions."
    assert gate_sentence(Gate(False, [good, bad, untested])) == (
        f"The gate failed: detection of 95% kept (kept 90.4%). {only}"
    )
    assert gate_sentence(Gate(None, [good, untested])) == (
        f"The gate was not tested: more noise suppressed than by b (too few days). {only}"
    )
    assert gate_sentence(None) == f"The gate was not tested: the outcomes are not of both kinds. {only}"


@pytest.mark.slow
def test_what_a_person_did_wrong(log: Path, tmp_path: Path) -> None:
    """Wrong arguments and logs are one sentence and status 1, before anything is replayed."""
    problem, bad = str(simulated_problem()), tmp_path / "bad.jsonl"
    bad.write_bytes(b'{"type":"raised"}\n')
    cases = {
        ("--events", str(log)): "--events needs --problem",
        ("--events", str(tmp_path / "none.jsonl"), "--problem", problem): "none.jsonl: can't be read",
        ("--events", str(bad), "--problem", problem): "line 1: bad_field",
        ("--events", str(log), "--problem", "/no/such.toml"): "/no/such.toml",
        ("--speed", "fast"): "--speed fast: give max",
    }
    for arguments, told in cases.items():
        done = demo(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_lab_extra_is_asked_for(log: Path, tmp_path: Path) -> None:
    """Where LightGBM is missing the sentence names the extra."""
    (tmp_path / "lightgbm.py").write_text("raise ImportError('not here')\n", encoding="utf-8")
    env = {"PYTHONPATH": str(tmp_path)}
    done = demo("--events", str(log), "--problem", str(simulated_problem()), env=env)
    assert done.returncode == 1
    assert "noisegate[lab]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(log: Path, tmp_path: Path, ending: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end the servers and the scorer and leave no files."""
    arguments = ["--events", str(log), "--problem", str(simulated_problem()), "--speed", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "stream", "demo", *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: len(homes(tmp_path)) == SERVERS, 60, "broker, Valkey and scorer did not start")
        until(lambda: len(born(process)) == 2 * SERVERS, 60, "not each of them was watched")
        process.send_signal(ending)
        out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert out == ""
    assert "Traceback" not in err
    assert homes(tmp_path) == []
    assert [left.name for left in tmp_path.iterdir() if left.name != ".ses"] == []  # onnxruntime's, made by its import


def born(process: "subprocess.Popen[str]") -> list[str]:
    """The names of its children that are programs of their own by now: each server, and what watches it."""
    children = psutil.Process(process.pid).children()
    return [child.name() for child in children if "demo" not in child.cmdline()]


def homes(folder: Path) -> list[Path]:
    """The working folders, below `folder`, of the processes that run now."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            home = (process / "cwd").readlink() if process.name.isdigit() else Path()
        except OSError:
            continue
        if folder in home.parents:
            found.append(home)
    return found


@pytest.fixture(scope="module")
def twins(log: Path) -> Path:
    """The log without its reports, each alert there twice, on two entities: whatever the hour, one to judge comes soon,
    and after it another of its team and rule."""
    made, reports = log.with_name("twins.jsonl"), set()
    with made.open("wb") as file:
        for line in read_log(log):
            event = line.event
            if isinstance(event, Raised) and event.rule.startswith("report/"):
                reports.add(event.alert_id)
            if isinstance(event, Raised | Acted) and event.alert_id in reports:
                continue
            file.write(encode_event(event) + b"\n")
            twin = moved(line, 0.0, "-twin").event
            if isinstance(twin, Raised):
                twin = replace(twin, entity=f"{twin.entity}-twin")
            if isinstance(twin, Raised | Acted):
                file.write(encode_event(twin) + b"\n")
    return made


@pytest.fixture
def watched(twins: Path, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A demo with a page, and the page's address; its temporary files are in `tmp_path`."""
    arguments = ["--events", str(twins), "--problem", str(simulated_problem()), "--port", "0", "--json"]
    out, err = tmp_path.with_suffix(".out"), tmp_path.with_suffix(".err")
    with (
        out.open("w") as stdout,
        err.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "stream", "demo", *arguments],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=stdout,
            stderr=stderr,
            text=True,
        ) as process,
    ):

        def address() -> re.Match[str] | None:
            assert process.poll() is None, err.read_text()
            return re.search(r"The page: (http://127\.0\.0\.1:[0-9]+)/", err.read_text())

        try:
            until(address, 60, "no page")
            found = address()
            assert found is not None
            yield process, found[1]
        finally:
            process.kill()


def rows(page: str) -> list[dict[str, Any]]:
    """The rows of the page, the newest first."""
    found: list[dict[str, Any]] = get_json(f"{page}/api/rows?limit=200")["rows"]
    return found


def get_json(url: str) -> Any:
    """What a GET answers."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def get_text(url: str) -> str:
    """The text that a GET answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def post_json(url: str, body: object) -> Any:
    """What a POST answers."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_page(watched: tuple["subprocess.Popen[str]", str], tmp_path: Path) -> None:
    """The page shows alerts with scores as they come and what rules would have done, a verdict given there is history
    on the next alert of its team and rule, the page outlives its closer, and Ctrl-C ends all of it."""
    process, page = watched
    errors = tmp_path.with_suffix(".err")
    summary = json.loads(tmp_path.with_suffix(".out").read_text())
    assert summary["alerts"] == summary["enriched"]
    until(lambda: rows(page) and time.time() - rows(page)[0]["latest_at"] < 30.0, 60, "no alert of now")

    def ignored() -> dict[str, Any] | None:
        """The newest open row with a score that nobody acted on when it came before."""
        scored = [row for row in rows(page) if row.get("probability") is not None and "flags" not in row]
        return next((row for row in scored if row.get("state", "open") == "open" and row["last"][:1] == [0]), None)

    until(lambda: "would have paused" in get_text(f"{page}/rules"), 20, "no rule decided")
    assert "0 observations, 0.0 acted on, no bound, limit 5 %; proven after 173 more" in get_text(f"{page}/rules")
    assert [rule for rule in RULES if f"/rules/{rule}" in get_text(f"{page}/rules")] == RULES
    assert "3 rules are in shadow, and none acts." in get_text(f"{page}/suppressed")
    until(ignored, 60, "no alert to judge")
    first = ignored()
    assert first is not None
    team_and_rule, given_at = (first["team"], first["rule"]), time.time()
    verdict = {"id": "verdict-1", "action": "acted", "keys": [first["key"]]}
    assert post_json(f"{page}/v1/verdicts", verdict)["count"] == 1
    assert post_json(f"{page}/v1/publish", {"ids": ["verdict-1"]})["count"] == 1

    def later() -> dict[str, Any] | None:
        """A scored alert of the same team and rule that came after the verdict."""
        scored = [row for row in rows(page) if row.get("probability") is not None and row["latest_at"] > given_at]
        return next((row for row in scored if (row["team"], row["rule"]) == team_and_rule), None)

    until(lambda: (row := later()) is not None and row["last"][0] == 1, 60, "the verdict is not history")
    assert len(homes(tmp_path)) == PAGE_SERVERS
    (closer,) = [child for child in psutil.Process(process.pid).children() if child.cmdline()[-1:] == ["closer"]]
    closer.kill()
    until(lambda: "The page shows no rules: the closer ended" in errors.read_text(), 60, "nobody missed the closer")
    assert rows(page)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert homes(tmp_path) == []
    left = [one.name for one in tmp_path.iterdir() if one.name != ".ses"]
    assert [name for name in left if not name.startswith("noisegate-closer-")] == []
    assert "Traceback" not in errors.read_text()


@pytest.mark.slow
def test_page_opens_on_a_terminal(log: Path, tmp_path: Path) -> None:
    """On a terminal the person's browser is opened with the page's address, which is printed too, below the summary."""
    opened, browser, printed = tmp_path / "opened", tmp_path / "browser", bytearray()
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "TERM")}
    arguments = ["--events", str(log), "--problem", str(simulated_problem())]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "stream", "demo", *arguments],
        env={**env, "BROWSER": str(browser), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)

        def address() -> str:
            """What the browser was given; what the terminal shows is read on meanwhile."""
            if select.select([ours], [], [], 0.1)[0]:
                printed.extend(os.read(ours, 65_536))
            return opened.read_text() if opened.exists() else ""

        try:
            until(lambda: address().endswith("\n"), 60, "no browser was opened")
            url = address().strip()
            assert "alerts/min" in urllib.request.urlopen(url, timeout=60).read().decode()
        finally:
            process.send_signal(signal.SIGINT)
            while _reads(ours, printed):
                pass
            process.wait(timeout=60)
            os.close(ours)
    text = printed.decode()
    assert text.index("alerts compared with their later outcomes") < text.index(f"The page: {url}")
    assert "Traceback" not in text


def _reads(terminal: int, printed: bytearray) -> bool:
    """Read on; whether there may be more."""
    try:
        found = os.read(terminal, 65_536)
    except OSError:  # the other side is closed
        return False
    printed.extend(found)
    return bool(found)


@pytest.mark.slow
def test_port_in_use(tmp_path: Path) -> None:
    """A page's port that somebody listens on is one sentence with the mend, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = demo("--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.slow
def test_parts_split_at_the_first_alert_after_the_split(log: Path) -> None:
    """Both parts together are the log in its order; the second begins with the first alert raised at the split."""
    plan = make_plan(log, load_problem(simulated_problem()), no_progress)
    parts = plan.parts()
    history, rest = list(parts.history()), list(parts.rest())
    assert [one.value for one in history + rest] == [one.value for one in read_log(log)]
    assert type(rest[0].event) is Raised
    assert rest[0].at == plan.split.at
    assert all(one.at < plan.split.at for one in history if type(one.event) is Raised)
    assert plan.simulated


def test_parts_without_a_border() -> None:
    """A log that ends before the split is history."""
    parts = Parts(iter([]), 0.0)
    assert [*parts.history(), *parts.rest()] == []


def test_figures_where_there_is_nothing_to_tell() -> None:
    """Without alerts, or with one class only, figures are null instead of NaN."""
    nothing = figures(np.array([], dtype=np.int8), np.array([]))
    assert (nothing.auc, nothing.ece, nothing.suppressed_at_95) == (None, None, None)
    noise_only = figures(np.array([0, 0], dtype=np.int8), np.array([0.1, 0.2]))
    assert noise_only.auc is None
    assert noise_only.ece is not None
    assert not math.isnan(noise_only.ece)


RECORD = """{"alert":{"type":"raised","at":"2026-01-01T00:00:00Z","alert_id":"A","team":"payments","rule":"[bold]disk",
"entity":"e"},"score":{"probability":%s,"band":"%s","model":"m","evidence":"%s","reason":%s},
"why":{"team_rule":{"decided":%d,"acted":1,"last":[0],"last_acted_at":null},
"team":{"decided":50,"acted":5,"last":[0],"last_acted_at":null}},"flags":[],"scored_at":"2026-01-01T00:00:00Z","offset":"t/0/1"}"""


def test_view_shows_what_there_is() -> None:
    """The view names rate, latency, noise and the latest alerts; names that look like markup stay as they are."""
    known = decode_enriched((RECORD % ("0.07", "likely_noise", "strong", "null", 42)).encode())
    seen = Snapshot("the title", "the step", 1_000, 2_000, 321.0, 0.012, 1.5, 0.4, 3, [known])
    console = Console(record=True, width=120, file=Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    with console.file:
        console.print(render(seen))
    text = console.export_text()
    told = (
        "the title",
        "the step",
        "1,000 of 2,000",
        "321 alerts/s",
        "12 ms",
        "1.5 s",
        "40%",
        "[bold]disk",
        "7%",
        "42",
    )
    assert all(part in text for part in told), text
    assert line(seen) == "the step: 1,000 of 2,000 alerts, 321/s, 40% likely noise"
