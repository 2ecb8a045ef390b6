"""The output records of a batch: enriched alerts, outcomes and dead letters."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter

from msgspec import UNSET, UnsetType

from stream.config import Settings
from stream.core.effects import Arrived, Counted, Decided, Effect, Fired, Repeated, Unknown
from stream.core.episodes import episode_id
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, Tick, moment
from stream.core.kinds import DRILL_TEAM, acted_by, is_drill
from stream.core.ledger import LATE, OUTCOME_NAMES, UNJUDGED, Context, flag_names
from stream.core.problem import Problem
from stream.core.records import Enriched, Flag, Outcome, Score, Whys, encode_record
from stream.kafka.failed import failed_output
from stream.kafka.records import Output, Part, Record
from stream.scorer.decode import Decoded, whereabouts
from stream.scorer.metrics.maturity import verdicts_of
from stream.scorer.metrics.tally import Tally
from stream.scorer.score import BatchScores, score_fields, unpack_score

CUT: Flag = "cut"
_TYPES: dict[type, str] = {Raised: "raised", Acted: "acted", Tick: "tick"}
_NO_CONTEXT = Context(None, None, {})
_known = attrgetter("team", "outcome", "by", "flags")


class OutputBuilder:
    """Makes enriched, outcome and failed records, and notes in the tally what it made."""

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self._actionable = frozenset(problem.outcome.actionable)
        self._settings = settings
        self._problem = problem.id
        self._with_features = settings.scorer.enriched_features
        self._unknown_alert = BadRecord(
            "unknown_alert",
            "no alert of this id is in the ledger: this team has not raised it so far, or raised it more than "
            f"{problem.ledger_days:g} days ago",
        )

    def build(
        self, part: Part, batch: Decoded, effects: Sequence[Effect], scores: BatchScores, tally: Tally
    ) -> list[Output]:
        """What is to be published for the effects of a batch, in their order."""
        stands = {id(event): record for event, _, record in batch.events if type(event) is Raised}
        prefix = f"{part.topic}/{part.partition}/"
        now = datetime.fromtimestamp(tally.enriched_at, UTC)
        outputs: list[Output] = []
        for one in effects:
            if type(one) is Arrived or type(one) is Repeated:
                outputs.append(self._alert(one, stands[id(one.event)], prefix, scores, now, tally))
            elif type(one) is Decided:
                value = encode_record(outcome(one, self._problem))
                outputs.append(Output(self._settings.topics.outcomes, one.team.encode(), value))
                tally.decided.append(one)
            elif type(one) is Fired:
                tally.matured.append(verdicts_of(one.timer))
            elif type(one) is Counted:
                tally.actions[one.effect] += 1
            elif type(one) is Unknown:
                topic = self._settings.topics.failed
                partition, offset = whereabouts(one.offset, part.partition)
                lies = Part(part.topic, partition)
                outputs.append(failed_output(topic, lies, offset, None, one.value, self._unknown_alert))
                tally.failed[self._unknown_alert.reason] += 1
        tally.outcomes.update(map(_known, tally.decided))
        tally.events.update([_TYPES[type(event)] for event, _, _ in batch.events])
        acts = Counter(
            [(one.kind, one.agent) for one, _, _ in batch.events if type(one) is Acted and one.team != DRILL_TEAM]
        )
        for (kind, agent), count in acts.items():
            tally.acts[acted_by(kind, agent, self._actionable)] += count
        return outputs

    def dead_letter(self, part: Part, batch: Decoded, silent_until: int, tally: Tally) -> list[Output]:
        """What is to be published for the records of a batch that could not be folded."""
        outputs = []
        for record, error in batch.failed:
            if record.offset >= silent_until:
                topic, value = self._settings.topics.failed, record.value or b""
                outputs.append(failed_output(topic, part, record.offset, record.key, value, error))
                tally.failed[error.reason] += 1
        return outputs

    def _alert(
        self, one: Arrived | Repeated, record: Record, prefix: str, scores: BatchScores, now: datetime, tally: Tally
    ) -> Output:
        team = one.event.team
        if type(one) is Arrived:
            score, why = scores.scores[one.row], scores.whys[one.row]
            if not is_drill(team):
                tally.teams.append(team)
                if not one.flags & UNJUDGED:
                    tally.rows.append(one.row)
            tally.late += bool(one.flags & LATE)
        else:
            score, why = unpack_score(one.alert.score), None
            tally.repeated += 1
        if score.probability is None:
            tally.unscored[score.reason or "no_model"] += 1
        else:
            tally.scored[score.band] += 1
        tally.raised_at.append(record.timestamp / 1000.0)
        more = scores.flags(one.event, score, type(one) is Arrived)
        episode = episode_id(team, one.alert)
        offset = f"{prefix}{record.offset}"
        features: bytes | UnsetType | None = UNSET
        if self._with_features:
            features = scores.features[one.row] if type(one) is Arrived else None
        value = encode_record(enriched(one.event, one.flags, score, why, now, offset, more, episode, features))
        return Output(self._settings.topics.enriched, team.encode(), value)


def enriched(
    event: Raised,
    flags: int,
    score: Score,
    why: Whys | None,
    now: datetime,
    offset: str,
    more: Sequence[str] = (),
    episode: str | None = None,
    features: bytes | UnsetType | None = UNSET,
) -> Enriched:
    """The enriched record of an alert; `more` are flags beside those that the fold sets."""
    if event.cut:
        more = (*more, CUT)
    names = [*flag_names(flags), *more] if more else flag_names(flags)
    return Enriched(event, score, why, names, now, offset, episode, features)  # type: ignore[arg-type]  # a closed list


def unscored(event: Raised, now: datetime, offset: str) -> Enriched:
    """The enriched record of an alert while its history can't be reached."""
    flags: list[Flag] = [CUT] if event.cut else []
    return Enriched(event, Score(None, "unscored", None, "none", "history_unavailable"), None, flags, now, offset)


def outcome(decided: Decided, problem: str) -> Outcome:
    """The outcome record of an alert, with the scores that were fenced in."""
    alert, context = decided.alert, decided.context or _NO_CONTEXT
    probability, _, model, evidence, _, challenger = score_fields(alert.score)
    scores = {} if model is None or probability is None else {model: probability}
    if challenger is not None:
        scores[challenger[0]] = challenger[1]
    return Outcome(
        decided.alert_id,
        decided.team,
        alert.rule,
        alert.entity,
        moment(alert.raised_at),
        OUTCOME_NAMES[decided.outcome],  # type: ignore[arg-type]  # a closed list
        moment(decided.decided_at),
        decided.by,
        problem,
        model,
        scores,
        evidence,
        None if alert.last_outcome < 0 else alert.last_outcome,
        flag_names(decided.flags),  # type: ignore[arg-type]  # a closed list
        context.severity,
        context.source,
        context.labels,
        episode_id(decided.team, alert),
        decided.agent,  # type: ignore[arg-type]  # a closed list
    )
