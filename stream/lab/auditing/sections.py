"""What an audit looks at, one function a section: volumes and rates, names, delays, re-fires, rules, baselines."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from glob import escape

import numpy as np

from stream.core.errors import LabError
from stream.core.frame import Mask
from stream.core.kinds import split_kind
from stream.core.ledger import ACTIONABLE, MAINTENANCE, OPEN, UNKNOWN, VISIBILITY_ONLY
from stream.core.problem import DAY_SECONDS, Exclusion
from stream.extras import import_extra
from stream.lab.auditing.result import (
    Decided,
    Delays,
    Names,
    People,
    Proposal,
    Rate,
    Refires,
    Score,
    Tests,
    Undecided,
    Volumes,
)
from stream.lab.judging import metrics
from stream.lab.judging.baselines import score_baselines
from stream.lab.replaying import Replayed
from stream.lab.split import Split, judgeable, trainable

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)  # of the delays
AT_ONCE_SECONDS = 1.0
CONFIDENCE = 0.95  # one-sided
PEOPLE_DAYS = 7.0  # without an act by a person
LARGE_TEAM = 50  # alerts, of which some should have been acted on
SMALL_SHARE = 0.01  # a rule acted on less often than this is for reading
LEAST_KNOWN = 300  # outcomes before the split; none of 299 actionable just reaches the small share
_HOURS = (0.25, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 48.0, 72.0, 168.0)
_EXACT = 1e-3  # seconds: an expiry is known at raise + horizon + grace


def volumes(replayed: Replayed) -> Volumes:
    """Counts, and the span from the first raise to the last event."""
    at = replayed.at
    first = float(at.min()) if len(at) else None
    return Volumes(
        events=replayed.events,
        alerts=len(at),
        teams=len({alert.team for alert in replayed.alerts}),
        rules=len({alert.rule for alert in replayed.alerts}),
        excluded=int(np.count_nonzero(replayed.flags & (VISIBILITY_ONLY | MAINTENANCE))),
        first=None if first is None else datetime.fromtimestamp(first, UTC),
        last=None if first is None else datetime.fromtimestamp(replayed.ended_at, UTC),
        days=0.0 if first is None else (replayed.ended_at - first) / DAY_SECONDS,
        raise_days=0.0 if first is None else (float(at.max()) - first) / DAY_SECONDS,
    )


def by_team(replayed: Replayed) -> list[Rate]:
    """Teams, those with most alerts first."""
    return _largest_first(rates(replayed, [alert.team for alert in replayed.alerts]))


def by_rule(replayed: Replayed) -> list[Rate]:
    """Rules, those with most alerts first."""
    return _largest_first(rates(replayed, [alert.rule for alert in replayed.alerts]))


def by_week(replayed: Replayed) -> list[Rate]:
    """Weeks by their Monday, in order."""
    return sorted(rates(replayed, [_monday(at) for at in replayed.at]), key=lambda week: week.name)


def rates(replayed: Replayed, names: Sequence[str]) -> list[Rate]:
    """The share acted on by name; young alerts don't count for it, since fast outcomes would run ahead of slow."""
    usable: Mask = replayed.labelled & replayed.mature
    alerts, labelled, acted = Counter(names), Counter[str](), Counter[str]()
    for index in np.flatnonzero(usable).tolist():
        labelled[names[index]] += 1
        acted[names[index]] += int(replayed.outcome[index] == ACTIONABLE)
    return [
        Rate(name, count, labelled[name], acted[name] / labelled[name] if labelled[name] else None)
        for name, count in alerts.items()
    ]


def undecided(replayed: Replayed, split: Split | None) -> Undecided:
    """Alerts that count but give no label, on either side of the split."""
    counts, outcome = replayed.counts, replayed.outcome
    purged = young = 0
    if split is not None:
        known = trainable(replayed, split)
        purged = int(np.count_nonzero(replayed.labelled[: split.alert] & ~known))
        young = int(np.count_nonzero(counts & (replayed.at >= split.at) & ~replayed.mature))
    return Undecided(
        unknown=int(np.count_nonzero(counts & (outcome == UNKNOWN))),
        open=int(np.count_nonzero(counts & (outcome == OPEN))),
        purged=purged,
        young=young,
    )


def names(replayed: Replayed, own: frozenset[str]) -> Names:
    """Kinds and labels that stand in one of log and problem only; `own` are noisegate's own kinds."""
    outcome = replayed.problem.outcome
    listed = [*outcome.actionable, *outcome.noise]
    bare = {split_kind(entry)[0] for entry in listed}
    labels = {label for alert in replayed.alerts for label in alert.labels}
    return Names(
        unlisted={kind: count for kind, count in replayed.kinds.most_common() if kind not in {*bare, *own}},
        missing_kinds=[entry for entry in listed if entry not in replayed.kinds and entry not in replayed.agents],
        missing_labels=[label for label in replayed.problem.history.labels if label not in labels],
    )


def people(replayed: Replayed) -> People:
    """When people last acted, and the large teams of which no act by a person is in the log."""
    last = max(replayed.people.values(), default=None)
    sizes = Counter(alert.team for alert in replayed.alerts)
    large = [team for team, count in sizes.most_common() if count >= LARGE_TEAM]
    return People(
        days=None if last is None else max(replayed.ended_at - last, 0.0) / DAY_SECONDS,
        raised=int(np.count_nonzero(replayed.at >= replayed.ended_at - PEOPLE_DAYS * DAY_SECONDS)),
        large=len(large),
        silent=[team for team in large if team not in replayed.people],
    )


