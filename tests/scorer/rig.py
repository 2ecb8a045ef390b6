"""A scorer in one process: the real room and engine on a log in memory, to be crashed wherever a test likes."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from weakref import WeakSet

from stream.config import Settings, make_settings
from stream.core import fold
from stream.core.effects import Decided
from stream.core.errors import BrokerError
from stream.core.events import Event, Tick, encode_event, seconds
from stream.core.ledger import Alert, Entry, Timer, pack_entry, unpack_entry
from stream.core.problem import Problem
from stream.core.records import Enriched, Outcome, decode_enriched, decode_outcome
from stream.core.state import NEVER, pack_state
from stream.kafka.partitioner import partition_chooser
from stream.kafka.records import Output, Part
from stream.lane.batch import Bounds
from stream.lane.engine import Engine, StepResult
from stream.metrics.scorer import ScorerMetrics
from stream.models.active import ActiveModels, ScoringModel
from stream.scorer.history import History
from stream.scorer.metrics.maturity import MaturityQueue, verdicts_of
from stream.scorer.metrics.verdicts import Verdicts
from stream.scorer.partition import TIMERS_WINDOW
from stream.scorer.room import ScorerRoom

TOPIC = "alerts.events"
RIGS: "WeakSet[Rig]" = WeakSet()
"""All rigs that are not garbage yet, to be closed when their test ends."""


class Crash(Exception):
    """The process died here."""


@dataclass(frozen=True)
class LogRecord:
    """A Kafka record of the log in memory."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class MemoryPublisher:
    """A `Publisher` that keeps what is published; `crash_at` dies on the way out of the so-maniest publication.

    While `fault` is set, nothing is acknowledged.
    """

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.calls = 0
        self.crash_at: int | None = None
        self.fault: BrokerError | None = None

    def publish(self, outputs: Iterable[Output]) -> None:
        """Keep them."""
        self.outputs += outputs
        self.calls += 1
        if self.calls == self.crash_at:
            raise Crash

    def flush(self, seconds: float) -> None:
        """All is acknowledged, unless there is a fault."""
        if self.fault is not None:
            raise self.fault

    def enriched(self) -> list[Enriched]:
        """The enriched records so far."""
        return [decode_enriched(output.value) for output in self.outputs if output.topic == "alerts.enriched"]

    def outcomes(self) -> list[Outcome]:
        """The outcome records so far."""
        return [decode_outcome(output.value) for output in self.outputs if output.topic == "alerts.outcomes"]

    def failed(self) -> list[dict[str, str]]:
        """The headers of the failed records so far."""
        return [
            {name: text.decode() for name, text in output.headers or ()}
            for output in self.outputs
            if output.topic == "alerts.failed"
        ]


