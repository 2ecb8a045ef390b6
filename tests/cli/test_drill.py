"""`noisegate drill`: hops from records, refusals before anything is posted, and drills of real rooms."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream.cli.drill import intake_address
from stream.cli.drill.entrance import DrillFailed, IntakeEntrance, RelayEntrance, check_team, is_annotated
from stream.cli.drill.hops import (
    ACCEPTED,
    ANNOTATED,
    DECIDED,
    ENDED,
    LABEL,
    MENDS,
    RAISED,
    RUN_LABEL,
    SCORED,
    DrillTrace,
    Hop,
)
from stream.cli.drill.run import _end, awaited_hops
from stream.config import make_settings
from stream.core.errors import SettingsError
from stream.core.events import Acted, Raised, decode_event, encode_event, moment
from stream.core.kinds import DRILL_TEAM
from stream.core.records import Enriched, Reason, Score, encode_record
from stream.dev.process import LOOPBACK
from tests.chaos.cluster import Cluster
from tests.cli.conftest import Run
from tests.intake.process import IntakeProcess
from tests.relay.processes import RelayProcess
from tests.relay.records import decision
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.certificates import Authority
from tests.servers.kafka import ROOT, ApacheKafka
from tests.servers.redis import RedisServer
from tests.waits import until

AT = 1_795_600_000.0
RUN = "drill-1"
ROUTED = f"""
route:
  receiver: people
  routes: [{{matchers: ['{LABEL}="true"'], receiver: nobody}}]
receivers: [{{name: people}}, {{name: nobody}}]
"""


def raised(alert_id: str = "A1", team: str = DRILL_TEAM, run: str = RUN) -> Raised:
    """A drill's alert as the intake publishes it."""
    return Raised(moment(AT), alert_id, team, "NoisegateDrill", "drill", labels={LABEL: "true", RUN_LABEL: run})


def enriched(probability: float | None = 0.07, reason: Reason | None = None, run: str = RUN) -> bytes:
    """Its score."""
    score = Score(probability, "unsure" if probability else "unscored", "m1", "none", reason)
    return encode_record(Enriched(raised(run=run), score, None, [], moment(AT), "alerts.events/0/1"))


def ended(alert_id: str = "A1", kind: str = "ended", team: str = DRILL_TEAM) -> bytes:
    """Its end."""
    return encode_event(Acted(moment(AT), alert_id, team, f"{alert_id}-{kind}", kind))


def trace(decided: bool = False) -> DrillTrace:
    """A drill through the intake whose alert was accepted."""
    made = DrillTrace(RUN, awaited_hops(is_relay=False, decision=decided))
    made.observe(Hop(ACCEPTED, 0.01, "http://intake"))
    return made


def test_all_hops_in_whatever_order_topics_are_read() -> None:
    """Decision and end name the alert by its id alone, and are found though they are read before the alert."""
    made = trace(decided=True)
    made.observe_record("decisions", encode_record(replace(decision("A1", "none"), team=DRILL_TEAM)), 0.4, "d")
    made.observe_record("events", ended(), 0.5, "e2")
    assert made.missing == [RAISED, SCORED, DECIDED, ENDED]
    made.observe_record("enriched", enriched(), 0.3, "s")
    made.observe_record("events", encode_event(raised()), 0.2, "e1")
    assert [(hop.name, hop.seconds) for hop in made.hops] == [
        (ACCEPTED, 0.01),
        (RAISED, 0.2),
        (SCORED, 0.3),
        (DECIDED, 0.4),
        (ENDED, 0.5),
    ]
    assert made.faults == []
    assert made.is_scored
    assert "probability 0.07" in made.hops[2].what


@pytest.mark.parametrize(
    "value",
    [
        encode_event(raised(run="drill-2")),
        encode_event(raised(team="payments")),
        ended("A2"),
        ended(kind="resolved"),
        ended(team="payments"),
        b"{",
        b"",
        b"\xff",
        b'{"type":"tick","at":"2026-03-01T10:00:00Z"}',
    ],
)
def test_records_of_others_are_no_hop(value: bytes) -> None:
    """Another run, another team, another act and what is no record change nothing."""
    made = trace()
    made.observe_record("enriched", enriched(), 0.3, "s")
    for role in ("events", "enriched", "decisions"):
        made.observe_record(role, value, 0.1, "x")
    assert made.missing == [RAISED, ENDED]


