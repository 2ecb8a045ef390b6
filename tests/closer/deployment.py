"""Real closers of one rule that is proven and armed, on Apache Kafka and Redis, and a server that counts deeds."""

import base64
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs

import msgspec
from confluent_kafka import Producer

from stream.closer.digest_post import TYPE as DIGEST
from stream.closer.ladders import KeptRule
from stream.closer.situation import JUDGEMENTS_SECONDS, REFRESH_SECONDS
from stream.closer.state import VERSION, StateMeta, StateStore, StateWrite, encode_meta
from stream.closer.tallies import PartTallies
from stream.config import Settings, load_settings
from stream.core.events import Acted, encode_event, moment
from stream.core.ladder import first_load
from stream.core.observations import hour_of
from stream.core.proof import Tally
from stream.core.records import decode_decision, encode_record
from stream.core.rules import Rule, parse_rules
from stream.core.tallies import RuleTallies
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.kafka.partitioner import partition_chooser
from stream.kafka.reader import Reader
from stream.kafka.records import Part
from stream.kafka.topics import Topics, topic_configs
from stream.lane.fence import NO_META
from stream.rule_state import RuleState
from tests.core.outcomes import DAY, HOUR, MODEL, enriched
from tests.lane.test_fence import redis_fence
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

PARTITIONS, ALERTS_PER_SECOND = 4, 40
RULE = """
[[rule]]
name = "disks"
owner = "payments"
match = { rule = "disk_*" }
max_probability = 0.1
mode = "pause"
pause_minutes = 1
max_per_hour = 100000
expires = 2099-01-01
"""


class _Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128


class CountingServer:
    """A webhook's receiver that honours ids, and a Prometheus that knows one model, which does not drift.

    Attributes:
        deeds: the kinds of each alert's deeds, in the order in which each id first came.
        digests: the owners of the digests that came.
        copies: how many deeds came again.
        failing: while it is set, no deed is done: the answer is 503.
    """

    def __init__(self) -> None:
        self.deeds: defaultdict[str, list[str]] = defaultdict(list)
        self.copies, self.failing = 0, False
        self._ids: set[str] = set()
        self.digests = list[str]()
        self._lock = Lock()
        counting = self

        class Handler(BaseHTTPRequestHandler):
            """Answers both."""

            def do_POST(self) -> None:
                """A query, or a deed."""
                body = self.rfile.read(int(self.headers["content-length"]))
                status, answer = 200, b"{}"
                if self.path.startswith("/api"):
                    answer = counting.answer(parse_qs(body.decode())["query"][0])
                elif counting.failing:
                    status = 503
                else:
                    counting.take(self.headers["webhook-id"], json.loads(body))
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
                """Nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, query: str) -> bytes:
        """The model's age and record; no drift."""
        value = {"metric": {"model": MODEL}, "value": [time.time(), str(time.time() - DAY)]}
        result = [value] if query.startswith(("max by (model) (", "count")) else []
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    def take(self, id: str, payload: dict[str, object]) -> None:  # noqa: A002
        """A deed; one of an id that came before is counted as a copy."""
        data = payload["data"]
        assert isinstance(data, dict)
        with self._lock:
            if id in self._ids:
                self.copies += 1
                return
            self._ids.add(id)
            if payload["type"] == DIGEST:
                self.digests.append(data["digest"]["owner"])
            else:
                self.deeds[data["alert"]["alert_id"]].append(str(payload["type"]))

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


