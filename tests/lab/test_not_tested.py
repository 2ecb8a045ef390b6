"""What was not tested never stands as passed: in the data, on card and pages, and before a promotion."""

from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from stream.cli.models_output import gate_word, version_report
from stream.core import drift
from stream.core.features import table
from stream.lab.auditing.audit import audit_replayed
from stream.lab.backtesting import backtest_replayed
from stream.lab.judging.compare_live import compare_live
from stream.lab.judging.drift import judge_drift
from stream.lab.judging.report_schema import Judgement
from stream.lab.reference import spread
from stream.lab.replaying import replay
from stream.lab.reporting import card, report
from stream.lab.reporting.retrain_report import write
from stream.lab.retraining import _gate_faults
from stream.models.artifact import CARD, FINDINGS, read_file, verify
from stream.models.manifest import GateVerdict, Manifest, decode_manifest, encode_manifest
from stream.models.promotion import gate_fault
from stream.models.reference import Watched
from stream.monitoring.page import drift_page
from stream.monitoring.report import DriftReport, FeatureDrift
from tests.lab.judging.test_compare_live import EDGES, NEW, OLD, PROBLEM, served
from tests.lab.logs import START, lines, raised, small_log, small_problem
from tests.lab.model_cache import small_model
from tests.lab.reporting import sample
from tests.lab.reporting.html import Read
from tests.lab.reporting.test_retrain_report import compared, found
from tests.servers.kafka import ROOT

SHIPPED = next((ROOT / "model_artifacts").glob("*/manifest.json")).parent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of six days: too few for the gate's intervals, for two canaries and for a week's ageing."""
    return small_model(tmp_path_factory.mktemp("untested"))


@pytest.fixture(scope="module")
def judgement(trained: Path) -> Judgement:
    """Its report.json."""
    return msgspec.json.decode(read_file(trained, FINDINGS), type=Judgement)


def test_the_data_has_three_values(trained: Path, judgement: Judgement) -> None:
    """report.json has null for what was not tested, with the reason and the number; the manifest names it apart."""
    raw = msgspec.json.decode(read_file(trained, FINDINGS))
    results = {check["name"]: check["passed"] for check in raw["gate"]["checks"] + raw["canaries"]}
    untested = {name for name, passed in results.items() if passed is None}
    assert {"shuffled labels", "labels of the next alert", "detection of 95% kept"} <= untested
    assert results["time order"] is True
    assert raw["gate"]["passed"] is not True
    for check in [*judgement.gate.checks, *(judgement.canaries or [])]:
        assert check.n
        assert check.passed is not None or "too few" in check.text
    manifest = verify(trained)
    assert manifest.gate is not None
    assert not manifest.gate.passed
    assert any("too few days" in text for text in manifest.gate.not_tested)
    assert set(manifest.training.untested_canaries) == untested & {*manifest.training.canaries}
    assert judgement.ageing is not None
    assert judgement.ageing.held is None


def test_card_and_page_say_so(trained: Path, judgement: Judgement) -> None:
    """Neither calls all canaries passed; both name what was not tested."""
    text = read_file(trained, CARD).decode()
    assert "all passed" not in text
    assert "2 passed, 2 were not tested" in text
    assert "- NOT tested: detection of 95% kept (" in text
    assert "The canary 'shuffled labels' was not tested: too few alerts to tell" in text
    assert "How the model ages was not tested" in text
    shown = Read(report.write(judgement)).text
    assert "? not tested shuffled labels: too few alerts to tell" in shown
    assert "✓ passed shuffled labels" not in shown


def with_gate(trained: Path, gate: GateVerdict | None) -> Manifest:
    """The manifest with another verdict of the gate."""
    return replace(verify(trained), gate=gate)


def test_an_untested_gate_is_refused_and_says_why(trained: Path) -> None:
    """Such a version is listed as not tested, and promotion and retraining name the conditions that could not be."""
    manifest = with_gate(trained, GateVerdict(False, [], ["detection kept (too few days)"]))
    assert gate_word(manifest) == "not tested"
    assert gate_fault(manifest) == "the gate could not be tested: detection kept (too few days)"
    assert version_report(manifest)["gate"]["result"] == "not tested"
    assert _gate_faults(manifest) == ["not tested: detection kept (too few days)"]
    assert "The gate: not tested: detection kept" in card.write(manifest)
    both = with_gate(trained, GateVerdict(False, ["AUC 0.5"], ["detection kept (too few days)"]))
    assert gate_word(both) == "failed"
    assert gate_fault(both) == "did not pass the gate: AUC 0.5; not tested: detection kept (too few days)"
    assert gate_word(with_gate(trained, GateVerdict(True))) == "passed"
    assert _gate_faults(with_gate(trained, None)) == ["not tested: the model was not judged"]


def test_what_was_written_before_can_be_read() -> None:
    """The shipped manifest and report know nothing of the third value; they decode, and an encoded manifest returns."""
    manifest = decode_manifest((SHIPPED / "manifest.json").read_bytes(), "shipped")
    assert decode_manifest(encode_manifest(manifest), "again") == manifest
    assert b"not_tested" not in encode_manifest(with_passed(manifest))
    raw = msgspec.json.decode((SHIPPED / "report.json").read_bytes())
    for check in [*raw["gate"]["checks"], *raw["canaries"]]:
        check.pop("n", None)
    raw["ageing"].pop("held", None)
    old = msgspec.convert(raw, Judgement)
    assert {check.result for check in old.gate.checks} <= {"passed", "failed"}


def with_passed(manifest: Manifest) -> Manifest:
    """With a gate that passed: a scorer of an older version reads it as well."""
    return replace(manifest, gate=GateVerdict(True))


def test_the_retrained_page_tells_the_three_apart() -> None:
    """The gate's section counts failed and untested conditions; without a fault it passed."""
    assert "Passed." in write(found())
    mixed = write(found(verdict="refused", faults=["gate: AUC 0.6", "gate: not tested: detection (too few days)"]))
    assert "Failed on 1 of its conditions, 1 could not be tested:" in mixed
    only = write(found(verdict="refused", faults=["gate: not tested: detection (too few days)"]))
    assert "\n1 could not be tested:" in only
    assert "Passed." not in only
    assert "Failed" not in only