def test_the_first_of_a_repeated_record_stands() -> None:
    """What comes again, as after a crash, does not change a hop's time."""
    made = trace()
    made.observe_record("events", encode_event(raised()), 0.2, "e1")
    made.observe_record("events", encode_event(raised()), 9.0, "e9")
    assert made.hops[1].where == "e1"


def test_no_model_is_a_hop_and_a_failed_history_is_none() -> None:
    """No model is a supported mode; without history, or where the model fails, the sentence says what to look at."""
    made = trace()
    made.observe_record("events", encode_event(raised()), 0.2, "e1")
    made.observe_record("enriched", enriched(None, "history_unavailable"), 0.3, "s1")
    assert made.missing[0] == SCORED
    assert "could not reach its history; see whether Redis answers" in str(made.faults[0])
    made.observe_record("enriched", enriched(None, "no_model"), 2.0, "s2")
    assert made.missing == [ENDED]
    assert not made.is_scored
    failed = trace()
    failed.observe_record("events", encode_event(raised()), 0.2, "e1")
    failed.observe_record("enriched", enriched(None, "model_failed"), 0.3, "s1")
    assert "models rollback" in str(failed.faults[0])


def test_every_hop_that_can_be_missing_has_a_mend() -> None:
    """The first missing one is named, and what to look at there."""
    for name in awaited_hops(is_relay=True, decision=True):
        if name != ACCEPTED:
            assert str(DrillTrace(RUN, [name]).faults[0]) == f"the hop `{name}` was not seen; {MENDS[name]}"


class Gone:
    """A way in that takes the alert, and its end only after so many tries."""

    url = "http://gone"

    def __init__(self, tries: int) -> None:
        self.tries = tries

    def open(self) -> None:
        """Take the alert."""

    def end(self) -> None:
        """Take the end at last."""
        self.tries -= 1
        if self.tries >= 0:
            raise DrillFailed("the intake at http://gone can't be reached", "start it")


@pytest.mark.slow
def test_an_end_that_is_not_taken_is_tried_twice_and_told() -> None:
    """The sentence says that the alert is open still, in place of the hop that can't have come."""
    assert _end(Gone(tries=1)) is None
    made = trace()
    made.observe_record("events", encode_event(raised()), 0.2, "e1")
    made.observe_record("enriched", enriched(), 0.3, "s")
    made.end_fault = _end(Gone(tries=2))
    assert made.missing == [ENDED]
    sentence = "the end of the drill's alert was not taken: the intake at http://gone can't be reached; start it"
    assert list(map(str, made.faults)) == [sentence]


def test_an_annotation_is_found_in_alertmanager_s_answer() -> None:
    """The score's words count, whether or not there is a number beside them."""
    assert is_annotated(b'[{"annotations":{"summary":"x","noisegate_why":"not enough history"}}]')
    assert not any(map(is_annotated, (b"[]", b'[{"annotations":{}}]', b"[{}]", b"<html>", b"7")))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("0.0.0.0", "http://127.0.0.1:9110"), ("::", "http://[::1]:9110"), ("intake", "http://intake:9110")],
)
def test_the_intake_s_address_is_that_of_the_settings(host: str, expected: str) -> None:
    """An intake that listens everywhere is reached over loopback."""
    assert intake_address(make_settings(intake_host=host)) == expected


def test_a_team_that_the_file_of_sources_gives_otherwise_is_refused(tmp_path: Path) -> None:
    """A drill that counted as another team's would be in that team's figures."""
    file = tmp_path / "sources.toml"
    file.write_text('[alertmanager]\nteam = ["label:owner"]\ndefault_team = "payments"\n')
    labels = {"alertname": "NoisegateDrill", "team": DRILL_TEAM}
    check_team(make_settings(), {"labels": labels, "annotations": {}})
    with pytest.raises(SettingsError, match=r"the team 'payments'; let \"label:team\" be a place"):
        check_team(make_settings(sources=str(file)), {"labels": labels, "annotations": {}})


def test_through_the_relay_only_where_the_alertmanagers_are_known() -> None:
    """Without them nobody knows whom a drill would call."""
    with pytest.raises(SettingsError, match="relay_alertmanagers is empty"):
        RelayEntrance("http://127.0.0.1:1", RUN, AT, make_settings())


