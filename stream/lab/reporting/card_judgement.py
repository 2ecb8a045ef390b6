"""The sections of a model card that its judgement gives: intervals, teams, the limits that were found."""

from collections.abc import Sequence

from stream.lab.judging.baselines import title_of
from stream.lab.judging.report_schema import Interval, Judgement, ScoreFigures, Team

_TEAMS = 10  # one row each
_MET = {True: "met", False: "NOT met", None: "NOT tested"}
_GATE = {True: "passed", False: "NOT passed", None: "NOT tested"}


def intervals(judgement: Judgement) -> str:
    """The section of the figures' 95 % intervals, the gains over the baselines and the gate."""
    kept = f"{judgement.target_detection:.0%}"
    rows = "\n".join(_interval_row(figures) for figures in judgement.scores)
    gains = "\n".join(
        f"- over {title_of(gain.over)}: AUC {_signed(gain.auc)}"
        + (f", suppressed at equal detection {_signed(gain.suppressed)}" if gain.suppressed is not None else "")
        for gain in judgement.gains
    )
    first = _first_alerts(judgement)
    checks = "\n".join(f"- {_MET[one.passed]}: {one.name} ({one.text})" for one in judgement.gate.checks)
    return f"""## Intervals

95 %, by a bootstrap over days of raising.

| score | AUC | ECE | Brier | suppressed at {kept} |
|---|---|---|---|---|
{rows}

The model's gain, paired:

{gains}
{first}
The gate was {_GATE[judgement.gate.passed]}:

{checks}"""


def _first_alerts(judgement: Judgement) -> str:
    """The figures on the first alert of each episode; empty where they were not made."""
    found = judgement.episodes
    if found is None:
        return ""
    rows = "\n".join(_interval_row(figures) for figures in found.scores)
    return f"""
On the first alert of each episode ({found.alerts:,} alerts, {found.rate:.1%} acted on), so that a storm counts once:

| score | AUC | ECE | Brier | suppressed at {judgement.target_detection:.0%} |
|---|---|---|---|---|
{rows}
"""


def _interval_row(of: ScoreFigures) -> str:
    return (
        f"| {title_of(of.name)} | " + " | ".join(map(_bounded, (of.auc, of.ece, of.brier, of.suppressed_target))) + " |"
    )


def _bounded(figure: Interval) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _signed(figure: Interval) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:+.3f}"
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


def teams_section(judgement: Judgement) -> str:
    """The section of whom the model serves well, whom it does not, and whose rate it misses; empty without teams."""
    teams = judgement.teams
    if teams is None:
        return ""
    groups = "\n".join(
        f"| {group.verdict} | {group.teams:,} | {group.alerts:,} | {group.share:.0%} |" for group in teams.groups
    )
    return f"""## Fairness between teams

No feature is a team's name: teams differ by their history, their rules and their entities. A team that the model can't
read gets scores near its own rate, which are no help to it; people of such teams should be told.

| verdict | teams | judged alerts | share |
|---|---|---|---|
{groups}

{teams.test}.

{_team_table(teams.teams)}"""


def _team_table(teams: Sequence[Team]) -> str:
    """The teams with most alerts; a mean score far from the share acted on means too many alarms, or too few."""
    rows = "\n".join(
        f"| {_cell(team.name)} | {team.count:,} | {team.rate:.1%} | {team.mean_score:.1%} "
        f"| {'' if team.auc is None else _bounded(team.auc)} | {team.verdict} |"
        for team in teams[:_TEAMS]
    )
    more = len(teams) - _TEAMS
    rest = f"\n\n{more:,} teams with fewer alerts are in report.json." if more > 0 else ""
    return f"""| team | alerts | acted on | mean score | AUC | verdict |
|---|---|---|---|---|---|
{rows}{rest}"""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def limits(judgement: Judgement) -> list[str]:
    """The limits that the judgement found, a sentence each."""
    found = [
        f"The gate's condition was {_MET[one.passed].lower()}: {one.name} ({one.text})."
        for one in judgement.gate.checks
        if not one.passed
    ]
    found += [
        f"The canary {one.name!r} was not tested: {one.text}." for one in judgement.canaries or [] if not one.passed
    ]
    if judgement.shortcut is not None and judgement.shortcut.flagged:
        found.append("It may only repeat the last action; see report.html.")
    elif judgement.shortcut is not None and judgement.shortcut.flagged is None:
        few = f"{judgement.shortcut.differs_count:,} of {judgement.shortcut.known:,} alerts"
        found.append(f"Whether it only repeats the last action was not tested: {few} came out unlike the last one.")
    drifted = [one.feature for one in judgement.drift or [] if one.drifted and not one.shown_only]
    if drifted:
        found.append(f"Already on the test part these features had moved: {', '.join(drifted[:5])}.")
    untested = [one for one in judgement.drift or [] if one.drifted is None]
    if untested:
        found.append(f"Drift of {len(untested)} features was not tested: the test part has {untested[0].n:,} alerts.")
    if judgement.ageing is not None:
        found.append(f"Age: {judgement.ageing.advice}")
    return [*found, *judgement.notes]