class Deployment:
    """Closers of a deployment of their own, one rule that is proven and armed, and a webhook as the only target."""

    def __init__(self, kafka: ApacheKafka, redis: RedisServer, server: CountingServer, folder: Path, name: str) -> None:
        (folder / "rules.toml").write_text(RULE)
        secret = f"whsec_{base64.b64encode(b'0' * 24).decode()}"
        (folder / "targets.toml").write_text(
            'allow = ["127.0.0.0/8"]\n[[webhook]]\nname = "counting"\n'
            f'url = "{server.url}/hook"\nsecret_env = "SECRET"\n'
        )
        self.environment = {
            "SECRET": secret,
            "NOISEGATE_DEPLOYMENT": name,
            "NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "NOISEGATE_REDIS_URL": redis.url,
            "NOISEGATE_PROBLEM": str(ROOT / "deploy" / "problems" / "simulated.toml"),
            "NOISEGATE_PROMETHEUS_URL": server.url,
            "NOISEGATE_METRICS_PORT": "0",
            "NOISEGATE_SESSION_TIMEOUT_SECONDS": "3",
            "NOISEGATE_HEARTBEAT_SECONDS": "0.5",
            "NOISEGATE_REBALANCE_TIMEOUT_SECONDS": "5",
            "NOISEGATE_CLOSER_RULES": str(folder / "rules.toml"),
            "NOISEGATE_CLOSER_TARGETS": str(folder / "targets.toml"),
            "NOISEGATE_CLOSER_DIGEST_AT": "00:00",
        }
        self.environment |= {f"NOISEGATE_{role.upper()}_TOPIC": f"{name}.{role}" for role in TOPICS}
        self.folder, self.workers = folder, dict[str, subprocess.Popen[bytes]]()
        settings = {name: value for name, value in self.environment.items() if name.startswith("NOISEGATE_")}
        self.settings: Settings = load_settings(settings)
        self.store = StateStore(redis_fence(redis.url), name)
        self.state = RuleState(redis.url, name, 10.0)
        Topics(self.settings).create(PARTITIONS, 1, topic_configs())
        self.arm()

    def arm(self) -> None:
        """Leave the state of a rule that was proven, and armed three hours ago."""
        rule: Rule = parse_rules({"rules.toml": RULE})[0].rule
        now = time.time()
        ladder = first_load(rule, now - 40 * DAY)
        first = hour_of(now - 39 * DAY)
        tally = Tally()
        for number in range(900):
            tally.add(0.0, first + number)
        ladder.arm("pause", "ann", {1: tally}, now - 3 * HOUR)
        counts = RuleTallies(rule.version, {1: tally}, {MODEL: tally})
        parts = {
            "ladder:disks": msgspec.msgpack.encode(KeptRule(ladder, msgspec.json.encode(rule))),
            "tallies:disks": msgspec.msgpack.encode(PartTallies(counts, ladder.armed_since())),
        }
        meta = encode_meta(StateMeta(VERSION, "", 0, 0.0, 0, 0, "test"))
        part = Part(self.settings.topics.outcomes, 0)
        assert self.store.write({part: StateWrite(NO_META, meta, parts)}) == {part: True}

    def start(self, name: str) -> None:
        """Start a closer, or another one by the same name after it ended; its log is `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                [sys.executable, "-m", "stream", "run", "closer"],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """SIGKILL, and wait until it is gone."""
        self.workers[name].kill()
        self.workers[name].wait(60)

    def close(self) -> None:
        """End every closer."""
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.kill()
            worker.wait(60)
        self.state.close()

    def parts(self) -> list[Part]:
        """All partitions that closers read."""
        topics = self.settings.topics
        return [
            Part(topic, number)
            for topic in (topics.events, topics.enriched, topics.outcomes)
            for number in range(PARTITIONS)
        ]

    def begun(self) -> bool:
        """Whether every partition was claimed, and the rule may act."""
        metas = self.store.metas(self.parts())
        standing = self.state.standings().get("disks")
        return NO_META not in metas.values() and standing is not None and standing.verdict.mode == "pause"

    def act(self, team: str, alert_id: str, kind: str) -> None:
        """Publish an act."""
        event = Acted(at=moment(time.time()), alert_id=alert_id, team=team, action_id=f"{alert_id}-{kind}", kind=kind)
        producer = Producer(producer_settings(self.settings))
        producer.produce(self.settings.topics.events, encode_event(event), team.encode())
        assert producer.flush(60) == 0

    def log_of(self, name: str) -> str:
        """What a closer said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_begun(self) -> None:
        """Until alerts that come are decided by the rule: what is judged is read again after a moment, unseen."""
        until(self.begun, 90)
        time.sleep(JUDGEMENTS_SECONDS + 2 * REFRESH_SECONDS)

    def produce(self, seconds: float, first: int = 0) -> list[str]:
        """Publish scored alerts of many teams as they are raised, numbered from `first`; returns their ids."""
        choose = partition_chooser(self.settings.kafka.partitioner, PARTITIONS)
        producer = Producer(producer_settings(self.settings))
        ids = list[str]()
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            number = first + len(ids)
            team, alert_id = f"team-{number % 30}", f"A{number}"
            where = f"{self.settings.topics.events}/{choose(team)}/{number}"
            record = enriched(alert_id, time.time(), team=team, offset=where, episode=alert_id)
            for _ in range(1 + (len(ids) % 10 == 0)):  # every tenth comes twice
                producer.produce(self.settings.topics.enriched, encode_record(record), team.encode())
            producer.poll(0)
            ids.append(alert_id)
            time.sleep(max(0.0, began + len(ids) / ALERTS_PER_SECOND - time.monotonic()))
        assert producer.flush(60) == 0
        return ids

    def read(self, topic: str) -> list[bytes]:
        """Every record of a topic."""
        with Reader(self.settings, [topic]) as reader:
            return [message.value() or b"" for message in reader.read_all()]

    def decisions(self) -> dict[str, list[str]]:
        """What was decided of each alert, in order, copies of the same record aside."""
        seen, found = set[bytes](), defaultdict[str, list[str]](list)
        for value in self.read(self.settings.topics.decisions):
            if value not in seen:
                seen.add(value)
                decision = decode_decision(value)
                found[decision.alert_id].append(decision.decision)
        return found
