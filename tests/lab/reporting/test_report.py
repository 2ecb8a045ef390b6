"""The report page: whole, self-contained, escaped, and saying what was found."""

import re
from functools import cache

import msgspec
import pytest
from msgspec.structs import replace

from stream.lab.judging.report_schema import Gate, Interval, Judgement
from stream.lab.judging.shortcut import LEAST_KNOWN
from stream.lab.reporting.report import write
from tests.lab.reporting import sample
from tests.lab.reporting.html import Read

HOSTILE = "<script>alert('&\"')</script>"
OPTIONAL = {
    "shortcut": "Is it only repeating the last action?",
    "teams": "Teams",
    "importance": "What it looks at",
    "drift": "Drift by feature",
    "ageing": "Quality by week",
    "floods": "Floods",
    "canaries": "Canaries",
}
ALWAYS = ["What is predicted", "Data and exclusions", "Scores, model beside baselines"]


def bare() -> Judgement:
    """The sample with no optional section."""
    return replace(sample.full(), **dict.fromkeys(OPTIONAL), notes=[])


@cache
def page() -> str:
    """The page of the whole sample."""
    return write(sample.full())


def test_balanced() -> None:
    """The full page and the bare one close every tag in its order."""
    assert Read(page()).faults == []
    assert Read(write(bare())).faults == []


def test_doctype_first() -> None:
    """Nothing stands before the doctype, or browsers would fall into quirks mode."""
    assert page().lstrip().startswith("<!DOCTYPE html>")


def test_self_contained() -> None:
    """The page names no address, refers to nothing and holds no script."""
    text = page()
    read = Read(text)
    assert not re.search(r"https?:|url\(|@import", text)
    assert read.links == []
    assert "script" not in read.seen
    assert text.count("<style>") == 1


def test_sections_in_order() -> None:
    """All sections that were found stand in the page, in the order of a reader's questions."""
    found = Read(page()).headings
    assert found == [*ALWAYS, *OPTIONAL.values(), "Notes", "How it was made"]


@pytest.mark.parametrize("section", OPTIONAL)
def test_absent_section(section: str) -> None:
    """A section that was not asked for is left out, alone."""
    found = Read(write(replace(sample.full(), **{section: None}))).headings
    expected = [*ALWAYS, *(title for name, title in OPTIONAL.items() if name != section), "Notes", "How it was made"]
    assert found == expected


def test_hostile_names_escaped() -> None:
    """Markup in any text out of a log, even in all at once, stays text."""
    plain = msgspec.to_builtins(sample.full())
    for group in ("teams", "groups"):
        for each in plain["teams"][group]:
            each["verdict"] = HOSTILE
    for each in [*plain["teams"]["teams"], *plain["bands"], *plain["scores"], *plain["gate"]["checks"]]:
        each["name"] = HOSTILE
    for each in [*plain["importance"], *plain["drift"]]:
        each["feature"] = HOSTILE
    plain["curves"] = {HOSTILE: plain["curves"]["model"]}
    plain["data"]["kinds"] = {HOSTILE: 1}
    plain["problem"]["outcome"]["actionable"] = [HOSTILE]
    plain["shortcut"]["dependence_of"] = plain["teams"]["test"] = plain["ageing"]["advice"] = HOSTILE
    plain |= dict.fromkeys(("title", "model", "command", "question", "problem_id"), HOSTILE) | {"notes": [HOSTILE]}
    read = Read(write(msgspec.convert(plain, Judgement)))
    assert "script" not in read.seen
    assert read.faults == []
    assert HOSTILE in read.text


def test_figures_shown() -> None:
    """The figures found are the figures read."""
    text = Read(page()).text
    for expected in ("0.848", "41.8%", "94.7% kept", "1.8 points", "21,400 alerts", "0.836 to 0.860", "0.412"):
        assert expected in text
    assert "best baseline, rule rate" not in text
    assert "best baseline, team rule rate: 33.5%" in text