@dataclass
class Log:
    """A topic in memory, partitioned by team as a producer would."""

    partitions: int = 1
    records: dict[Part, list[LogRecord]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = {Part(TOPIC, number): [] for number in range(self.partitions)}
        self._choose = partition_chooser("murmur2_random", self.partitions)

    def append(self, event: Event) -> None:
        """Add an event; a tick goes to every partition."""
        value = encode_event(event)
        if isinstance(event, Tick):
            for part in self.records:
                self.put(part, value, seconds(event.at))
        else:
            part = Part(TOPIC, self._choose(event.team))
            self.put(part, value, seconds(event.at))

    def put(self, part: Part, value: bytes | None, at: float) -> None:
        """Add a raw value, recorded at `at`."""
        records = self.records[part]
        records.append(LogRecord(len(records), round(at * 1000), None, value))


class Rig:
    """One worker after another on the same log, history and topics.

    Attributes:
        now: what the workers take for the wall clock, seconds since 1970.
        monotonic: their other clock, seconds, by which Redis is asked now and then; `pause` moves it.
        ask_served: gives what they score with; `served` unless it is replaced.
    """

    def __init__(
        self,
        log: Log,
        problem: Problem,
        history: History,
        settings: Settings | None = None,
        model: ScoringModel | None = None,
        metrics: ScorerMetrics | None = None,
        timers_window: int = TIMERS_WINDOW,
        check_topic: Callable[[], None] = lambda: None,
    ) -> None:
        self.log, self.problem, self.history = log, problem, history
        self.served = ActiveModels((model,) if model else ())
        self.settings = settings or make_settings(tick_seconds=0)
        self.metrics = metrics or ScorerMetrics()
        self.publisher = MemoryPublisher()
        self._writers: list[ThreadPoolExecutor] = []
        RIGS.add(self)
        self.committed: dict[Part, int] = {}
        self.topic_id, self.cluster_id = "topic-1", "cluster-1"
        self._timers_window, self._check_topic = timers_window, check_topic
        self.ask_served: Callable[[], ActiveModels] = lambda: self.served
        self.now = 2_000_000_000.0
        self.monotonic = 1_000.0
        self.start()

    def start(self) -> None:
        """Start a worker anew; it is assigned when it first runs."""
        self.room = ScorerRoom(
            self.settings,
            self.problem,
            self.history,
            self.metrics,
            lambda: self.ask_served(),
            lambda: self.now,
            check_topic=self._check_topic,
            monotonic=lambda: self.monotonic,
            timers_window=self._timers_window,
        )
        self._writers.append(ThreadPoolExecutor(1, thread_name_prefix="commit"))
        self.engine = Engine(
            self.room, self.publisher, self.metrics.lane, 1_000_000, 1 << 30, 60.0, 1.0, executor=self._writers[-1]
        )
        self.assigned = False

    def close(self) -> None:
        """End the threads of all its workers; what waits for a gate ends when that is opened."""
        for writer in self._writers:
            writer.shutdown(wait=False)

    def await_written(self) -> None:
        """Wait until the writes that were begun are done, which the room does not know yet."""
        self._writers[-1].submit(lambda: None).result(60)

    def pause(self) -> None:
        """Let so much time pass that Redis is asked again."""
        self.monotonic += 10.0

    def assign(self) -> None:
        """Assign every partition."""
        bounds = {
            part: Bounds(
                self.committed.get(part),
                0,
                len(records),
                self.topic_id,
                self.log.partitions,
                self.cluster_id,
                bool(self.committed),
            )
            for part, records in self.log.records.items()
        }
        self.engine.assign(bounds)
        self.assigned = True

    def run(self, sizes: Sequence[int] = (1_000,), most: int = 10_000) -> None:
        """Work until nothing waits, in fetches of these sizes in turn; at most `most` fetches."""
        for turn in range(most):
            if not self.assigned:
                self.assign()
            size = sizes[turn % len(sizes)]
            fetched = {
                part: self.log.records[part][position : position + size]
                for part, position in self.engine.positions.items()
                if position < len(self.log.records[part])
            }
            if not fetched:
                self._do(self.engine.settle())
                self._do(self.engine.idle(list(self.engine.positions), self.now))
                if self.assigned and not any(
                    position < len(self.log.records[part]) for part, position in self.engine.positions.items()
                ):
                    return
                continue
            result = self.engine.step(fetched)
            self._do(result)
            while result.more:
                result = self.engine.step({})
                self._do(result)
        raise AssertionError("the rig never came to rest")

    def _do(self, result: StepResult) -> None:
        self.committed.update(result.commits)
        if result.reassign:
            self.assigned = False


def folded(log: Log, problem: Problem) -> dict[Part, fold.Fold]:
    """The pure fold of every partition of the log."""
    from stream.core.events import decode_event

    folds = {}
    for part, records in log.records.items():
        folds[part] = fold.Fold(problem)
        for record in records:
            event = decode_event(record.value or b"")
            folds[part].step(event, seconds(event.at), record.value or b"", record.offset)
    return folds


def packed_levels(pure: fold.Fold) -> dict[str, bytes]:
    """A fold's level states as Redis holds them."""
    return {key: pack_state(level) for key, level in pure.levels.items()}


def packed_entries(pure: fold.Fold) -> dict[fold.EntryKey, bytes]:
    """A fold's ledger as Redis holds it, without scores."""
    return {key: pack_entry(entry) for key, entry in pure.ledger.items()}


def alerts_of(packed: Mapping[fold.EntryKey, bytes]) -> dict[fold.EntryKey, bytes]:
    """The entries of a ledger that the pure fold has too: no timers, and no scores."""
    return {key: _without_score(unpack_entry(record)) for key, record in packed.items() if key[0]}


def _without_score(entry: Entry) -> bytes:
    if isinstance(entry, Alert):
        entry.score = None
    return pack_entry(entry)


def size(verdicts: Verdicts) -> int:
    """How many alerts are to be counted."""
    return sum(len(one.codes) for one in verdicts.judged if one.role == "champion") + sum(verdicts.left_out.values())


def waiting_in(packed: Mapping[fold.EntryKey, bytes]) -> Counter[float]:
    """How many alerts wait in a ledger's timers, by when they are to be counted."""
    waiting: Counter[float] = Counter()
    for key, record in packed.items():
        if not key[0]:
            timer = unpack_entry(record)
            assert isinstance(timer, Timer)
            waiting[timer.due] += size(verdicts_of(timer))
    return waiting


def waiting_of(pure: fold.Fold) -> Counter[float]:
    """The same of the whole log in one batch: how many of the alerts that it decided are not to be counted yet."""
    decided = [one for one in pure.effects if isinstance(one, Decided)]
    _, timers = MaturityQueue(pure.problem, {}).split(decided, NEVER, pure.time, "")
    return Counter({timer.due: size(verdicts_of(timer)) for timer in timers.values()})
