"""From outcomes to the observations of a proof: the episodes of a rule in one team, by the hour of their first raise.

An hour is observed when nothing of it can change any more, at its end + 24 h + horizon + grace, whatever came of its
alerts. So no outcome runs ahead of another, and the order in which outcomes come changes nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct

from stream.core.episodes import LONGEST
from stream.core.events import seconds
from stream.core.kinds import CORRECTION, is_drill
from stream.core.problem import Problem
from stream.core.records import Flag, Outcome

HOUR = 3_600.0
PROOF = ""  # in the place of a model: what the proof counts, the alert as its champion scored it

NEVER: frozenset[Flag] = frozenset({"flood", "visibility_only", "maintenance"})
LABELS_CUT: frozenset[Flag] = frozenset({"labels_cut", "cut"})  # of these a rule that names a label knows too little
LABELED_NEVER = NEVER | LABELS_CUT
_UNJUDGED, _NOISE, _ACTED = -1, 0, 1


class Episode(Struct, array_like=True):
    """One episode of a team under a rule: its first raise there (seconds since 1970), and what became of it.

    `acted` is 1 once any alert was acted on, 0 where people had all they needed and did not act, -1 while no alert
    has an outcome of people.
    """

    first: float
    acted: int = _UNJUDGED


class OpenHours(Struct, array_like=True):
    """The episodes of one team under one version of a rule whose hour is not observed yet, by model and episode id.

    `observed` is the first hour that is still open (hours since 1970): what belongs to an earlier one comes too late.
    """

    episodes: dict[str, dict[str, Episode]] = {}
    observed: int = 0
    late: int = 0  # outcomes that came after their hour was observed


class Observation(NamedTuple):
    """One team's hour (hours since 1970) under a rule: the share of its episodes that was acted on.

    `model` is the one under whose scores the rule matched, or `PROOF`.
    """

    hour: int
    model: str
    acted: float
    episodes: int


def hour_of(at: float) -> int:
    """The UTC hour that a moment lies in, in hours since 1970.

    >>> hour_of(7_199.9), hour_of(7_200.0)
    (1, 2)
    """
    return int(at // HOUR)


def next_hour(at: float) -> int:
    """The first UTC hour that begins at a moment or after it.

    >>> next_hour(7_200.0), next_hour(7_200.1)
    (2, 3)
    """
    return int(-(-at // HOUR))


def due_at(hour: int, problem: Problem) -> float:
    """When an hour is observed, seconds since 1970: at its end + 24 h + horizon + grace."""
    return (hour + 1) * HOUR + LONGEST + problem.due_seconds


def is_observed(outcome: Outcome) -> bool:
    """Whether the outcome concerns a rule's proof at all: it is no correction, and no drill's."""
    return outcome.by != CORRECTION and not is_drill(outcome.team)


def add_outcome(hours: OpenHours, outcome: Outcome, models: list[str], names_label: bool = False) -> None:
    """Count an outcome of an alert that the rule, which may name a label, matched under the scores of these models.

    What no rule may act on, or what has no outcome of people, counts for the begin of its episode and for no more: in a
    flood, in a maintenance window, for reading only, without history, with cut labels.
    """
    at, verdict = seconds(outcome.raised_at), _UNJUDGED
    if hour_of(at) < hours.observed:
        hours.late += 1
        return
    never = LABELED_NEVER if names_label else NEVER
    if outcome.outcome != "unknown" and outcome.evidence != "none" and never.isdisjoint(outcome.flags):
        verdict = _ACTED if outcome.outcome == "actionable" else _NOISE
    name = outcome.episode or f"alert:{outcome.alert_id}"
    for model in models:
        episodes = hours.episodes.setdefault(model, {})
        known = episodes.get(name)
        if known is None:
            episodes[name] = Episode(at, verdict)
        else:
            known.first, known.acted = min(known.first, at), max(known.acted, verdict)


def take_due(hours: OpenHours, at: float, problem: Problem) -> Iterator[Observation]:
    """The observations due by a moment, in order of hour and model; their episodes are let go of."""
    open_from = max(hours.observed, hour_of(at - HOUR - LONGEST - problem.due_seconds) + 1)
    hours.observed = open_from
    found: dict[tuple[int, str], list[int]] = {}
    for model, episodes in list(hours.episodes.items()):
        for name, episode in list(episodes.items()):
            hour = hour_of(episode.first)
            if hour < open_from:
                found.setdefault((hour, model), []).append(episode.acted)
                del episodes[name]
        if not episodes:
            del hours.episodes[model]
    for (hour, model), verdicts in sorted(found.items()):
        judged = [verdict for verdict in verdicts if verdict != _UNJUDGED]
        if judged:
            yield Observation(hour, model, sum(judged) / len(judged), len(judged))
