"""A problem file proposed from a log: which kinds of action decide, within which horizon, and what stays undecided."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from stream.core.errors import LabError
from stream.core.events import Acted, Raised
from stream.core.kinds import AUTOMATION, CORRECTION, EXPIRY, MAINTENANCE, MUTED, PERSON, REOPENED, RESERVED
from stream.core.limits import HORIZON_HOURS
from stream.core.problem import DAY_SECONDS
from stream.eventlog import Line

DECIDED_SHARE = 0.95  # of the alerts that an action ever decides, by the horizon
_STEPS = (0.25, 0.5, 1, 2, 4, 8, 12, 24, 48, 72, 168, 336, 720, 2_160, HORIZON_HOURS)  # hours
_PARTS = 4  # a horizon is at most this part of the log's days
_LEDGER_DAYS = 30.0  # beyond the horizon, that an alert is remembered by default
_ACTIONABLE = ("worked", "remediated", "escalated")
_NEXT_BEST = (("acknowledged",), ("reassigned", "commented"), ("resolved", "closed"))  # where none of those occurs
_NOISE = ("dismissed", "resolved", "closed", "auto_closed")
_NEVER = RESERVED | {REOPENED, MUTED, EXPIRY, CORRECTION, MAINTENANCE}
LEAST = 20  # alerts of a rule that nobody acted on, and alerts or decisions for a share of them to be given
_RULES = 20
_LABEL_VALUES = 100
_AGENTS = (None, PERSON, AUTOMATION)

Floats = NDArray[np.float64]


class KindCount(Struct, frozen=True):
    """A kind of action, how often each agent did it, and what it means: acted on, noise, or nothing."""

    kind: str
    person: int
    automation: int
    unsaid: int
    role: str

    @property
    def total(self) -> int:
        """All of them."""
        return self.person + self.automation + self.unsaid


class Suggestion(Struct, frozen=True, kw_only=True):
    """What is proposed, and the figures behind it.

    Attributes:
        alerts, teams, days: what the log holds.
        kinds: all kinds of action, the most frequent first.
        actionable, noise: entries of the problem file.
        horizon_hours: the first step by which 95 % of what an action decides is decided, or the longest that fits.
        needed_hours: by when 95 % is decided, as measured.
        decided: the share of what an action decides that is decided by the horizon.
        acted: the share of alerts acted on within the horizon, of those whose horizon had passed.
        undecided: the share of those that no action decides within the horizon.
        decisions: how many decided alerts horizon and `decided` rest on.
        mature: how many alerts `acted` and `undecided` rest on.
        ledger_days: how long alerts must be remembered for late actions; None where the default does.
        muted: alerts that nobody was shown.
        untouched: rules on which no person and nobody unnamed ever acted, with their alerts; the largest first.
        labels: labels of most alerts with few values, and how many values.
    """

    alerts: int
    teams: int
    days: float
    kinds: list[KindCount]
    actionable: list[str]
    noise: list[str]
    horizon_hours: float
    needed_hours: float
    decided: float
    acted: float
    undecided: float
    ledger_days: int | None
    muted: int
    untouched: list[tuple[str, int]]
    labels: dict[str, int]
    decisions: int
    mature: int

    @property
    def is_long_enough(self) -> bool:
        """Whether the log is long enough for the horizon that it needs."""
        return self.decided >= DECIDED_SHARE


class _Log:
    """The events of a log as columns: alerts, and actions on them."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.alerts: list[Raised] = []
        self.kinds: list[str] = []
        self.ended_at = 0.0
        self._index: dict[tuple[str, str], int] = {}
        self._kind_of: dict[str, int] = {}
        self._columns = (
            array("d"),
            array("q"),
            array("d"),
            array("q"),
            array("q"),
        )  # raised at; alert, at, kind, agent
        for line in lines:
            self.ended_at = max(self.ended_at, line.at)
            if type(line.event) is Raised:
                self._add_alert(line.event, line.at)
            elif type(line.event) is Acted:
                self._add_action(line.event, line.at)
        if not self.alerts:
            raise LabError("the log holds no raised alert")
        raised, alert, at, kind, agent = (np.asarray(column) for column in self._columns)
        self.at: Floats = raised
        self.alert, self.kind, self.agent = alert, kind, agent
        self.delay: Floats = at - raised[alert] if len(alert) else at

    def _add_alert(self, event: Raised, at: float) -> None:
        key = (event.team, event.alert_id)
        if key not in self._index:
            self._index[key] = len(self.alerts)
            self.alerts.append(event)
            self._columns[0].append(at)

    def _add_action(self, event: Acted, at: float) -> None:
        alert = self._index.get((event.team, event.alert_id))
        if alert is None:
            return
        kind = self._kind_of.get(event.kind)
        if kind is None:
            kind = self._kind_of[event.kind] = len(self.kinds)
            self.kinds.append(event.kind)
        self._columns[1].append(alert)
        self._columns[2].append(at)
        self._columns[3].append(kind)
        self._columns[4].append(_AGENTS.index(event.agent))

    def first(self, entries: Sequence[str]) -> Floats:
        """Seconds from each raise to its first action of these entries; infinite where there is none."""
        found = np.full(len(self.alerts), np.inf)
        for entry in entries:
            kind, _, agent = entry.partition("@")
            mask = self.kind == self._kind_of[kind]
            if agent:
                mask &= self.agent == _AGENTS.index(agent)
            np.minimum.at(found, self.alert[mask], np.maximum(self.delay[mask], 0.0))
        return found


