"""`noisegate doctor`: each thing that is wrong is found, with its mend."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from msgspec.structs import replace
from redis import Redis

from stream.cli.doctor.checks import check_acts
from stream.cli.doctor.history import suspicion
from stream.config import load_settings
from stream.core.topics import TOPICS
from stream.dev.embedded import EmbeddedBroker
from stream.kafka.partitioner import partition_chooser
from stream.kafka.topics import Topics
from stream.lane.fence import ServerStatus
from stream.models.pointers import CHAMPION, Pointer
from stream.models.reload import Loader
from stream.scorer.history import decode_meta, encode_meta
from stream.scorer.identity import Identity
from tests.cli.conftest import Ran, Run, Scored
from tests.cli.versions import A, B, open_shop
from tests.lab.logs import small_problem
from tests.models.conftest import trained
from tests.servers.kafka import ApacheKafka
from tests.servers.redis import RedisServer

__all__ = ["trained"]


def finding(ran: Ran, check: str) -> dict[str, str]:
    """The worst finding of a check."""
    order = ("wrong", "warning", "ok")
    found = [one for one in ran.json["findings"] if one["check"] == check]
    assert found, ran.out
    return min(found, key=lambda one: order.index(one["verdict"]))


@pytest.mark.slow
def test_all_is_well(run: Run, scored: Scored) -> None:
    """On a running stack only the missing model and one stray record are mentioned, and the status is 0."""
    ran = run("doctor", "--json", env=scored.env)
    assert ran.status == 0
    assert ran.json["ok"] is True
    assert finding(ran, "model")["verdict"] == "warning"
    assert finding(ran, "partitioner")["verdict"] == "warning"
    for check in ("problem", "kafka", "topics", "redis", "history"):
        assert finding(ran, check)["verdict"] == "ok", ran.out
    assert "noeviction" in run("doctor", env=scored.env).out


def without_redis(embedded_broker: EmbeddedBroker, name: str) -> dict[str, str]:
    """Settings of topics of one's own on the embedded broker, and of a Redis that is not there."""
    roles = ("events", "enriched", "outcomes", "failed")
    return {f"NOISEGATE_{role.upper()}_TOPIC": f"{name}.{role}" for role in roles} | {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": embedded_broker.bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
        "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0",
        "NOISEGATE_HISTORY_TIMEOUT_SECONDS": "0.2",
    }


def test_misplaced_records_are_found(run: Run, embedded_broker: EmbeddedBroker, unique_name: str) -> None:
    """Producers with librdkafka's default partitioner are recognised, and the setting that fits them is named."""
    env = without_redis(embedded_broker, unique_name)
    run("topics", "create", env=env)
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
    for number in range(40):
        value = (
            f'{{"type":"raised","at":"2026-01-01T00:00:00Z","alert_id":"A{number}","team":"team-{number}",'
            '"rule":"r","entity":"e"}'
        )
        producer.produce(f"{unique_name}.events", value.encode(), f"team-{number}")
    producer.flush()
    ran = run("doctor", "--json", env=env)
    assert ran.status == 1
    found = finding(ran, "partitioner")
    assert found["verdict"] == "wrong"
    assert "NOISEGATE_PARTITIONER=consistent_random" in found["mend"]
    assert finding(run("doctor", "--json", env={**env, "NOISEGATE_PARTITIONER": "consistent"}), "partitioner")[
        "verdict"
    ] == ("ok")


def test_records_from_before_the_topic_grew_are_not_the_producers_fault(
    run: Run, embedded_broker: EmbeddedBroker, unique_name: str
) -> None:
    """Teams that lay in two partitions and have moved since are recognised; one misplaced team proves no growth."""
    env = without_redis(embedded_broker, unique_name)
    run("topics", "create", env=env)
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
    before, now = (partition_chooser("murmur2_random", count) for count in (2, 4))
    teams = [f"team-{number}" for number in range(40)]

    def produce(team: str, partition: int) -> None:
        value = {"type": "raised", "at": "2026-01-01T00:00:00Z", "alert_id": f"{team}/{partition}", "team": team}
        producer.produce(
            f"{unique_name}.events", msgspec.json.encode({**value, "rule": "r", "entity": "e"}), partition=partition
        )

    moved = next(team for team in teams if before(team) != now(team))
    for team in teams:
        produce(team, now(team))
    produce(moved, before(moved))
    producer.flush()
    assert finding(run("doctor", "--json", env=env), "partitioner")["verdict"] == "warning"
    for team in teams:
        produce(team, before(team))
    producer.flush()
    found = finding(run("doctor", "--json", env=env), "partitioner")
    assert found["verdict"] == "ok"
    assert "of 4 partitions or of 2: some are from before the topic grew" in found["found"]


