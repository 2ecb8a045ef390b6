"""The past that rules are held against: a log whose alerts a model scores now, or what stands in Kafka's topics."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import msgspec
from msgspec import Struct

from stream.config import Settings
from stream.core.deeds import DeedKind
from stream.core.errors import LogError, RulesError
from stream.core.events import Raised, seconds
from stream.core.kinds import CORRECTION
from stream.core.problem import Problem
from stream.core.records import Decision, Enriched, Outcome, Score, decode_decision, decode_enriched, decode_outcome
from stream.core.rule_index import IndexedRule, RuleIndex
from stream.eventlog import read_log
from stream.kafka.reader import Reader
from stream.lab.judging.compare_live import read_outcomes
from stream.lab.scored_log import score_log
from stream.progress import Progress, no_progress

_DEEDS = frozenset(get_args(DeedKind))
_EARLIER_SECONDS = 3_600.0  # by which a record's timestamp may lie before its alert's


class Past(Struct, frozen=True, eq=False):
    """Outcomes with the scores of their alerts, the problem that decided them, and a note on where they are from."""

    outcomes: list[Outcome]
    problem: Problem
    note: str


def past_of_log(log: Path, model_dir: Path, progress: Progress = no_progress) -> Past:
    """The outcomes of a log's alerts, with the scores that a model gives them now.

    Raises:
        ModelError, LogError: the model or the log can't be used.
    """
    scored = score_log(log, model_dir, progress)
    note = f"scored by model {scored.model}"
    if scored.learnt:
        note += f"; {scored.learnt:,} alerts from before its split are left out, since it learnt from them"
    return Past([one for one in scored.outcomes if one is not None], scored.problem, note)


def past_of_topic(settings: Settings, since: float) -> Past:
    """The outcomes that were published since a time (seconds since 1970), with the scores that the alerts had live.

    Raises:
        BrokerError: Kafka can't be read.
    """
    problem = settings.load_problem()
    outcomes = [one for one in read_outcomes(settings, since) if one.by != CORRECTION]
    return Past(outcomes, problem, f"from {settings.topics.outcomes}, with the scores that the alerts had when raised")


def find_in_log(alert_id: str, log: Path, model_dir: Path, progress: Progress = no_progress) -> tuple[Enriched, bool]:
    """One alert of a log, as a model scores it now, and whether its outcome is decided.

    Raises:
        LogError: the log can't be read, or holds no such alert after the model's split.
        ModelError: the model can't be used.
    """
    scored = score_log(log, model_dir, progress)
    for one, outcome in zip(scored.enriched, scored.outcomes, strict=True):
        if one.alert.alert_id == alert_id:
            return one, outcome is not None
    raise LogError(
        f"{log}: holds no alert {alert_id} raised after the split of model {scored.model}",
        "name one that the model did not learn from",
    )


def find_in_topic(alert_id: str, settings: Settings) -> Enriched:
    """One alert of the enriched topic: its first scored record, or an unscored one.

    Raises:
        RulesError: there is none.
        BrokerError: Kafka can't be read.
    """
    found: Enriched | None = None
    wanted = msgspec.json.encode(alert_id)
    with Reader(settings, [settings.topics.enriched]) as reader:
        for message in reader.read_all():
            value = bytes(message.value() or b"")
            if wanted not in value:
                continue
            try:
                enriched = decode_enriched(value)
            except (msgspec.DecodeError, ValueError, RecursionError):
                continue  # `doctor` finds such records
            if enriched.alert.alert_id == alert_id and (found is None or found.score.probability is None):
                found = enriched
    if found is None:
        raise RulesError(
            f"{settings.topics.enriched} holds no alert {alert_id}", "name one of the last days, or use --events"
        )
    return found


def is_settled(alert: Raised, settings: Settings) -> bool:
    """Whether an alert of the topics has an outcome, or a rule has paused or closed it: nobody's label is open then.

    Raises:
        BrokerError: Kafka can't be read.
    """
    topics, since = settings.topics, seconds(alert.at) - _EARLIER_SECONDS
    wanted = msgspec.json.encode(alert.alert_id)
    with Reader(settings, [topics.outcomes, topics.decisions], since=since) as reader:
        for message in reader.read_all():
            value = bytes(message.value() or b"")
            if wanted not in value:
                continue
            try:
                one = decode_outcome(value) if message.topic() == topics.outcomes else decode_decision(value)
            except (msgspec.DecodeError, ValueError, RecursionError):
                continue
            is_deed = isinstance(one, Decision) and one.decision in _DEEDS
            if (isinstance(one, Outcome) or is_deed) and (one.team, one.alert_id) == (alert.team, alert.alert_id):
                return True
    return False


def as_enriched(outcome: Outcome) -> Enriched:
    """The scored alert that an outcome is of, as far as the outcome holds it."""
    alert = Raised(
        at=outcome.raised_at,
        alert_id=outcome.alert_id,
        team=outcome.team,
        rule=outcome.rule,
        entity=outcome.entity,
        severity=outcome.severity,
        source=outcome.source,
        labels=outcome.labels,
    )
    probability = outcome.scores.get(outcome.model) if outcome.model else None
    score = Score(probability, "unscored" if probability is None else "unsure", outcome.model, outcome.evidence)
    return Enriched(alert, score, None, outcome.flags, outcome.raised_at, "", outcome.episode)


def raised_of_log(log: Path) -> Iterator[Raised]:
    """The alerts of a log, as raised."""
    return (line.event for line in read_log(log) if type(line.event) is Raised)


def unmatched_rules(index: RuleIndex, alerts: Iterable[Raised]) -> Sequence[IndexedRule]:
    """The rules whose match fits none of the alerts, whatever their scores."""
    waiting = {one.rule.name: one for one in index.rules}
    for alert in alerts:
        if not waiting:
            break
        for one in index.fitting(alert.team, alert.rule, alert.entity, alert.severity, alert.source, alert.labels):
            waiting.pop(one.rule.name, None)
    return list(waiting.values())
