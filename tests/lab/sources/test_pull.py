"""`lab pull`: what producers wrote comes out of Kafka whole, in order, with what is left out counted by reason."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from stream.config import Settings, load_settings
from stream.core.errors import BadRecord, LogError, SettingsError
from stream.core.events import Event, Tick, decode_event, encode_event, parse_when
from stream.core.fold import Fold
from stream.core.state import pack_state
from stream.eventlog import VALUE, Line, import_parquet, read_log
from stream.kafka.clients import producer_settings
from stream.kafka.failed import failed_output
from stream.kafka.partitioner import partition_chooser
from stream.kafka.reader import Reader
from stream.kafka.records import Part
from stream.kafka.replay import Feed
from stream.kafka.topics import LOG_APPEND_TIME, TIMESTAMPS, Topics, topic_configs
from stream.lab.sources.pull import Left, pull
from stream.lane.batch import Batch
from stream.scorer.decode import Decoder
from tests.lab.logs import PROBLEM_TEXT, START, acted, lines, raised, small_log, small_problem
from tests.scorer.rig import LogRecord
from tests.servers.fixtures import Broker
from tests.servers.kafka import ROOT, ApacheKafka

PARTITIONS = 3
END = 10 * 86_400.0


def settings_of(
    bootstrap_servers: str, name: str, folder: Path, knows_its_end: bool, stamped_by: str = LOG_APPEND_TIME
) -> Settings:
    """Settings of a broker, its topics made, with the small problem."""
    problem = folder / "problem.toml"
    problem.write_text(PROBLEM_TEXT)
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{name}.{role}" for role in ("events", "enriched", "outcomes", "failed")}
    env |= {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": str(knows_its_end).lower(),
        "NOISEGATE_PROBLEM": str(problem),
    }
    settings = load_settings(env)
    Topics(settings).create(PARTITIONS, 1, {**topic_configs(), "events": {TIMESTAMPS: stamped_by}})
    return settings


@pytest.fixture
def settings(broker: Broker, unique_name: str, tmp_path: Path) -> Settings:
    """Either broker."""
    return settings_of(broker.bootstrap_servers, unique_name, tmp_path, broker.name == "kafka")


def send(settings: Settings, events: Sequence[Event]) -> None:
    """What `noisegate replay` does."""
    feed = Feed(settings)
    feed.send(lines(events))
    feed.flush()


def late_log() -> list[Event]:
    """The small log, in which every seventh event comes up to four minutes late, with ticks in between."""
    events = small_log(600)
    keyed = [(event.at + timedelta(minutes=4 * (n % 7 == 0)), n, event) for n, event in enumerate(events)]
    ordered: list[Event] = [event for _, _, event in sorted(keyed, key=lambda one: one[:2])]
    for place in range(200, 0, -50):
        ordered.insert(place, Tick(max(event.at for event in ordered[:place]) + timedelta(seconds=30)))
    return ordered


def fold_of(events: Sequence[Line]) -> Fold:
    """Folded, and brought to long after."""
    fold = Fold(small_problem())
    for line in events:
        fold.step(line.event, line.at, line.value)
    fold.advance(START.timestamp() + END)
    return fold


def states(folds: Sequence[Fold]) -> dict[str, bytes]:
    """All levels' records."""
    return {key: pack_state(level) for fold in folds for key, level in fold.levels.items()}


def live_folds(settings: Settings) -> list[Fold]:
    """Each partition folded by itself, in the order of its offsets: what the scorers' histories come to."""
    parts: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
    with Reader(settings, [settings.topics.events]) as reader:
        for message in reader.read_all():
            parts[message.partition() or 0].append(message.value() or b"")
    decoded = [[line for value in part for line in lines_of(value)] for part in parts]
    assert sum(bool(part) for part in decoded) > 1
    return [fold_of(part) for part in decoded]


def lines_of(value: bytes) -> list[Line]:
    """One record as a line."""
    return lines([decode_event(value)])


@pytest.mark.slow
def test_replayed_then_pulled_is_the_same_history(settings: Settings, tmp_path: Path) -> None:
    """Every event comes back, in all three forms alike, and one fold of them is the fold of each partition."""
    events = late_log()
    send(settings, events)
    told: list[float] = []
    logs = []
    for name in ("log.jsonl", "log.jsonl.gz", "log.parquet"):
        pulled = pull(settings, tmp_path / name, progress=lambda _, share: told.append(share))
        logs.append(list(read_log(tmp_path / name, grace_seconds=300.0)))
        assert pulled.alerts == 600
        assert pulled.records == len(events) + (PARTITIONS - 1) * 4  # a tick goes to every partition
        assert pulled.events + pulled.ticks_left_out == pulled.records
        assert (pulled.moved, pulled.left_out, pulled.outside) == (0, {}, 0)
        assert pulled.first_at == min(event.at for event in events)
    assert logs[0] == logs[1] == logs[2]
    sent = sorted(encode_event(event) for event in events if not isinstance(event, Tick))
    assert sorted(line.value for line in logs[0] if not isinstance(line.event, Tick)) == sent
    assert states([fold_of(logs[0])]) == states(live_folds(settings))
    assert min(told) >= 0.0
    assert told[-1] == 1.0