def test_misspelt_fields_are_named(run: Run, embedded_broker: EmbeddedBroker, unique_name: str) -> None:
    """A field that nothing reads is counted over the sampled events and named; what is no event is left out."""
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    env |= {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": embedded_broker.bootstrap_servers,
        "NOISEGATE_BROKER_END_OFFSETS": "false",
        "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0",
        "NOISEGATE_HISTORY_TIMEOUT_SECONDS": "0.2",
    }
    run("topics", "create", "--partitions", "1", env=env)
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
    alert = '{"type":"raised","at":"2026-01-01T00:00:00Z","alert_id":"A","team":"t","rule":"r","entity":"e"'
    for end in ("}", ',"tiem":1}', ',"tiem":2,"\\u001b[31mred":null}', ',"labels":null}', ',"tiem":3'):
        producer.produce(f"{unique_name}.events", (alert + end).encode(), b"t")
    producer.flush()
    found = finding(run("doctor", "--json", env=env), "fields")
    assert found["verdict"] == "warning"
    assert "'tiem' in 2 events, ' [31mred' in 1 events" in found["found"]
    assert "misspelt" in found["mend"]


@pytest.mark.slow
def test_servers_away(run: Run) -> None:
    """Without any server each is found wrong, once, and none ends the other checks."""
    env = {
        "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "NOISEGATE_REDIS_URL": "redis://127.0.0.1:1/0",
        "NOISEGATE_HISTORY_TIMEOUT_SECONDS": "0.2",
        "NOISEGATE_PROBLEM": "/no/such/file.toml",
    }
    ran = run("doctor", "--json", env=env)
    assert ran.status == 1
    assert finding(ran, "kafka")["verdict"] == finding(ran, "problem")["verdict"] == "wrong"
    assert finding(ran, "redis")["verdict"] == "wrong"
    assert len(ran.json["findings"]) == 3
    assert "Traceback" not in ran.err


