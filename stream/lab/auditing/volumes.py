"""How much there is, and how often it is acted on: in all, by week, team and rule."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from stream.core.kinds import split_kind
from stream.core.ledger import ACTIONABLE, MAINTENANCE, OPEN, UNKNOWN, VISIBILITY_ONLY
from stream.lab.auditing.result import Names, Rate, Undecided, Volumes
from stream.lab.replaying import Replayed
from stream.lab.window import Mask, Split, trainable


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
        days=0.0 if first is None else (replayed.ended_at - first) / 86_400,
        raise_days=0.0 if first is None else (float(at.max()) - first) / 86_400,
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


def _largest_first(found: list[Rate]) -> list[Rate]:
    return sorted(found, key=lambda rate: (-rate.alerts, rate.name))


def _monday(at: float) -> str:
    day = datetime.fromtimestamp(at, UTC).date()
    return (day - timedelta(days=day.weekday())).isoformat()
