"""The job, event by event, as the peers do it: noisegate's own pieces, so that the maths are the same.

A peer reads what `keys` or `level_keys` name from Redis, hands the values to `raised` or `acted`, and writes back what
these return. Beside the states it keeps a ledger entry an alert, as an action names only its alert.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from benchmarks import load
from benchmarks.setting import Setting
from stream.core import fold, state
from stream.core.effects import Arrived
from stream.core.events import Acted, Raised, decode_event, seconds
from stream.core.fold import Fold
from stream.core.ledger import Alert, pack_entry, unpack_entry
from stream.core.records import Enriched, encode_record
from stream.models.active import ActiveModels
from stream.scorer.output import enriched
from stream.scorer.score import BatchScores

Packed = bytes | None


class Done(Struct):
    """What came of an alert: the record to publish, and what to write to Redis."""

    record: Enriched
    writes: dict[str, bytes]


class Job:
    """The job of one partition."""

    def __init__(self, setting: Setting, partition: int) -> None:
        self._fold = Fold(setting.problem())
        self._served = ActiveModels((setting.model(),))
        self._prefix = setting.name
        self._topic = f"{setting.events_topic}/{partition}"

    def ledger_key(self, event: Raised | Acted) -> str:
        """The Redis key of the alert's ledger entry."""
        return f"{self._prefix}:a:{event.team}\0{event.alert_id}"

    def keys(self, event: Raised) -> list[str]:
        """What an alert reads: its ledger entry, should it have been raised before, and its four levels."""
        return [self.ledger_key(event), *map(self._key, self._fold.keys_of(event.team, event.rule, event.entity, ()))]

    def level_keys(self, event: Acted, entry: bytes) -> list[str]:
        """What an action reads, once its ledger entry is known."""
        alert = unpack_entry(entry)
        assert type(alert) is Alert, "the load holds no action before its alert"
        return [*map(self._key, self._fold.keys_of(event.team, alert.rule, alert.entity, ()))]

    def raised(self, event: Raised, values: Sequence[Packed], offset: int) -> Done:
        """Fold and score one alert; `values` are those of `keys`."""
        self._load(event, values[0], self._fold.keys_of(event.team, event.rule, event.entity, ()), values[1:])
        self._fold.step(event, seconds(event.at))
        rows = self._fold.take_rows()
        arrived = self._fold.effects.pop()
        assert type(arrived) is Arrived, "the load raises no alert twice"
        scores = BatchScores([arrived], rows, self._served)
        now, place = datetime.now(UTC), f"{self._topic}/{offset}"
        record = enriched(event, arrived.flags, scores.scores[0], scores.whys[0], now, place)
        return Done(record, self._writes(event))

    def acted(self, event: Acted, entry: bytes, values: Sequence[Packed]) -> dict[str, bytes]:
        """Judge one alert; `values` are those of `level_keys`. Returns what to write."""
        alert = unpack_entry(entry)
        assert type(alert) is Alert
        self._load(event, entry, self._fold.keys_of(event.team, alert.rule, alert.entity, ()), values)
        self._fold.step(event, seconds(event.at))
        self._fold.clear_effects()
        return self._writes(event)

    def _load(self, event: Raised | Acted, entry: Packed, names: Sequence[str], values: Sequence[Packed]) -> None:
        """The fold knows exactly what this event touches."""
        self._fold.ledger.clear()
        if entry is not None:
            self._fold.ledger[event.team, event.alert_id] = unpack_entry(entry)
        self._fold.levels.clear()
        for name, packed in zip(names, values, strict=True):
            if packed is not None:
                self._fold.levels[name] = state.unpack_state(packed)

    def _writes(self, event: Raised | Acted) -> dict[str, bytes]:
        writes = {self._key(name): state.pack_state(level) for name, level in self._fold.levels.items()}
        writes[self.ledger_key(event)] = pack_entry(self._alert(event))
        return writes

    def _alert(self, event: Raised | Acted) -> Alert:
        alert = self._fold.ledger[event.team, event.alert_id]
        assert type(alert) is Alert
        return alert

    def _key(self, level: fold.LevelKey) -> str:
        return f"{self._prefix}:l:{level}"


class Jobs:
    """The jobs of all partitions."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._jobs: dict[int, Job] = {}

    def of(self, partition: int) -> Job:
        """The job of one partition."""
        job = self._jobs.get(partition)
        if job is None:
            job = self._jobs[partition] = Job(self._setting, partition)
        return job


def own_cost(setting: Setting, events: int) -> float:
    """CPU µs an event of the job alone, without Kafka, Redis or a framework: what a peer can't be faster than here."""
    job, kept = Job(setting, 0), dict[str, bytes]()
    made = list(load.events(events))
    began = time.process_time()
    for offset, record in enumerate(made):
        event = decode_event(record.value)
        if isinstance(event, Raised):
            done = job.raised(event, [kept.get(key) for key in job.keys(event)], offset)
            encode_record(done.record)
            kept.update(done.writes)
        elif isinstance(event, Acted):
            entry = kept[job.ledger_key(event)]
            kept.update(job.acted(event, entry, [kept.get(key) for key in job.level_keys(event, entry)]))
    return (time.process_time() - began) / events * 1e6