def test_evicting_redis_is_found(run: Run, scored: Scored) -> None:
    """A Redis that may throw history away is wrong, with the mend."""
    with Redis.from_url(scored.stack.settings.redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            found = finding(run("doctor", "--json", env=scored.env), "redis")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert found["verdict"] == "wrong"
    assert "noeviction" in found["mend"]


def with_history(scored: Scored, key: str, value: bytes | None, look: Callable[[], None]) -> None:
    """Look while a key of the deployment in Redis holds something else."""
    with Redis.from_url(scored.stack.settings.redis.url) as client:
        before = client.dump(key)
        client.delete(key)
        if value is None:
            client.hset(key, "a", "b")
        else:
            client.set(key, value)
        try:
            look()
        finally:
            client.delete(key)
            if before is not None:
                client.restore(key, 0, before)


META = "noisegate:{alerts.events:0}:meta"


@pytest.mark.parametrize("value", [b"garbage", None], ids=["garbage", "another type"])
def test_a_damaged_meta_is_found(run: Run, scored: Scored, value: bytes | None) -> None:
    """What is no meta is told with its partition and the mend, and is no traceback."""

    def look() -> None:
        found = finding(run("doctor", "--json", env=scored.env), "history")
        assert found["verdict"] == "wrong"
        assert found["found"].startswith("alerts.events/0") or "holds something else" in found["found"]
        assert found["mend"] == "run `noisegate history rebuild`"

    with_history(scored, META, value, look)


@pytest.mark.parametrize(
    ("change", "found_words", "mend_words"),
    [
        ({"suspect": "Redis evicted 7 keys; run it anew"}, "evicted 7 keys", "run `noisegate history rebuild`"),
        ({"evictions": "another-run/0"}, "", ""),
        ({"offset": -1}, "records are gone", "history rebuild"),
        ({"topic_id": "another"}, "was recreated", "history rebuild"),
    ],
)
def test_a_history_that_can_t_go_on_is_found(
    run: Run, scored: Scored, change: dict[str, str | int], found_words: str, mend_words: str
) -> None:
    """Suspect, of another topic, or behind what the log still holds: each with its mend; a restarted Redis is none."""
    with Redis.from_url(scored.stack.settings.redis.url) as client:
        meta = decode_meta(client.get(META) or b"")
    assert meta is not None

    def look() -> None:
        found = finding(run("doctor", "--json", env=scored.env), "history")
        assert found["verdict"] == ("wrong" if found_words else "ok")
        assert found_words in found["found"]
        assert mend_words in (found["mend"] or "")

    with_history(scored, META, encode_meta(replace(meta, **change)), look)


def test_another_cluster_s_histories_are_found(run: Run, scored: Scored) -> None:
    """The mend leaves them alone."""
    claim = Identity("another-cluster", "alerts.events", "t", "p")

    def look() -> None:
        found = finding(run("doctor", "--json", env=scored.env), "history")
        assert "another Kafka cluster" in found["found"]
        assert found["mend"].startswith("give this deployment another name")

    with_history(scored, "noisegate:identity", msgspec.json.encode(claim), look)


def test_keys_that_redis_evicted_are_found(run: Run, scored: Scored) -> None:
    """A count beyond what the history recorded at its beginning, after the policy was mended again."""
    with Redis.from_url(scored.stack.settings.redis.url) as client:
        meta = decode_meta(client.get(META) or b"")
    assert meta is not None
    status = ServerStatus(meta.evictions.partition("/")[0], 9)
    assert "Redis evicted 9 keys" in str(suspicion(meta, status))


@pytest.mark.parametrize(
    ("settings", "mend"),
    [({"maxmemory": "1"}, "raise its maxmemory"), ({"min-replicas-to-write": "1"}, "start its replicas")],
)
def test_a_redis_that_takes_no_writes_gets_its_own_mend(
    run: Run, scored: Scored, fresh_redis: RedisServer, settings: dict[str, str], mend: str
) -> None:
    """A server that answers is not to be started."""
    with Redis.from_url(fresh_redis.url) as client:
        client.config_set(*next(iter(settings.items())))
    found = finding(run("doctor", "--json", env={**scored.env, "NOISEGATE_REDIS_URL": fresh_redis.url}), "redis")
    assert mend in found["mend"]


def test_topics_that_producers_stamp_are_warned_about(run: Run, kafka: ApacheKafka, unique_name: str) -> None:
    """With CreateTime a wrong clock moves time; the mend is the command that mends it."""
    env = {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    env["NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"] = kafka.bootstrap_servers
    Topics(load_settings(env)).create(1, 1, {"events": {"retention.ms": "-1", "retention.bytes": "-1"}})
    found = finding(run("doctor", "--json", env=env), "timestamps")
    assert found["verdict"] == "warning"
    assert f"--entity-name {unique_name}.events --add-config message.timestamp.type=LogAppendTime" in found["mend"]


def test_unsound_model_is_found(run: Run, scored: Scored, tmp_path: Path) -> None:
    """A champion that can't be served is wrong."""
    (tmp_path / "CHAMPION").write_text("2026-01-01-abcdef12\n", encoding="utf-8")
    env = {**scored.env, "NOISEGATE_MODEL_STORE": str(tmp_path)}
    ran = run("doctor", "--json", env=env)
    assert ran.status == 1
    assert finding(ran, "model")["verdict"] == "wrong"


def test_unreadable_keys_are_no_fault_of_the_model(run: Run, scored: Scored, trained: Path, tmp_path: Path) -> None:
    """Where model_keys can't be read, the mend is to set it, not to roll a sound champion back."""
    shop = open_shop(tmp_path)
    shop.add(trained, A)
    shop.store.point(CHAMPION, Pointer(A))
    servers = {name: scored.env[name] for name in ("NOISEGATE_KAFKA_BOOTSTRAP_SERVERS", "NOISEGATE_REDIS_URL")}
    env = {**shop.env, **servers, "NOISEGATE_MODEL_KEYS": str(tmp_path / "none.pub")}
    found = finding(run("doctor", "--json", env=env), "model")
    assert found["verdict"] == "wrong"
    assert "rollback" not in found["mend"]
    assert "model_keys" in found["mend"]


def test_a_champion_that_is_gone_is_found(run: Run, scored: Scored, trained: Path, tmp_path: Path) -> None:
    """A deleted pointer is mended by a rollback, not by training; a store that was emptied by bringing it back."""
    shop = open_shop(tmp_path)
    shop.add(trained, A)
    run("models", "promote", A, env=shop.env)
    (shop.folder / CHAMPION).unlink()
    kafka = {"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": scored.env["NOISEGATE_KAFKA_BOOTSTRAP_SERVERS"]}
    env = {**shop.env, **kafka, "NOISEGATE_BROKER_END_OFFSETS": "false"}  # one that is away is waited for
    found = finding(run("doctor", "--json", env=env), "model")
    assert (found["verdict"], found["mend"]) == ("warning", f"run `noisegate models rollback`, which restores {A}")
    shop.store.point(CHAMPION, Pointer(A))
    loader = Loader(shop.store, small_problem(), tmp_path / "cache", "noisegate")
    loader.keep(loader.load(A))
    shop.folder.rename(tmp_path / "aside")
    found = finding(run("doctor", "--json", env=env), "model")
    assert found["verdict"] == "wrong"
    assert "bring the store back" in found["mend"]


def test_a_simulated_champion_on_a_log_that_is_not_is_found(
    run: Run, scored: Scored, trained: Path, tmp_path: Path
) -> None:
    """The stack's log holds an alert that is not: a champion made of simulated ones is warned of, with the mend."""
    shop = open_shop(tmp_path)
    shop.add(trained, A, edit=lambda content: content["training"].update(simulated=True))
    shop.add(trained, B)
    for version, verdicts in ((A, ["warning"]), (B, [])):
        shop.store.point(CHAMPION, Pointer(version))
        problem = {"NOISEGATE_PROBLEM": shop.env["NOISEGATE_PROBLEM"]}
        ran = run("doctor", "--json", env={**scored.env, **problem, "NOISEGATE_MODEL_STORE": str(shop.folder)})
        found = [one for one in ran.json["findings"] if one["check"] == "simulated"]
        assert [one["verdict"] for one in found] == verdicts, ran.out
        assert all("flagged `simulated`" in one["found"] and "lab train" in one["mend"] for one in found)


@pytest.mark.parametrize("problem", ["", "name = 3", "[outcome"])
def test_bad_problem_file(run: Run, scored: Scored, tmp_path: Path, problem: str) -> None:
    """A problem file that can't be used is wrong."""
    file = tmp_path / "problem.toml"
    file.write_text(problem, encoding="utf-8")
    ran = run("doctor", "--json", env={**scored.env, "NOISEGATE_PROBLEM": str(file)})
    assert finding(ran, "problem")["verdict"] == "wrong"


@pytest.mark.parametrize(
    ("kind", "verdict", "said"),
    [
        ("ended", "warning", "no act by a person in the 0 s that were looked at (100 alerts)"),
        ("worked", "ok", "people acted within 7 days"),
    ],
)
def test_a_log_in_which_no_person_acts_is_warned_of(
    run: Run, embedded_broker: EmbeddedBroker, unique_name: str, tmp_path: Path, kind: str, verdict: str, said: str
) -> None:
    """A hundred alerts that only their monitor ended teach nothing; one act by a person is enough."""
    problem = tmp_path / "problem.toml"
    problem.write_text(
        'name = "p"\nquestion = "?"\n[outcome]\nactionable = ["worked"]\nnoise = ["ended"]\nhorizon_hours = 24\n'
    )
    env = {**without_redis(embedded_broker, unique_name), "NOISEGATE_PROBLEM": str(problem)}
    settings = load_settings(env)
    run("topics", "create", env=env)
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
    at = "2026-01-01T00:00:00Z"
    for number in range(100):
        alert = f'{{"type":"raised","at":"{at}","alert_id":"A{number}","team":"payments","rule":"r","entity":"e"}}'
        producer.produce(f"{unique_name}.events", alert.encode(), "payments")
    act = f'{{"type":"acted","at":"{at}","alert_id":"A1","team":"payments","action_id":"1","kind":"{kind}"}}'
    producer.produce(f"{unique_name}.events", act.encode(), "payments")
    producer.flush()
    (found,) = check_acts(settings)
    assert found.verdict == verdict
    assert found.found.startswith(said)
    assert (found.mend is None) == (verdict == "ok")