def test_an_address_a_token_and_an_authority_that_are_none(tmp_path: Path) -> None:
    """Each is one sentence."""
    with pytest.raises(SettingsError, match="'intake:9110/v1/events' is no address; write http://HOST:PORT"):
        IntakeEntrance("intake:9110", RUN, AT)
    for url in ("http://u:pa55@[::1", "ftp://u:pa55@intake", "http://u:pa55@intake:port"):
        with pytest.raises(SettingsError, match="is no address") as wrong:
            IntakeEntrance(url, RUN, AT)
        assert "pa55" not in str(wrong.value)
    with pytest.raises(DrillFailed, match=r"the intake at http://a\.\.b/v1/events can't be reached"):
        IntakeEntrance("http://a..b", RUN, AT).open()
    with pytest.raises(SettingsError, match=r"--token .* holds no token of one line"):
        IntakeEntrance("http://intake", RUN, AT, token=Path(__file__))
    with pytest.raises(SettingsError, match=r"--token .* can't be read"):
        IntakeEntrance("http://intake", RUN, AT, token=tmp_path / "none")
    with pytest.raises(SettingsError, match=r"--ca .* can't be used"):
        IntakeEntrance("http://intake", RUN, AT, ca=tmp_path / "none")


def test_both_ways_at_once_are_refused(run: Run) -> None:
    """One drill takes one way."""
    ran = run("drill", "--intake", "http://127.0.0.1:1", "--relay", "http://127.0.0.1:1")
    assert (ran.status, ran.err) == (1, "noisegate: --intake and --relay are both given; give one of them\n")


@pytest.mark.slow
def test_drills_of_real_rooms(kafka: ApacheKafka, unique_name: str, tmp_path: Path, run: Run) -> None:
    """All hops are seen through an intake with TLS and through a relay; each missing hop and refusal is named."""
    with ExitStack() as exits:
        redis = exits.enter_context(RedisServer("redis"))
        cluster = Cluster(kafka, redis, tmp_path, unique_name, partitions=2)
        exits.callback(cluster.close)
        cluster.environment["NOISEGATE_MODEL_STORE"] = str(ROOT / "model_artifacts")
        cluster.start("scorer")
        routed = exits.enter_context(AlertmanagerServer(ROUTED))
        unrouted = exits.enter_context(AlertmanagerServer())
        authority = Authority(tmp_path)
        certificate = authority.issue("intake")
        tls = {"INTAKE_TLS_CERTIFICATE": str(certificate.file), "INTAKE_TLS_KEY": str(certificate.key)}
        intake = IntakeProcess(kafka.bootstrap_servers, redis.url, unique_name, tmp_path / "key", tls)
        exits.enter_context(intake)
        environment = {name: value for name, value in cluster.environment.items() if "METRICS_PORT" not in name}
        relay = exits.enter_context(RelayProcess([routed.url], environment))
        cluster.wait()
        env = {**environment, "NOISEGATE_RELAY_ALERTMANAGERS": routed.url}
        https = f"https://{LOOPBACK}:{intake.port}"

        ran = run("drill", "--intake", https, "--ca", str(authority.file), "--json", env=env)
        assert (ran.status, ran.json["missing"]) == (0, []), (ran.out, ran.err)
        assert [hop["name"] for hop in ran.json["hops"]] == [ACCEPTED, RAISED, SCORED, ENDED]
        assert ran.json["alert_id"].startswith("drill-")

        ran = run("drill", "--relay", relay.url, env=env)
        assert ran.status == 0, (ran.out, ran.err)
        lines = [line.split() for line in ran.out.splitlines()]
        assert [line[0] for line in lines] == ["hop", ACCEPTED, RAISED, SCORED, ANNOTATED, ENDED]
        until(lambda: routed.alerts() == [], 60, "the drill's alert has not ended")

        ran = run("drill", "--intake", https, "--ca", str(authority.file), "--decision", "--timeout", "5", env=env)
        assert ran.status == 1
        assert ran.out.splitlines()[-1].startswith("the hop `decided` was not seen; see whether the closer runs")
        assert ran.out.splitlines()[-2].split()[0] == ENDED
        assert "not seen" not in ran.out.splitlines()[-2]

        ran = run("drill", "--intake", https, env=env)
        assert ran.status == 1
        assert "can't be reached" in ran.err
        ran = run("drill", "--relay", relay.url, env={**env, "NOISEGATE_RELAY_ALERTMANAGERS": unrouted.url})
        assert f'add a route with the matcher {LABEL}="true"' in ran.err
        assert len({event.alert_id for event in drilled(cluster)}) == 3
        assert sum(isinstance(event, Acted) for event in drilled(cluster)) == 3


def drilled(cluster: Cluster) -> list[Raised | Acted]:
    """The events of all drills."""
    found = [decode_event(value) for _, _, value in cluster.records(cluster.settings.topics.events)]
    return [event for event in found if isinstance(event, Raised | Acted) and event.team == DRILL_TEAM]
