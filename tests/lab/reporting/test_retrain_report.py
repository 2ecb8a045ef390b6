"""The retraining's report: each verdict says what is so and what to do next, and no name can steer a terminal."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from stream.lab.judging.compare_live import Comparison, EdgeFigures
from stream.lab.judging.compare_versions import Shift, VerdictChange, VersionComparison
from stream.lab.judging.report_schema import Drift, Interval
from stream.lab.reporting.retrain_report import Data, RetrainResult, write
from stream.models.manifest import Figures, LabelWeights, Metrics

AT = datetime(2026, 3, 8, 4, 10, tzinfo=UTC)
NEW, OLD, LAST = "2026-03-08-cccc", "2026-02-01-aaaa", "2026-03-01-bbbb"
FIGURES = Figures(
    auc=0.84, ece=0.02, brier=0.14, log_loss=0.45, suppressed_at=0.42, threshold=0.1, detection=0.95, suppressed=0.4
)


def compared(challenger: str, matured: int = 2_507, worse: tuple[str, ...] = ()) -> Comparison:
    """A comparison of the champion with another."""
    return Comparison(
        champion=OLD,
        challenger=challenger,
        matured=matured,
        needed=500,
        days=15,
        blocks="days",
        label_rate=0.295,
        of_champion=EdgeFigures(0.1441, 0.963, 0.376),
        of_challenger=EdgeFigures(0.1438, 0.939, 0.459),
        brier=Interval(-0.0003, -0.0021, 0.0012),
        detection=Interval(-0.024, -0.035, -0.011),
        suppressed=Interval(0.083, 0.061, 0.104),
        reached=Interval(0.939, 0.926, 0.952),
        worse=list(worse),
    )


def found(**changed: Any) -> RetrainResult:
    """A challenger that passed."""
    moved = VersionComparison(
        comparison=compared(NEW),
        auc=Shift("AUC", 0.835, 0.837),
        drift=[Drift("team.rate_7d", 0.27, 0.1, True, False)],
        watched=46,
        importance=[Shift("team_rule.shrunk", 0.24, 0.08)],
        thresholds=[Shift("likely_noise", 0.106, 0.138)],
        verdicts=[VerdictChange("pay\x1b[2Jments\n# Hacked", 91, "predictable", "not yet")],
        newly_unreadable=[f"team-{number}" for number in range(9)],
        readable_again=[],
    )
    data = Data(
        events=32_116,
        alerts=13_800,
        first_raise=AT,
        split_at=AT,
        ended_at=AT,
        since=None,
        used=8_072,
        purged=27,
        excluded=2_289,
        label_rate=0.302,
    )
    whole = RetrainResult(
        version=NEW,
        created=AT,
        problem="actionable@6071ef19",
        question="Will they act?",
        simulated=False,
        verdict="challenger",
        faults=[],
        forced=None,
        champion=OLD,
        other_champions=[],
        replaced=LAST,
        live_comparison=compared(LAST, 212),
        promoted=None,
        not_promoted=None,
        data=data,
        warnings=["3 flood days"],
        metrics=Metrics(judged=2_507, label_rate=0.295, target_detection=0.95, model=FIGURES, baselines={}),
        moved=moved,
        unjudged=None,
        to_sign=False,
    )
    return replace(whole, **changed)


def test_a_challenger() -> None:
    """What it learnt from, how it did beside the champion with intervals, what moved, and which command promotes it."""
    page = write(found())
    assert f"It is the challenger of {OLD}" in page
    assert "| Brier score (less is better) | 0.1441 | 0.1438 | -0.0003 | -0.0021 to +0.0012 |" in page
    assert "| detection at its own likely_noise edge | 96.3% | 93.9% | -2.4% | -3.5% to -1.1% |" in page
    assert "Surely worse in neither Brier nor detection." in page
    assert "1 of 46 watched features drifted: team.rate_7d (PSI 0.27, rings above 0.10)" in page
    assert "team_rule.shrunk 24.0% → 8.0%" in page
    assert "likely_noise 0.106 → 0.138" in page
    assert "team-5, and 3 more" in page
    assert f"{LAST} was the challenger; this version takes its place." in page
    assert "scored 212 matured alerts with the champion, 500 are needed." in page
    assert "It was replaced before it could be judged" in page
    assert f"`noisegate models promote {NEW}`" in page
    assert found().status == 0


def test_no_name_steers_the_terminal_or_the_page() -> None:
    """Names come out of a log that anybody may write to."""
    page = write(found())
    assert "\x1b" not in page
    assert "\n# Hacked" not in page
    assert "pay [2Jments # Hacked predictable → not yet (91 alerts)" in page


@pytest.mark.parametrize("fault", ["gate: AUC 0.6, team_rate has 0.7", "surely worse than the champion: Brier"])
def test_a_refused_one(fault: str) -> None:
    """It says why, leads to no promotion, and the status is 2; forced, it is a challenger with the reason beside it."""
    refused = found(verdict="refused", faults=[fault])
    page = write(refused)
    assert refused.status == 2
    assert f"it is **not** the challenger: {fault}." in page
    assert f"{LAST} stays the challenger." in page
    assert "models promote" not in page
    assert ("Failed on 1 of its conditions" in page) == fault.startswith("gate")
    forced = found(faults=[fault], forced="for a look")
    assert forced.status == 0
    assert f"That was forced (for a look), although: {fault}." in write(forced)


def test_a_first_one() -> None:
    """Nothing to compare with: the page is shorter, and says that somebody has to promote it."""
    bare = found(verdict="first", champion=None, replaced=None, live_comparison=None, moved=None)
    page = write(bare)
    assert "There is no champion yet" in page
    assert "a first version needs no evidence from serving" in page
    assert "## Beside the champion" not in page
    failed = replace(bare, faults=["gate: AUC 0.6"])
    assert failed.status == 2
    assert "It should not be: gate: AUC 0.6." in write(failed)
    assert '(with `--force "reason"`, as it did not pass the gate)' in write(failed)


def test_what_is_unusual_is_said() -> None:
    """A cut log, a promotion before the training, one that was refused, signatures, a champion that can't be judged."""
    assert "the log was cut at 8 Mar 2026" in write(found(data=replace(found().data, since=AT)))
    promoted = write(found(promoted=LAST, replaced=None))
    assert f"{LAST} was promoted before this training" in promoted
    assert "replaced before it could be judged" not in promoted
    assert "It was not promoted: 212 of 500." in write(found(not_promoted="212 of 500"))
    assert f"first `noisegate models sign {NEW}`" in write(found(to_sign=True))
    assert "can't be judged on this log: other problem" in write(found(moved=None, unjudged="other problem"))
    assert "Nothing to do." in write(found(verdict="there_already"))