def suggest(lines: Iterable[Line]) -> Suggestion:
    """Propose what counts as acted on in a log.

    Raises:
        LabError: it holds no alerts, or no action that could mean that somebody acted.
    """
    log = _Log(lines)
    counts = {kind: _agents(log, number) for number, kind in enumerate(log.kinds)}
    actionable, noise = _entries(counts)
    roles = {entry.partition("@")[0]: "acted on" for entry in actionable} | dict.fromkeys(noise, "noise")
    kinds = [KindCount(kind, *agents, roles.get(kind, "nothing")) for kind, agents in counts.items()]
    days = (log.ended_at - float(log.at.min())) / DAY_SECONDS
    acted, dismissed = log.first(actionable), log.first(noise)
    horizon, needed, decided, decisions = _horizon(np.minimum(acted, dismissed), log)
    due = horizon * 3600.0
    old = log.at + due <= log.ended_at
    latest = float(log.delay.max()) / DAY_SECONDS
    return Suggestion(
        alerts=len(log.alerts),
        teams=len({alert.team for alert in log.alerts}),
        days=days,
        kinds=sorted(kinds, key=lambda of: (-of.total, of.kind)),
        actionable=actionable,
        noise=noise,
        horizon_hours=horizon,
        needed_hours=needed,
        decided=decided,
        acted=_share((acted <= due) & (acted <= dismissed), old),
        undecided=_share(np.minimum(acted, dismissed) > due, old),
        ledger_days=int(np.ceil(latest)) if latest > horizon / 24.0 + _LEDGER_DAYS else None,
        muted=int(np.isfinite(log.first([MUTED])).sum()) if MUTED in log.kinds else 0,
        untouched=_untouched(log),
        labels=_labels(log.alerts),
        decisions=decisions,
        mature=int(np.count_nonzero(old)) or len(old),
    )


def _agents(log: _Log, kind: int) -> tuple[int, int, int]:
    unsaid, person, automation = np.bincount(log.agent[log.kind == kind], minlength=len(_AGENTS)).tolist()
    return person, automation, unsaid


def _entries(counts: dict[str, tuple[int, int, int]]) -> tuple[list[str], list[str]]:
    """Entries that mean acted on, and kinds that mean noise; what people alone decide is narrowed to them."""
    for wanted in (_ACTIONABLE, *_NEXT_BEST):
        found = [kind for kind in wanted if kind in counts and counts[kind][0] + counts[kind][2]]
        if found:
            break
    else:
        kinds = ", ".join(kind for kind in counts if kind not in _NEVER) or "no actions at all"
        raise LabError(
            f"no action in the log can mean that somebody acted; it has: {kinds}",
            "bring in what people did, with kinds",
        )
    actionable = [f"{kind}@{PERSON}" if counts[kind][0] and counts[kind][1] else kind for kind in found]
    return actionable, [kind for kind in _NOISE if kind in counts and kind not in found]


def _horizon(first: Floats, log: _Log) -> tuple[float, float, float, int]:
    """The horizon in hours, the hours by which 95 % is decided, the share decided by the horizon, and of how many.

    Alerts of the log's first half say it, so that slow outcomes of the last days are not missed.
    """
    span = float(log.at.max() - log.at.min())
    early = log.at <= float(log.at.min()) + span / 2.0
    known = first[early & np.isfinite(first)]
    known = known if len(known) else first[np.isfinite(first)]
    needed = float(np.quantile(known, DECIDED_SHARE)) / 3600.0
    fits = [step for step in _STEPS if step <= max(span / 3600.0 / _PARTS, _STEPS[0])]
    horizon = float(next((step for step in fits if step >= needed), fits[-1]))
    return horizon, needed, float(np.mean(known <= horizon * 3600.0)), len(known)


def _untouched(log: _Log) -> list[tuple[str, int]]:
    touched = {log.alerts[alert].rule for alert in np.unique(log.alert[log.agent != _AGENTS.index(AUTOMATION)])}
    rules = Counter(alert.rule for alert in log.alerts if alert.rule not in touched)
    return [(rule, count) for rule, count in rules.most_common(_RULES) if count >= LEAST]


def _labels(alerts: Sequence[Raised]) -> dict[str, int]:
    values: dict[str, set[str]] = {}
    alerts_with = Counter[str]()
    for alert in alerts:
        for key, value in alert.labels.items():
            alerts_with[key] += 1
            known = values.setdefault(key, set())
            if len(known) <= _LABEL_VALUES:
                known.add(value)
    return {
        key: len(values[key])
        for key, count in alerts_with.most_common()
        if count > len(alerts) / 2 and 1 < len(values[key]) <= _LABEL_VALUES
    }


def _share(mask: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    return float(np.mean(mask[among])) if among.any() else float(np.mean(mask))
