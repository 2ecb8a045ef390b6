"""What fires when: the rhythm of day and week, flapping entities, flood days of a buggy rule, reports by the clock."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from stream.simulation.catalogue import FLOODS, REPORTS, RULES, TEAMS, Fix, Flood, Report, Rule, Team
from stream.simulation.span import DAY, HOUR, Span

Floats = NDArray[np.float64]

ENVS = {"prod": 0.60, "staging": 0.25, "dev": 0.15}
ENTITIES_A_KIND = range(3, 7)
FLAPPING_SHARE = 0.14  # of entities
FLAP_STARTS = 0.30  # share of a flapping entity's firings that start a burst
FLAP_STOPS = 0.33  # after each repeat
FLAP_GAP_SECONDS = (120.0, 900.0)
NIGHT, WEEKEND = 0.45, 0.55  # volume, beside that of a working day's peak
FLOOD_HOURS = (2.0, 21.0)  # of its day
REPORTS_KIND = "report"
GRADES = ("info", "low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Entity:
    """What a rule watches; it stands in one environment. `flaps`: it fires in bursts."""

    name: str
    kind: str
    env: str
    flaps: bool


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert to be raised. `flood`: while a bug floods its team and rule."""

    at: float
    team: Team
    rule: Rule
    entity: Entity
    severity: str | None
    title: str
    flood: bool

    @property
    def visibility_only(self) -> bool:
        """Whether it comes from a report."""
        return self.rule.kind == REPORTS_KIND


Estate = Mapping[str, tuple[Entity, ...]]


def estate(rng: Generator) -> Estate:
    """The entities of each team, by the team's name."""
    return {team.name: tuple(_entities(rng, team)) for team in TEAMS}


def firings(rng: Generator, span: Span, scale: float, entities: Estate, fixes: Sequence[Fix]) -> list[Firing]:
    """All alerts of the span, in order of time."""
    fired = [firing for team in TEAMS for firing in _of_team(rng, span, team, scale, entities[team.name], fixes)]
    fired += [firing for flood in FLOODS for firing in _flooded(rng, span, flood, scale, entities)]
    fired += [firing for report in REPORTS for firing in _reported(rng, span, report)]
    return sorted((f for f in fired if f.at < span.days * DAY), key=lambda f: f.at)


def rules_of(team: Team) -> list[Rule]:
    """The rules that watch what the team owns."""
    return [rule for rule in RULES if rule.kind in team.owns]


def _entities(rng: Generator, team: Team) -> Iterator[Entity]:
    for kind in team.owns:
        for number in range(1, int(rng.integers(ENTITIES_A_KIND.start, ENTITIES_A_KIND.stop)) + 1):
            env = str(rng.choice(list(ENVS), p=list(ENVS.values())))
            yield Entity(f"{team.name}-{kind}-{number}", kind, env, bool(rng.random() < FLAPPING_SHARE))


def _daily(rng: Generator, team: Team) -> dict[Rule, float]:
    """Alerts a day of each of the team's rules. Rules that will flood stay rare, so that the flood stands out."""
    rules = rules_of(team)
    weights = np.array([rule.share for rule in rules]) * rng.lognormal(0, 0.5, len(rules))
    daily = team.daily * weights / weights.sum()
    floods = {(flood.team, flood.rule) for flood in FLOODS}
    return {
        rule: min(float(rate), 2.0) if (team.name, rule.name) in floods else float(rate)
        for rule, rate in zip(rules, daily, strict=True)
    }


def _of_team(
    rng: Generator, span: Span, team: Team, scale: float, entities: Iterable[Entity], fixes: Sequence[Fix]
) -> Iterator[Firing]:
    rhythm = _rhythm(rng, span, team.zone)
    for rule, daily in _daily(rng, team).items():
        watched = [entity for entity in entities if entity.kind == rule.kind]
        mended = [fix for fix in fixes if (fix.team, fix.rule) == (team.name, rule.name)]
        yield from _regular(rng, span, team, rule, daily * scale * rhythm, watched, mended)


def _regular(
    rng: Generator,
    span: Span,
    team: Team,
    rule: Rule,
    expected: Floats,
    watched: Sequence[Entity],
    mended: Sequence[Fix],
) -> Iterator[Firing]:
    """The ordinary firings of one rule, of which `expected` is the mean number in each hour of the span."""
    weights = rng.lognormal(0, 0.6, len(watched))
    times = _times(rng, expected)
    chosen = rng.choice(len(watched), len(times), p=weights / weights.sum())
    for at, index in zip(times, chosen, strict=True):
        if _mended_away(rng, span, mended, at):
            continue
        entity = watched[index]
        for moment in (at, *_repeats(rng, entity, at)):
            yield _fire(rng, span, moment, team, rule, entity)


