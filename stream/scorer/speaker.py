"""What came of a batch, as records for the topics."""

from collections.abc import Sequence
from datetime import UTC, datetime
from operator import attrgetter

from stream.config import Settings
from stream.core.came import Arrived, Came, Counted, Decided, Fired, Repeated, Unknown
from stream.core.episodes import episode_id
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, Tick
from stream.core.kinds import is_drill
from stream.core.ledger import LATE, NARROW
from stream.core.problem import Problem
from stream.core.records import encode_record
from stream.lane.batch import Output, Part, Record
from stream.lane.failed import failed_output
from stream.scorer.answers import Answers, enriched, outcome, unpack_score
from stream.scorer.decode import Decoded, whereabouts
from stream.scorer.maturing import verdicts_of
from stream.scorer.tally import Tally

_TYPES: dict[type, str] = {Raised: "raised", Acted: "acted", Tick: "tick"}
_known = attrgetter("team", "outcome", "by", "flags")


class Speaker:
    """Makes enriched, outcome and failed records, and notes in the tally what it made."""

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self._settings = settings
        self._problem = problem.id
        self._unknown_alert = BadRecord(
            "unknown_alert",
            "no alert of this id is in the ledger: this team has not raised it so far, or raised it more than "
            f"{problem.ledger_days:g} days ago",
        )

    def say(self, part: Part, batch: Decoded, came: Sequence[Came], answers: Answers, tally: Tally) -> list[Output]:
        """What is to be published for what came of a batch, in the order in which it came."""
        stands = {id(event): record for event, _, record in batch.events if type(event) is Raised}
        prefix = f"{part.topic}/{part.partition}/"
        now = datetime.fromtimestamp(tally.enriched_at, UTC)
        outputs: list[Output] = []
        for one in came:
            if type(one) is Arrived or type(one) is Repeated:
                outputs.append(self._alert(one, stands[id(one.event)], prefix, answers, now, tally))
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
        return outputs

    def fail(self, part: Part, batch: Decoded, silent_until: int, tally: Tally) -> list[Output]:
        """What is to be published for the records of a batch that could not be folded."""
        outputs = []
        for record, error in batch.failed:
            if record.offset >= silent_until:
                topic, value = self._settings.topics.failed, record.value or b""
                outputs.append(failed_output(topic, part, record.offset, record.key, value, error))
                tally.failed[error.reason] += 1
        return outputs

    def _alert(
        self, one: Arrived | Repeated, record: Record, prefix: str, answers: Answers, now: datetime, tally: Tally
    ) -> Output:
        team = one.event.team
        if type(one) is Arrived:
            score, why = answers.scores[one.row], answers.whys[one.row]
            if not is_drill(team):
                tally.teams.append(team)
                if not one.flags & NARROW:
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
        more = answers.flags(one.event, score, type(one) is Arrived)
        episode = episode_id(team, one.alert)
        offset = f"{prefix}{record.offset}"
        value = encode_record(enriched(one.event, one.flags, score, why, now, offset, more, episode))
        return Output(self._settings.topics.enriched, team.encode(), value)
