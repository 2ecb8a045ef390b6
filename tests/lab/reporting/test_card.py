"""The model card holds what a reader must know, from what was found and nothing else."""

from pathlib import Path

import msgspec
import pytest

from stream.core.problem import Exclude, Exclusion
from stream.lab.judging.baselines import ALWAYS_NOISE_MEANING, title_of
from stream.lab.judging.report_schema import Judgement
from stream.lab.reporting import card
from stream.models.artifact import CARD, FINDINGS, read_file, verify
from stream.models.manifest import GateVerdict, Manifest
from tests.lab.model_cache import small_model

SECTIONS = ("Intended use", "Data", "Exclusions", "Figures", "Intervals", "Fairness between teams", "Known limits")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and judged version."""
    return small_model(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def judgement(judged: Path) -> Judgement:
    """What its judgement found."""
    return msgspec.json.decode(read_file(judged, FINDINGS), type=Judgement)


@pytest.fixture(scope="module")
def manifest(judged: Path) -> Manifest:
    """Its manifest."""
    return verify(judged)


def test_the_card_holds_every_part(judged: Path, manifest: Manifest, judgement: Judgement) -> None:
    """The card that ships beside the model is the one of its manifest and its judgement, with all sections in order."""
    text = read_file(judged, CARD).decode()
    assert text == card.write(manifest, judgement)
    places = [text.index(f"## {section}\n") for section in SECTIONS]
    assert places == sorted(places)
    assert f"{manifest.training.last_raise:%Y-%m-%d %H:%M}" in text
    assert "visibility only: rule `report/*`" in text


def test_figures_have_their_intervals(judged: Path, judgement: Judgement) -> None:
    """The AUC of the model and of each baseline stands with the bounds that report.json has."""
    text = read_file(judged, CARD).decode()
    assert len(judgement.scores) == 6
    assert ALWAYS_NOISE_MEANING in text
    for score in judgement.scores:
        auc = score.auc
        bounds = "" if auc.low is None else f" ({auc.low:.3f} to {auc.high:.3f})"
        assert f"| {title_of(score.name)} | {auc.value:.3f}{bounds} |" in text


def test_figures_of_first_alerts_stand_beside(judged: Path, judgement: Judgement) -> None:
    """The card gives how many episodes were judged, and the model's AUC on their first alerts."""
    text = read_file(judged, CARD).decode()
    found = judgement.episodes
    assert found is not None
    assert f"On the first alert of each episode ({found.alerts:,} alerts, {found.rate:.1%} acted on)" in text
    assert f"| model | {found.scores[0].auc.value:.3f}" in text.partition("On the first alert")[2]


def test_every_team_is_told_with_its_verdict(judged: Path, judgement: Judgement) -> None:
    """What the model is to each team: alerts, share acted on, mean score, verdict."""
    text = read_file(judged, CARD).decode()
    assert judgement.teams is not None
    assert len(judgement.teams.teams) == 3
    for team in judgement.teams.teams:
        assert f"| {team.name} | {team.count:,} | {team.rate:.1%} | {team.mean_score:.1%} |" in text
        [row] = [line for line in text.splitlines() if line.startswith(f"| {team.name} | ")]
        assert row.endswith(f"| {team.verdict} |")


def test_a_failed_gate_is_a_known_limit(manifest: Manifest, judgement: Judgement) -> None:
    """Each condition that was not met stands among the limits; where all are met none does."""
    checks = [msgspec.structs.replace(check, passed=False) for check in judgement.gate.checks]
    failed = msgspec.structs.replace(
        judgement, gate=msgspec.structs.replace(judgement.gate, passed=False, checks=checks)
    )
    limits = card.write(manifest, failed).split("## Known limits")[1]
    assert limits.count("condition was not met") == len(checks) > 3
    met = [msgspec.structs.replace(check, passed=True) for check in judgement.gate.checks]
    passed = msgspec.structs.replace(judgement, gate=msgspec.structs.replace(judgement.gate, passed=True, checks=met))
    assert "not met" not in card.write(manifest, passed).split("## Known limits")[1]


def test_a_model_that_was_not_judged_says_so(manifest: Manifest) -> None:
    """Without figures the first known limit is that there are none."""
    bare = msgspec.structs.replace(manifest, metrics=None, gate=None)
    text = card.write(bare)
    assert "Not judged: there was no test part." in text
    assert "nobody knows how good it is" in text
    assert "## Intervals" not in text
    told = card.write(msgspec.structs.replace(manifest, gate=GateVerdict(False, ["AUC 0.4"])))
    assert "- The gate: AUC 0.4." in told


def test_every_exclusion_is_told(manifest: Manifest) -> None:
    """Each pattern by its fields and labels; of very many the rest is counted."""
    many = [Exclusion(team="a|b", labels={"env": "test*"}), *(Exclusion(rule=f"r{number}") for number in range(30))]
    problem = msgspec.structs.replace(manifest.problem.definition, exclude=Exclude(visibility_only=many))
    reference = msgspec.structs.replace(manifest.problem, definition=problem)
    text = card.write(msgspec.structs.replace(manifest, problem=reference))
    assert "- visibility only: team `a|b`, label env `test*`" in text
    assert "- and 11 patterns more, see the problem file" in text