def _rhythm(rng: Generator, span: Span, zone: int) -> Floats:
    """For each hour of the span, its part of a mean day's volume: more by day, on weekdays, and as luck has it."""
    starts = np.arange(span.days * 24) * HOUR
    hour = np.array([span.hour(at, zone) for at in starts])
    weekend = np.array([span.weekend(at, zone) for at in starts])
    by_day = NIGHT + (1 - NIGHT) * np.exp(-(((hour - 13.5) / 4.5) ** 2))
    luck = np.repeat(rng.lognormal(0, 0.25, span.days), 24)
    shape = by_day * np.where(weekend, WEEKEND, 1.0)
    volume: Floats = shape / shape.mean() * luck / 24
    return volume


def _times(rng: Generator, expected: Floats) -> list[float]:
    hours = np.repeat(np.arange(len(expected)), rng.poisson(expected))
    return [float(at) for at in (hours + rng.random(len(hours))) * HOUR]


def _repeats(rng: Generator, entity: Entity, at: float) -> list[float]:
    """The burst that follows when an entity flaps: minutes apart, of random length."""
    if not entity.flaps or rng.random() >= FLAP_STARTS:
        return []
    return [float(moment) for moment in at + np.cumsum(rng.uniform(*FLAP_GAP_SECONDS, rng.geometric(FLAP_STOPS)))]


def _mended_away(rng: Generator, span: Span, mended: Sequence[Fix], at: float) -> bool:
    for fix in mended:
        if span.share(at) >= fix.share:
            return bool(rng.random() >= fix.keeps)
    return False


def _flooded(rng: Generator, span: Span, flood: Flood, scale: float, entities: Estate) -> Iterator[Firing]:
    team = next(team for team in TEAMS if team.name == flood.team)
    rule = next(rule for rule in RULES if rule.name == flood.rule)
    watched = [entity for entity in entities[team.name] if entity.kind == rule.kind]
    since, until = _window(span, flood)
    for at in rng.uniform(since, until, round(flood.firings * scale)):
        yield _fire(rng, span, float(at), team, rule, watched[int(rng.integers(len(watched)))])


def _window(span: Span, flood: Flood) -> tuple[float, float]:
    midnight = span.day(flood.share) * DAY
    return midnight + FLOOD_HOURS[0] * HOUR, midnight + FLOOD_HOURS[1] * HOUR


def _in_flood(span: Span, team: Team, rule: Rule, at: float) -> bool:
    for flood in FLOODS:
        if (flood.team, flood.rule) == (team.name, rule.name):
            since, until = _window(span, flood)
            return since <= at < until
    return False


def _reported(rng: Generator, span: Span, report: Report) -> Iterator[Firing]:
    rule = Rule(report.name, REPORTS_KIND, 0.0, ("info",), "report-mailer", report.title)
    teams = [team for team in TEAMS if team.name in report.teams]
    for hour in range(6 % report.every, span.days * 24, report.every):
        for team in teams:
            at = hour * HOUR + float(rng.uniform(0, 180))
            yield _fire(rng, span, at, team, rule, Entity(f"{team.name}-report", REPORTS_KIND, "prod", False))


def _fire(rng: Generator, span: Span, at: float, team: Team, rule: Rule, entity: Entity) -> Firing:
    drawn = (int(rng.integers(2, 100)) - 2) / 97
    severity = _severity(rng, rule)
    return Firing(
        at, team, rule, entity, severity, _title(rule, entity, severity, drawn), _in_flood(span, team, rule, at)
    )


def _title(rule: Rule, entity: Entity, severity: str | None, drawn: float) -> str:
    """What people read; of a higher severity the number is worse. `drawn`: from 0 to 1."""
    grades = sorted(rule.severities, key=GRADES.index)
    grade = (grades.index(severity) + drawn) / len(grades) if severity else drawn
    number = round(rule.numbers[0] + (rule.numbers[1] - rule.numbers[0]) * grade)
    return f"{rule.title.format(n=number)}{': ' if rule.kind == REPORTS_KIND else ' on '}{entity.name}"


def _severity(rng: Generator, rule: Rule) -> str | None:
    """Mostly the rule's usual severity, at times one of its others; none where the source knows none."""
    if not rule.severities:
        return None
    others = rule.severities[1:]
    return others[int(rng.integers(len(others)))] if others and rng.random() < 0.35 else rule.severities[0]
