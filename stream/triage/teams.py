"""Figures of teams and their rules, counted from the records that the page reads: volumes, calibration, noise. Pure."""

from collections.abc import Iterable
from math import sqrt

from msgspec import Struct, field

from stream.core import limits
from stream.core.events import Acted, Raised, Tick, seconds
from stream.core.kinds import is_drill
from stream.core.once import Once
from stream.core.records import Decision, Enriched, Outcome

BINS = 10  # of probability, of equal width
READABLE_OUTCOMES = 30  # of both kinds, before a team is called predictable or not
READABLE_AUC = 0.6
REMEMBERED = 200_000  # alerts, so that each counts once
_Z = 1.96  # of 95 %
_LEFT_OUT = frozenset({"flood", "visibility_only", "maintenance"})
Record = Raised | Acted | Tick | Enriched | Outcome | Decision


class RuleFigures(Struct, kw_only=True):
    """One rule of a team: alerts scored, and of those with an outcome how many were acted on."""

    rule: str
    alerts: int = 0
    scored: int = 0
    probability: float = 0.0  # the sum of the scored ones
    decided: int = 0
    acted: int = 0

    @property
    def mean(self) -> float | None:
        """The mean probability."""
        return self.probability / self.scored if self.scored else None

    @property
    def worth(self) -> float:
        """Volume times (1 - probability): how many alerts nobody is likely to act on."""
        return self.alerts * (1.0 - self.mean) if self.mean is not None else 0.0


class Bin(Struct, kw_only=True):
    """Alerts whose scores lie in one tenth: how many there were, their mean score, and how many were acted on."""

    decided: int = 0
    probability: float = 0.0
    acted: int = 0

    @property
    def mean(self) -> float | None:
        """The mean score; None without outcomes."""
        return self.probability / self.decided if self.decided else None

    @property
    def rate(self) -> float | None:
        """The share acted on; None without outcomes."""
        return self.acted / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share acted on (Wilson, JASA 1927); 0 to 1 without outcomes.

        >>> "{:.3f} {:.3f}".format(*Bin(decided=10, acted=5).interval)
        '0.237 0.763'
        """
        n, rate = self.decided, self.rate
        if rate is None:
            return 0.0, 1.0
        middle, half = rate + _Z**2 / (2 * n), _Z * sqrt(rate * (1.0 - rate) / n + _Z**2 / (4 * n**2))
        return (middle - half) / (1.0 + _Z**2 / n), (middle + half) / (1.0 + _Z**2 / n)


class Team(Struct, kw_only=True):
    """One team."""

    team: str
    alerts: int = 0
    decided: int = 0
    acted: int = 0
    since: float | None = None
    rules: dict[str, RuleFigures] = field(default_factory=dict)
    bins: list[Bin] = field(default_factory=lambda: [Bin() for _ in range(BINS)])

    @property
    def auc(self) -> float | None:
        """How well the scores tell what is acted on from noise, by tenths; None with too few outcomes of either."""
        acted = [one.acted for one in self.bins]
        noise = [one.decided - one.acted for one in self.bins]
        pairs = sum(acted) * sum(noise)
        if min(sum(acted), sum(noise)) < READABLE_OUTCOMES:
            return None
        below = won = 0.0
        for hits, misses in zip(acted, noise, strict=True):
            won += hits * (below + misses / 2.0)
            below += misses
        return won / pairs

    @property
    def verdict(self) -> str:
        """Whether the scores can be relied on for this team, in words."""
        auc = self.auc
        if auc is None:
            return "not enough outcomes to tell"
        return "predictable" if auc >= READABLE_AUC else "hard to predict: its scores hardly tell its alerts apart"

    def worth_mending(self, most: int = 20) -> list[RuleFigures]:
        """The rules that make the most work for nothing, the worst first."""
        ranked = sorted(self.rules.values(), key=lambda one: (-one.worth, one.rule))
        return [one for one in ranked if one.worth > 0.0][:most]


class TeamFigures:
    """The figures of all teams, at most `most` of them and as many rules each; each alert counts once."""

    def __init__(self, most: int = limits.TRIAGE_TEAMS) -> None:
        self._most = most
        self._outcomes = Once(REMEMBERED)
        self._scored: dict[tuple[str, str], bool] = {}
        self.teams: dict[str, Team] = {}

    def take(self, records: Iterable[Record]) -> None:
        """Count records; drills are left out, and so are outcomes of floods and of what is not judged."""
        for record in records:
            if isinstance(record, Enriched):
                self._enriched(record)
            elif isinstance(record, Outcome) and self._outcomes.takes_outcome(record):
                self._outcome(record)

    def _enriched(self, record: Enriched) -> None:
        alert, probability = record.alert, record.score.probability
        key = alert.team, alert.alert_id
        before = self._scored.get(key)
        found = self._of(alert.team, alert.rule) if before is None or (not before and probability is not None) else None
        if found is None:
            return
        self._scored[key] = probability is not None
        if len(self._scored) > REMEMBERED:
            del self._scored[next(iter(self._scored))]
        team, rule = found
        if before is None:
            at = seconds(alert.at)
            team.alerts += 1
            rule.alerts += 1
            team.since = at if team.since is None else min(team.since, at)
        if probability is not None:
            rule.scored += 1
            rule.probability += probability

    def _outcome(self, record: Outcome) -> None:
        if record.outcome == "unknown" or record.by == "correction" or not _LEFT_OUT.isdisjoint(record.flags):
            return
        found = self._of(record.team, record.rule)
        if found is None:
            return
        team, rule = found
        acted = record.outcome == "actionable"
        for one in (team, rule):
            one.decided += 1
            one.acted += acted
        probability = record.scores.get(record.model or "")
        if probability is not None:
            one_bin = team.bins[min(int(probability * BINS), BINS - 1)]
            one_bin.decided += 1
            one_bin.probability += probability
            one_bin.acted += acted

    def _of(self, name: str, rule: str) -> tuple[Team, RuleFigures] | None:
        if is_drill(name):
            return None
        team = self.teams.get(name)
        if team is None:
            if len(self.teams) >= self._most:
                return None
            team = self.teams[name] = Team(team=name)
        figures = team.rules.get(rule)
        if figures is None:
            if len(team.rules) >= self._most:
                return None
            figures = team.rules[rule] = RuleFigures(rule=rule)
        return team, figures


def as_csv(rules: Iterable[RuleFigures]) -> str:
    """Rules worth mending as CSV, with a head."""
    lines = ["rule,alerts,mean_probability,likely_noise_alerts,decided,acted_on"]
    for one in rules:
        name = one.rule.replace('"', '""')
        if name[:1] in "=+-@\t\r":  # a spreadsheet would take it as a formula
            name = f"'{name}"
        mean = "" if one.mean is None else f"{one.mean:.3f}"
        lines.append(f'"{name}",{one.alerts},{mean},{one.worth:.1f},{one.decided},{one.acted}')
    return "\n".join(lines) + "\n"


def as_markdown(team: str, rules: Iterable[RuleFigures]) -> str:
    """Rules worth mending as a Markdown table."""
    lines = [
        f"# Rules worth mending: {_cell(team)}",
        "",
        "| rule | alerts | mean probability | likely noise | acted on |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in rules:
        mean = "-" if one.mean is None else f"{one.mean:.1%}"
        lines.append(f"| {_cell(one.rule)} | {one.alerts} | {mean} | {one.worth:.1f} | {one.acted} of {one.decided} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