def test_what_the_scorer_would_fail_is_left_out_by_reason(settings: Settings, tmp_path: Path) -> None:
    """Bad and misrouted records are counted with the place of the first; the same topic gives the same file.

    What lies in another partition and did not fail as misrouted is from before the topic grew.
    """
    send(settings, small_log(50))
    producer = Producer({**producer_settings(settings), "log_level": 0, "delivery.report.only.error": False})
    home = partition_chooser(settings.kafka.partitioner, PARTITIONS)("team-1")
    for value in (b"{", b"{", b'{"type":"rang"}', b""):
        producer.produce(settings.topics.events, value, partition=home)
    stray, moved = (encode_event(raised(number, START, "team-1")) for number in (9_000, 9_002))
    elsewhere = Part(settings.topics.events, (home + 1) % PARTITIONS)
    offsets: list[int] = []
    for value in (stray, moved):
        producer.produce(
            elsewhere.topic,
            value,
            partition=elsewhere.partition,
            on_delivery=lambda _, sent: offsets.append(sent.offset() or 0),
        )
    producer.flush()
    fault = BadRecord("misrouted", "as the scorer says it")
    failed = failed_output(settings.topics.failed, elsewhere, offsets[0], b"team-1", stray, fault)
    producer.produce(settings.topics.failed, failed.value, failed.key, headers=failed.headers)
    spread = encode_event(raised(9_001, START + timedelta(days=1), "team-1")).replace(b",", b"\r\n,\n")
    producer.produce(settings.topics.events, spread, partition=home)
    producer.flush()
    files = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"]
    pulled, _ = (pull(settings, path) for path in files)
    assert {reason: left.count for reason, left in pulled.left_out.items()} == {
        "not_json": 3, "unknown_type": 1, "misrouted": 1,
    }  # fmt: skip
    assert pulled.elsewhere == 1
    assert pulled.left_out["misrouted"].first.startswith(f"{settings.topics.events}/{(home + 1) % PARTITIONS}/")
    assert files[0].read_bytes() == files[1].read_bytes()
    found = list(read_log(files[0]))
    assert found[-1].event == raised(9_001, START + timedelta(days=1), "team-1")
    assert stray not in [line.value for line in found]
    assert moved in [line.value for line in found]  # nobody failed it: it is from before the topic grew