def delays(replayed: Replayed) -> Delays:
    """How long outcomes take: of the alerts that count and whose horizon and grace had passed when the log ended."""
    problem = replayed.problem
    mature = replayed.counts & replayed.mature
    labelled = replayed.labelled & mature
    took = (replayed.decided_at - replayed.at)[labelled]
    acted = took[took < problem.due_seconds - _EXACT]
    hours = [hour for hour in _HOURS if hour < problem.due_seconds / 3600] + [problem.due_seconds / 3600]
    total = int(np.count_nonzero(mature))
    return Delays(
        minutes={f"{share:.0%}": float(np.quantile(acted, share)) / 60 for share in QUANTILES} if len(acted) else {},
        by_action=len(acted),
        by_expiry=len(took) - len(acted),
        at_once=int(np.count_nonzero(acted <= AT_ONCE_SECONDS)),
        maturity=[Decided(hour, _share_of(took <= hour * 3600 + _EXACT, total)) for hour in hours] if total else [],
    )


def refires(replayed: Replayed, split: Split | None) -> Refires:
    """Count the alerts raised soon after their like."""
    horizon, labelled = replayed.problem.horizon_seconds, replayed.labelled
    latest: dict[tuple[str, str, str], int] = {}
    before: dict[tuple[str, str, str], float] = {}
    found = across = like_before = after = paired = same = 0
    for index in np.argsort(replayed.at, kind="stable"):
        alert, at = replayed.alerts[index], float(replayed.at[index])
        like = (alert.team, alert.rule, alert.entity)
        earlier = latest.get(like)
        if earlier is not None and at - replayed.at[earlier] <= horizon:
            found += 1
            if labelled[index] and labelled[earlier]:
                paired += 1
                same += int(replayed.outcome[index] == replayed.outcome[earlier])
        latest[like] = int(index)
        if split is not None and at < split.at:
            before[like] = at
        elif split is not None:
            after += 1
            across += int(at - before.get(like, -np.inf) <= horizon)
            like_before += int(split.at - before.get(like, -np.inf) <= horizon)
    return Refires(found, replayed.effects["repeated_raise"], across, like_before, after, paired, same)


def upper_bound(actionable: int, known: int) -> float:
    """The upper 95 % bound of a share (Clopper and Pearson, 1934), one-sided.

    >>> round(upper_bound(0, 299), 4)
    0.01
    """
    if actionable >= known:
        return 1.0
    beta = import_extra("scipy.stats", "lab", "the audit needs", LabError).beta
    return float(beta.ppf(CONFIDENCE, actionable + 1, known - actionable))


def proposals(replayed: Replayed, split: Split) -> list[Proposal]:
    """Rules that look visibility-only by outcomes known at the split, those with most alerts first."""
    found = []
    for rule, indices in _known_by_rule(replayed, split).items():
        actionable = int(np.count_nonzero(replayed.outcome[indices] == ACTIONABLE))
        upper = upper_bound(actionable, len(indices))
        if len(indices) < LEAST_KNOWN or upper >= SMALL_SHARE or not rule:
            continue
        took = replayed.decided_at[indices] - replayed.at[indices]
        found.append(
            Proposal(
                rule=rule,
                known=len(indices),
                actionable=actionable,
                upper=upper,
                closed_by_hand=int(np.count_nonzero(took < replayed.problem.due_seconds - _EXACT)) - actionable,
                toml=toml_of(rule),
            )
        )
    return sorted(found, key=lambda proposal: (-proposal.known, proposal.rule))


def rules_tested(replayed: Replayed, split: Split) -> int:
    """How many rules have outcomes enough, known at the split, to be proposed."""
    return sum(bool(rule) and len(known) >= LEAST_KNOWN for rule, known in _known_by_rule(replayed, split).items())


def exclusion_of(rule: str) -> Exclusion:
    """The pattern that means this rule and no other."""
    return Exclusion(rule=escape(rule))


def toml_of(rule: str) -> str:
    """The same as TOML, an element of exclude.visibility_only.

    >>> toml_of("report/daily")
    '{rule = "report/daily"}'
    """
    table = import_extra("tomlkit", "lab", "the audit needs", LabError).inline_table()
    table["rule"] = escape(rule)
    return str(table.as_string())


def tests(replayed: Replayed, split: Split) -> Tests:
    """Both sides of the split; figures are None where a class is missing."""
    known, judged = trainable(replayed, split), judgeable(replayed, split)
    y, learnt = replayed.outcome[judged], replayed.outcome[: split.alert][known]
    detection = replayed.problem.target.detection
    rate = float(y.mean()) if len(y) else None
    return Tests(
        split_at=datetime.fromtimestamp(split.at, UTC),
        trainable=len(learnt),
        trainable_rate=float(learnt.mean()) if len(learnt) else None,
        judged=len(y),
        judged_rate=rate,
        always_noise_accuracy=None if rate is None else 1.0 - rate,
        target_detection=detection,
        baselines=[
            Score(name, _figure(metrics.auc(y, p[judged])), _figure(metrics.suppressed_at(y, p[judged], detection)))
            for name, p in score_baselines(replayed).items()
        ],
    )


def _largest_first(found: list[Rate]) -> list[Rate]:
    return sorted(found, key=lambda rate: (-rate.alerts, rate.name))


def _monday(at: float) -> str:
    day = datetime.fromtimestamp(at, UTC).date()
    return (day - timedelta(days=day.weekday())).isoformat()


def _share_of(decided: Mask, total: int) -> float:
    return int(np.count_nonzero(decided)) / total


def _known_by_rule(replayed: Replayed, split: Split) -> dict[str, list[int]]:
    known: dict[str, list[int]] = {}
    for index in np.flatnonzero(trainable(replayed, split)):
        known.setdefault(replayed.alerts[index].rule, []).append(int(index))
    return known


def _figure(value: float) -> float | None:
    return None if math.isnan(value) else value