def test_it_is_one_page_and_json() -> None:
    """However much there is to say; and programs get the same."""
    many = [f"warning {number}" for number in range(200)]
    page = write(found(warnings=many))
    assert len(page.splitlines()) < 70
    assert "- and 194 more; see `noisegate lab audit`" in page
    assert msgspec.json.decode(msgspec.json.encode(found()), type=RetrainResult) == found()


def test_the_json_keeps_its_keys() -> None:
    """Scripts that read `retrain --json` find the outcome under `standing` and the live figures under `evidence`."""
    shown = msgspec.json.decode(msgspec.json.encode(found()))
    assert shown["standing"] == "challenger"
    assert shown["evidence"]["matured"] == 212
    assert not {"verdict", "live_comparison"} & shown.keys()


def test_weights_stand_beside_what_they_are_of() -> None:
    """What was learnt from, and what champion and challenger were compared on; nothing where nothing was weighed."""
    assert "effective sample size" not in write(found())
    data = replace(found().data, weights=LabelWeights(held_out=40, effective=2_100.0, most=20.0, clipped=3))
    moved = found().moved
    assert moved is not None
    moved = replace(moved, comparison=replace(compared(NEW), effective=812.0))
    text = write(found(data=data, moved=moved))
    assert "- weights: 40 held out by rules, each weighing 1/(1 - p_act), at most 20 (3 clipped); effective" in text
    assert "intervals by days; held-out alerts weigh 1/(1 - p_act), effective sample size 812." in text