def test_a_part_of_the_time(settings: Settings, tmp_path: Path) -> None:
    """From one moment until before another, by event time; none there is one sentence and leaves no file."""
    events = small_log(100)
    send(settings, events)
    begin, end = events[20].at, events[60].at
    pulled = pull(settings, tmp_path / "log.jsonl", begin.timestamp(), end.timestamp())
    wanted = sorted(encode_event(event) for event in events if begin <= event.at < end)
    assert sorted((tmp_path / "log.jsonl").read_bytes().splitlines()) == wanted
    assert pulled.outside + pulled.events == pulled.records
    with pytest.raises(LogError, match=r"holds no event to pull: of [\d,]+ records [\d,]+ are outside of --since"):
        pull(settings, tmp_path / "none.jsonl", until=START.timestamp() - 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", "problem.toml"]


def test_records_long_before_are_not_read(kafka: ApacheKafka, unique_name: str, tmp_path: Path) -> None:
    """Where the broker knows its records' times, reading begins there, by the skew earlier than asked for."""
    settings = settings_of(kafka.bootstrap_servers, unique_name, tmp_path, True, stamped_by="CreateTime")
    producer = Producer({**producer_settings(settings), "log_level": 0})
    for hour in range(100):
        at = START + timedelta(hours=hour)
        stamp = int((at - timedelta(minutes=9)).timestamp() * 1000)
        producer.produce(settings.topics.events, encode_event(raised(hour, at)), b"team-0", timestamp=stamp)
    producer.flush()
    pulled = pull(settings, tmp_path / "log.jsonl", (START + timedelta(hours=90)).timestamp())
    assert (pulled.events, pulled.records, pulled.left_out) == (10, 10, {})


def test_a_tick_ahead_of_its_record_is_pulled_as_it_was_folded(
    kafka: ApacheKafka, unique_name: str, tmp_path: Path
) -> None:
    """A worker's fast clock moves time no further than its record's timestamp, for the scorer and for the lab alike."""
    settings = settings_of(kafka.bootstrap_servers, unique_name, tmp_path, True, stamped_by="CreateTime")
    producer = Producer({**producer_settings(settings), "log_level": 0})
    home = partition_chooser("murmur2_random", PARTITIONS)("team-0")
    sent: list[tuple[Event, int]] = [(raised(1, START), 0), (Tick(START + timedelta(minutes=9)), 2)]
    for event, minutes in sent:
        stamp = int((START + timedelta(minutes=minutes)).timestamp() * 1000)
        producer.produce(settings.topics.events, encode_event(event), partition=home, timestamp=stamp)
    producer.flush()
    pull(settings, tmp_path / "log.jsonl")
    with Reader(settings, [settings.topics.events]) as reader:
        records = [LogRecord(m.offset() or 0, m.timestamp()[1], None, m.value()) for m in reader.read_all()]
    live = Decoder(lambda team: home).decode(Batch(Part(settings.topics.events, home), 0, 2, records))
    assert [line.at for line in read_log(tmp_path / "log.jsonl")] == [at for _, at, _ in live.events]
    assert live.latest == (START + timedelta(minutes=2)).timestamp()


def test_an_event_later_than_the_grace_does_not_spoil_the_log(settings: Settings, tmp_path: Path) -> None:
    """It is put where it happened and counted; the lab reads the log, held to the grace."""
    send(settings, [raised(1, START), raised(2, START + timedelta(hours=1)), acted(1, START + timedelta(minutes=2))])
    pulled = pull(settings, tmp_path / "log.jsonl")
    assert pulled.moved == 1
    assert [type(line.event).__name__ for line in read_log(tmp_path / "log.jsonl", 300.0)] == [
        "Raised", "Acted", "Raised",
    ]  # fmt: skip


def test_wrong_use_is_told_before_kafka_is_asked(tmp_path: Path) -> None:
    """The name's ending, times the wrong way round, a folder that is not there."""
    problem = str(ROOT / "deploy" / "problems" / "simulated.toml")
    nowhere = load_settings({"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "NOISEGATE_PROBLEM": problem})
    with pytest.raises(LogError, match=r"log\.csv: ends neither in \.jsonl nor"):
        pull(nowhere, tmp_path / "log.csv")
    with pytest.raises(LogError, match="--since 2026-01-05T00:00:00Z is not before --until 2026-01-04T00:00:00Z"):
        pull(nowhere, tmp_path / "log.jsonl", START.timestamp(), START.timestamp() - 86_400.0)
    with pytest.raises(LogError, match="can't be written: No such file"):
        pull(nowhere, tmp_path / "none" / "log.jsonl")


@pytest.mark.parametrize(
    "text", ["", "d", "30", "-3d", "0h", "nand", "infd", "yesterday", "2026-01-01T00:00:00", "1e9w9"]
)
def test_times_that_are_none_are_told(text: str) -> None:
    """A length or a time with its zone, nothing else."""
    with pytest.raises(SettingsError, match=r"--since .*: give a length such as 30d or 12h, or a time"):
        parse_when(text, "--since", 0.0)


def test_times_of_ages_ago_are_1970() -> None:
    """Nothing is older, so asking for more is asking for everything."""
    assert parse_when("99999999999999w", "--since", 1e9) == parse_when("0001-01-01T00:00:00Z", "--since", 1e9) == 0.0


WITHOUT_EXTRA = """
import sys
sys.modules["pyarrow"] = None
from pathlib import Path
from stream.config import load_settings
from stream.core.errors import LogError
from stream.eventlog import read_log
from stream.lab.sources.pull import pull
for call in (lambda: pull(load_settings({}), Path("log.parquet")), lambda: list(read_log(Path("log.parquet")))):
    try:
        call()
    except LogError as error:
        print(error)
"""


@pytest.mark.slow
def test_parquet_without_the_extra_is_told() -> None:
    """Writing and reading both name the extra."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRA], capture_output=True, text=True, check=True)
    assert done.stdout.count(".parquet needs pyarrow, which is not installed; pip install 'noisegate[lab]'") == 2


def test_parquet_that_is_no_log_is_told(tmp_path: Path) -> None:
    """No Parquet at all, cut off, without values, with values that are no events: one sentence with the place."""
    arrow, parquet = import_parquet()
    path = tmp_path / "log.parquet"
    good = {VALUE: [encode_event(raised(1, START)), None, b"{"]}
    parquet.write_table(arrow.table(good), path)
    with pytest.raises(LogError, match=r"log\.parquet: line 3: not_json"):
        list(read_log(path))
    whole = path.read_bytes()
    for content in (b"plain text", whole[:-20], b""):
        path.write_bytes(content)
        with pytest.raises(LogError, match=r"log\.parquet: can't be read"):
            list(read_log(path))
    for table in ({"other": [b"x"]}, {VALUE: [1.5]}):
        parquet.write_table(arrow.table(table), path)
        with pytest.raises(LogError, match=r"log\.parquet: (has no column 'value'|can't be read)"):
            list(read_log(path))


def test_parquet_has_columns_to_look_at(settings: Settings, tmp_path: Path) -> None:
    """Names and times of each event stand in columns of their own, absent ones empty."""
    send(settings, [raised(1, START), acted(1, START + timedelta(minutes=2))])
    assert pull(settings, tmp_path / "log.parquet").left_out == dict[str, Left]()
    rows = import_parquet()[1].read_table(tmp_path / "log.parquet").to_pylist()
    names = ("type", "at", "team", "alert_id", "rule", "entity", "severity", "source", "kind", "actor")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("raised", START, "team-0", "a1", "rule-0", "host-1", "high", "test", None, None),
        ("acted", START + timedelta(minutes=2), "team-0", "a1", None, None, None, None, "worked", None),
    ]