def test_figures_of_first_alerts_stand_beside() -> None:
    """Episodes have figures of their own, and a judgement without them shows none."""
    text = Read(page()).text
    assert "of 6,172 episodes, 29.3% of them acted on" in text
    assert "0.818" in text
    assert "episodes" not in Read(write(replace(sample.full(), episodes=None))).text


def test_one_rate_for_all_is_named_as_what_it_is() -> None:
    """The baseline that knows nothing of the alert is named in every table, explained once, and only where it is."""
    text = Read(page()).text
    assert text.count("one rate for all (always_noise)") >= 4
    assert text.count("It is what a score is worth that knows nothing of the alert.") == 1
    assert "always noise" not in text
    alone = replace(sample.full(), scores=sample.full().scores[:1], gains=[], episodes=None)
    assert "knows nothing of the alert" not in Read(write(alone)).text


def test_gate() -> None:
    """The verdict says whether the gate was passed, and each reason."""
    passed = sample.full()
    failed = replace(passed, gate=Gate(False, [replace(passed.gate.checks[0], passed=False)]))
    assert "Gate passed" in Read(write(passed)).text
    assert "Gate failed ✗ failed AUC: 0.848" in Read(write(failed)).text
    open_ = replace(passed, gate=Gate(None, [replace(passed.gate.checks[0], passed=None, n=31)]))
    assert "Gate not tested ? not tested AUC: 0.848, above each of 5 baselines (31 alerts)" in Read(write(open_)).text
    assert 'class="verdict passed"' not in write(open_).split("<main>")[1].split("</header>")[0]


def test_simulated_banner() -> None:
    """What is simulated says so, and only that."""
    assert "SIMULATED:" in Read(page()).text
    assert "SIMULATED:" not in Read(write(replace(sample.full(), simulated=False))).text


def test_rest_of_teams_counted() -> None:
    """Forty teams are listed and the rest counted."""
    text = Read(page()).text
    assert "team-39" in text
    assert "team-40" not in text
    assert "and 6 more teams" in text


def test_shortcut_answers() -> None:
    """The answer follows what was found: no, too much so, or that it was not tested."""
    found = sample.shortcut()
    flagged = replace(found, flagged=True, auc_differs=0.31)
    unknown = replace(found, auc_differs=None, expected_differs=None)
    texts = [Read(write(replace(sample.full(), shortcut=each))).text for each in (found, flagged, unknown)]
    assert "No. Where the outcome changed" in texts[0]
    assert "Too much so. Where the outcome changed it ranks worse than it should: AUC 0.310" in texts[1]
    assert "Not tested: too few alerts" in texts[2]
    few = [replace(found, known=count) for count in (LEAST_KNOWN - 1, LEAST_KNOWN)]
    texts = [Read(write(replace(sample.full(), shortcut=each))).text for each in few]
    assert "Not tested: 49 judged alerts had a last outcome of their team and rule, at least 50" in texts[0]
    assert "No. Where the outcome changed" in texts[1]
    repeats = replace(unknown, flagged=True, auc_within=0.5)
    assert (
        "Too much so: among alerts with the same last outcome it ranks at an AUC of 0.500"
        in Read(write(replace(sample.full(), shortcut=repeats))).text
    )


def test_nan_is_a_dash() -> None:
    """A figure that is no number is shown as a dash."""
    first, *others = sample.full().scores
    odd = replace(first, auc=Interval(float("nan")), suppressed_target=Interval(float("inf"), float("nan"), 1.0))
    text = Read(write(replace(sample.full(), scores=[odd, *others]))).text
    assert not re.search(r"\b(nan|inf)\b", text)
    assert "model –" in text


def test_charts_named() -> None:
    """Every chart has a title, a name for who can't see it, and a sentence on how to read it."""
    text = page()
    charts = text.count("<svg ")
    assert charts == text.count('role="img" aria-label="') == text.count("How to read it: ") == 8
    assert text.count("<figure><h3>") == charts