def test_a_comparison_without_a_bound_is_not_no_worse() -> None:
    """Where nobody acted, detection was not tested: neither page nor promotion takes it for as good."""
    noise = [replace(one, outcome="noise", by="dismissed") for one in served()]
    of = compare_live(noise, OLD, NEW, PROBLEM, EDGES)
    assert of.not_tested == ["detection (none of the 900 alerts was acted on)"]
    assert of.fault is not None
    assert "was not tested beside" in of.fault
    few = compare_live(served(count=310, every=timedelta(seconds=60)), OLD, NEW, PROBLEM, EDGES)
    assert [text.split(" (")[0] for text in few.not_tested] == ["Brier score", "detection"]
    shown = write(found(live_comparison=replace(compared(NEW), not_tested=of.not_tested)))
    assert "Not tested: detection (none of the 900 alerts was acted on). Not surely worse in Brier." in shown
    assert compare_live(served(), OLD, NEW, PROBLEM, EDGES).not_tested == []


def test_drift_of_too_few_alerts_is_not_no_drift() -> None:
    """Below the number that can ring, a feature has not stayed as it was: the data says null, the page so."""
    chosen = [table([], [])["team.open"]]
    rng = np.random.default_rng(3)
    known = replace(spread(rng.random(500)), design_effect=1.0, design_effect_7d=1.0)
    reference = Watched(500, 0.5, {"team.open": known})
    count = int(drift.ROWS_LEAST) - 1
    matrix = (10.0 + rng.random((count + 1, 1))).astype(np.float32)
    at = np.arange(count + 1, dtype=np.float64)
    [few] = judge_drift(reference, at[:-1], matrix[:-1], chosen)
    [enough] = judge_drift(reference, at, matrix, chosen)
    assert (few.drifted, few.n) == (None, count)
    assert enough.drifted is True
    drawn = Read(report.write(replace(sample.full(), drift=[few]))).text
    assert f"Not tested: 1 features, for there are too few alerts in the test part ({count})." in drawn
    assert "Not tested:" not in Read(report.write(replace(sample.full(), drift=[enough]))).text
    moved = found().moved
    assert moved is not None
    shown = write(found(moved=replace(moved, drift=[], untested=46, alerts=count)))
    assert f"46 features could not be tested, with {count} alerts after the split" in shown
    assert "0 of" not in shown.split("What moved")[1].split("what the trees")[0]


def test_no_last_outcome_is_no_answer() -> None:
    """Where no alert had a last outcome, no share of agreement is made up."""
    none = replace(sample.shortcut(), known=0, agreement=0.0, differs_count=0, auc_differs=None, flagged=None)
    shown = Read(report.write(replace(sample.full(), shortcut=none))).text
    assert "Not tested: no judged alert had a last outcome of its team and rule." in shown
    assert "On 0%" not in shown


@pytest.mark.slow
def test_a_backtest_counts_the_steps_that_it_could_not_judge() -> None:
    """Days without an alert that can be judged are not left out in silence."""
    events = small_log(alerts=1_400)
    gap = START + timedelta(days=7)
    held = [event for event in events if not gap <= event.at < gap + timedelta(days=1.5)]
    found_in_gap = backtest_replayed(replay(lines(held), small_problem()), every_days=0.5, split=0.6)
    assert found_in_gap.untested >= 1
    starts = [step.start for step in found_in_gap.steps]
    assert not any(gap + timedelta(hours=13) <= start < gap + timedelta(days=1) for start in starts)


def test_the_report_from_prometheus_says_what_was_not_tested() -> None:
    """Features with too few observations, or no reference, are counted apart from those that did not drift."""

    def feature(name: str, untested: str | None) -> FeatureDrift:
        return FeatureDrift(
            model="m", feature=name, observed=7.0, psi=0.5, threshold=0.1, jensen_shannon=None, missing=None,
            missing_reference=None, rings=True, drifted=None if untested else False, untested=untested,
        )  # fmt: skip

    text = drift_page(DriftReport("24h", 0.0, [feature("a", None), feature("b", "no reference")], {}, {}))
    assert "of 1 watched features (1 were not tested), none has drifted" in text
    assert "not tested: no reference" in text


@pytest.mark.slow
def test_the_audit_does_not_call_untested_quiet() -> None:
    """A log of three days is not tested for flood days, and one with few outcomes not for visibility-only rules."""
    busy = [raised(n, START + timedelta(minutes=n), rule=f"rule-{n % 2}") for n in range(3 * 24 * 60)]
    found_in_busy = audit_replayed(replay(lines(busy), small_problem()))
    told = [finding.text for finding in found_in_busy.findings if finding.about == "floods"]
    assert told[0].startswith("Not tested for flood days: 2 pairs of team and rule")
    assert not any("0 flood days" in text for text in told)
    few = audit_replayed(replay(lines(busy[:200]), small_problem()))
    [text] = [finding.text for finding in few.findings if finding.about == "visibility-only"]
    assert text == ("Which rules look visibility-only was not tested: none of 2 has 300 outcomes known at the split.")
