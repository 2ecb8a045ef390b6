"""Bodies as they come in real life: each of the shared ones comes out right, or with a sentence that says why not."""

from pathlib import Path
from typing import NamedTuple

import pytest

from stream.core.events import Acted, Raised, seconds
from stream.sources.body import read_headers
from stream.sources.decisions import Resolution
from stream.sources.options import load_sources
from stream.sources.parsed import BadRequest
from tests.sources.sender import NOON, SHIPPED, Sender, acted, at, duplicates, raised

ZERO_NINE = "2026-11-24T09:15:02Z"
TO_THE_MICROSECOND = "2026-11-24T09:15:02.738429Z"
SOURCES = {
    "alertmanager": "alertmanager",
    "grafana": "grafana",
    "events": "events",
    "cloudevents": "events",  # both routes take them, and senders are told to use this one
    "zabbix": "map/zabbix",
    "datadog": "map/datadog",
    "sentry": "map/sentry",
    "aws_sns": "map/cloudwatch",
    "azure": "map/azure",
    "gcp": "map/gcp",
    "nagios_icinga": "map/nagios",
}


class Case(NamedTuple):
    """What a body becomes, sent after others.

    Attributes:
        file: below the folder of payloads.
        raised: (team, rule, entity) of each alert that is published, in order.
        acted: (kind, agent) of each act.
        after: what was sent before it.
        at: of the first event that is published.
        duplicates: events that are known already.
        severity: of the first alert.
        same_alert: whether the first event is about the first alert of what was sent before.
        refused: (place, reason) of parts.
        ignored: short names.
        note: words of the first note.
        status, field, words: of a body that is refused whole.
    """

    file: str
    raised: tuple[tuple[str, str, str], ...] = ()
    acted: tuple[tuple[str, str | None], ...] = ()
    after: tuple[str, ...] = ()
    at: str | None = None
    duplicates: int = 0
    severity: str | None = None
    same_alert: bool | None = None
    refused: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    note: str = ""
    status: int | None = None
    field: str = ""
    words: str = ""


AM, G = "alertmanager/", "grafana/"
ONE, REFIRE = AM + "firing_one.json", (AM + "refire_1_firing.json", AM + "refire_2_resolved.json")
DISK = ("payments", "DiskAlmostFull", "db-7.example.net")
DISK_9 = ("payments", "DiskAlmostFull", "db-9.example.net")
ENDED = (("ended", "automation"),)
EU = ("checkout", "HighLatency", "eu-1")
FULL = ("payments", "disk_full", "db-7")
WORKED = (("worked", None),)

CASES = [
    Case(ONE, (DISK,), at=TO_THE_MICROSECOND, severity="warning"),
    Case(AM + "resolved_one.json", (), ENDED, (ONE,), "2026-11-24T09:41:20.1Z", same_alert=True),
    Case(AM + "resend_after_timeout.json", after=(ONE,), duplicates=1),
    Case(AM + "repeat_interval.json", after=(ONE,), duplicates=1),
    Case(AM + "ha_pair_a.json", tuple(("payments", "DiskAlmostFull", f"db-{n}.example.net") for n in (1, 2, 3))),
    Case(AM + "ha_pair_b.json", after=(AM + "ha_pair_a.json",), duplicates=3),
    # Replica labels do not count by default, so a pair of Prometheus is one alert without any setting.
    Case(AM + "replica_a.json", (DISK,)),
    Case(AM + "replica_b.json", after=(AM + "replica_a.json",), duplicates=1),
    Case(REFIRE[0], (DISK,)),
    Case(REFIRE[1], (), ENDED, REFIRE[:1], "2026-11-24T10:04:00Z", same_alert=True),
    Case(AM + "refire_3_firing.json", (DISK,), after=REFIRE, at="2026-11-24T10:09:30Z", same_alert=False),
    Case(AM + "ha_flap_late_firing.json", after=REFIRE, duplicates=1),
    # A raise and its end from the one body: it has the start, and an act on nothing would be lost to the history.
    Case(AM + "resolved_never_fired.json", (("payments", "DiskAlmostFull", "cache-1.example.net"),), ENDED),
    Case(AM + "resolved_endsat_zero.json", (), ENDED, (ONE,), "2026-11-24T12:00:00Z", same_alert=True),
    # The later of the two, which is the start.
    Case(AM + "resolved_ends_before_starts.json", (DISK,), ENDED, at="2026-11-24T11:16:37.903Z"),
    Case(
        AM + "zones_and_nanoseconds.json",
        tuple(("payments", "DiskAlmostFull", f"{host}.example.net") for host in "abcd"),
        at=TO_THE_MICROSECOND,
    ),
    Case(AM + "same_moment_two_spellings.json", after=(ONE,), duplicates=1),
    Case(AM + "no_alertname.json", (("payments", "unknown", "db-7.example.net"), DISK_9)),
    # Nothing tells an alert without labels from others, so it is refused rather than raised under made-up names.
    Case(AM + "empty_labels.json", (DISK_9,), refused=(("alerts[0].labels", "no_labels"),)),
    Case(AM + "empty_label_name_and_value.json", (("unowned", "DiskAlmostFull", "db-7.example.net"),)),
    Case(AM + "label_4000_characters.json", (DISK, DISK_9), note="1 labels are left out"),
    Case(AM + "labels_70.json", (DISK,), note="10 labels are left out"),
    # Version 3 has the same alerts; nothing is read of the group that could break.
    Case(AM + "version3_groupkey_number.json", (DISK,)),
    Case(AM + "fingerprint_missing.json", (DISK, ("payments", "DiskAlmostFull", "db-8.example.net"))),
    Case(AM + "alertname_not_latin.json", (("平台组", "磁盘空间不足", "db-7.example.net"),)),
    Case(AM + "utf8_label_names.json", (DISK,)),
    # The label is left out, as one that is too long is: an alert is worth more than a stray label.
    Case(AM + "nul_in_one_label.json", (DISK, DISK_9), note="1 labels are left out, over a limit or no text: app"),
    Case(AM + "label_values_not_text.json", (DISK, DISK_9), note="no text: ports"),
    Case(AM + "starts_year_1.json", refused=(("alerts[0].startsAt", "before_floor"),)),
    Case(AM + "starts_2099.json", refused=(("alerts[0].startsAt", "future"),)),
    Case(AM + "watchdog_always_firing.json", (("unowned", "Watchdog", "unknown"),), at="2026-09-01T00:00:00Z"),
    Case(AM + "severity_odd.json", tuple(("payments", "DiskAlmostFull", f"s{n}") for n in range(7)), severity="P1"),
    Case(AM + "severity_flap.json", (DISK,), ENDED, (ONE,), "2026-11-24T09:20:00Z", severity="critical"),
    Case(AM + "team_300_characters.json", (("unowned", "DiskAlmostFull", "db-7.example.net"), DISK_9)),
    Case(AM + "prometheus_api_array.json", status=422, words="send through a webhook_config of Alertmanager"),
    Case(AM + "bom.txt", (DISK,)),
    Case(AM + "latin1_byte.txt", status=400, words="not UTF-8: byte 0xfc at offset 248"),
    Case(AM + "form_encoded.txt", status=415, field="content-type", words="application/x-www-form-urlencoded"),
    Case(AM + "nested_2000_deep.txt", status=400, words="nested more than 64 deep"),
    Case(AM + "storm_300.json", tuple(("platform", "PodCrashLooping", f"api-{number:04}") for number in range(300))),
    # A counter in a label is another identity with each post; test_owners has the warning that names it.
    Case(AM + "keep_firing_20000.json", (DISK,)),
    Case(G + "firing.json", (EU,), at="2026-11-24T09:15:00Z"),
    Case(G + "values_null_and_huge.json", (EU,)),
    Case(G + "no_data_twice.json", (("unowned", "HighLatency", "unknown"),) * 2),
    Case(G + "error.json", (("unowned", "HighLatency", "unknown"),)),
    Case(G + "error_keeps_its_name.json", (EU,)),
    Case(G + "fingerprint_missing.json", (EU, ("checkout", "HighLatency", "us-1"))),
    # The first goes on: a firing of which no end was heard keeps its alert.
    Case(G + "state_reset.json", after=(G + "firing.json",), duplicates=1),
    Case(G + "test_button.json", ignored=("test",)),
    Case(G + "legacy_alerting.json", status=422, field="alerts", words="legacy alerting"),
    Case(G + "legacy_ok.json", status=422, field="alerts", words="legacy alerting"),
    Case(G + "custom_payload.json", status=422, field="alerts", words="`alerts`"),
    Case(G + "label_emoji.json", (EU,)),
    Case(G + "template_left_in_label.json", (("Shop", "HighLatency", "eu-1"), ("Shop", "HighLatency", "z2"))),
    Case("events/array.json", (FULL,), WORKED),
    Case("events/lines_bom_crlf_blank.txt", (FULL,), WORKED),
    # The good lines are taken; sent again, the scorer counts each of them once by its id.
    Case("events/lines_one_bad.txt", (FULL, FULL), refused=(("line 2.alert_id", "bad_field"),)),
    Case("events/time_with_space.json", (FULL,), at="2026-11-24T08:15:02Z"),  # RFC 3339 allows the space
    Case("events/leap_second.json", status=422, field="at"),
    Case("events/tick.json", status=422, field="type", words="written by the scorer only"),
    Case("events/number_as_id.json", status=422, field="alert_id"),
    Case("events/closed_by_rule_from_outside.json", status=422, field="kind", words="written by noisegate only"),
    Case("cloudevents/structured.json", (FULL,)),
    Case("cloudevents/structured_base64.json", (FULL,)),
    Case("cloudevents/binary.json", (FULL,)),
    Case("cloudevents/batch.json", (FULL, FULL), WORKED),
    # The good ones are taken and the bad one is named; a retry makes nothing twice, as the scorer knows their ids.
    Case("cloudevents/batch_one_bad.json", (FULL, FULL), refused=(("[1].data.team", "bad_field"),)),
    Case("cloudevents/id_missing.json", status=422, field="id"),
    Case("zabbix/problem.json", (("payments", "High memory utilization (>90% for 20m)", "db-7"),), severity="4"),
    Case("zabbix/macros_not_filled.json", (("unowned", "High memory utilization (>90% for 20m)", "10.0.0.7"),)),
    Case("zabbix/quotes_in_name.txt", status=400, words='near \', "name": "Service "W3SVC" in \''),
    Case("datadog/renotify.json", (("payments", "monitor 1234", "db-7"),)),
    Case("datadog/no_data.json", (("payments", "monitor 1234 no data", "db-7"),)),
    Case("datadog/form_encoded.txt", status=415, field="content-type", words="application/x-www-form-urlencoded"),
    Case("sentry/metric_alert_critical.json", (("team:42", "Errors", "shop"),), severity="critical"),
    Case(
        "sentry/metric_alert_resolved.json",
        (),
        ENDED,
        ("sentry/metric_alert_critical.json",),
        "2026-11-24T09:45:02Z",
        same_alert=True,
    ),
    Case("aws_sns/alarm.json", (("unowned", "disk-db-7", "i-0001"),), at="2026-11-24T09:15:02.236Z"),
    # It says nothing of the threshold, so it is neither a raise nor an end.
    Case("aws_sns/insufficient_data.json", ignored=("insufficient_data",)),
    Case("aws_sns/message_is_object.json", (("unowned", "disk-db-7", "i-0001"),)),
    Case("aws_sns/anomaly_alarm.json", (("unowned", "anomaly", "anomaly"),)),
    # 2xx, so that the topic goes on; what to run stands in the note, and nothing is fetched.
    Case("aws_sns/subscription_confirmation.json", ignored=("subscription",), note="aws sns confirm-subscription"),
    Case("aws_sns/unsubscribe_confirmation.json", ignored=("subscription",), note="no longer sends"),
    Case("azure/old_metric_schema.json", status=422, words="AzureMonitorMetricAlert is an old schema"),
    # A closed incident that was never seen is raised as well: the body has its start.
    Case("gcp/closed.json", (("payments", "disk", "1"),), ENDED, at="2026-11-24T09:15:02Z"),
    Case("gcp/test.json", ignored=("test",), note="starts in 1970"),
    # Without its PROBLEM nothing is known of the alert; test_mapping sends one first.
    Case(
        "nagios_icinga/recovery_flapping_downtime.json",
        refused=(("", "unknown_alert"),) * 3,
        ignored=("flapping", "flapping", "downtime_end", "custom"),
    ),
    Case("nagios_icinga/output_with_backslash.txt", status=400, words="invalid escape character"),
]


@pytest.fixture(scope="session")
def payloads(shared_data: Path) -> Path:
    """The folder of the shared bodies."""
    folder = shared_data.parent / "inputs" / "payloads"
    if not folder.is_dir():
        pytest.skip("the shared payloads (../shared/inputs beside the project) are not here")
    return folder


def send(sender: Sender, folder: Path, name: str) -> Resolution:
    """Post one of the files, with its headers."""
    headers = (folder / name).with_suffix(".headers")
    lines = headers.read_text().splitlines() if headers.is_file() else []
    pairs = [(key, value) for key, _, value in (line.partition(":") for line in lines)]
    return sender.post(SOURCES[name.partition("/")[0]], (folder / name).read_bytes(), read_headers(pairs))


@pytest.mark.data
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)
def test_a_shared_body(payloads: Path, case: Case) -> None:
    """What the file's line in EXPECT.tsv asks for, with `resolved` by a machine read as `ended`."""
    sender = Sender()
    earlier = [event for name in case.after for event in _events(send(sender, payloads, name))]
    if case.status is not None:
        with pytest.raises(BadRequest) as caught:
            send(sender, payloads, case.file)
        assert (caught.value.status, caught.value.field) == (case.status, case.field)
        assert case.words in str(caught.value)
        return
    found = send(sender, payloads, case.file)
    alerts, acts = raised(found), acted(found)
    assert tuple((event.team, event.rule, event.entity) for event in alerts) == case.raised
    assert tuple((act.kind, act.agent) for act in acts) == case.acted
    assert duplicates(found) == case.duplicates
    assert tuple((one.where, one.reason) for one in found.refused) == case.refused
    assert tuple(found.ignored) == case.ignored
    assert case.note in "".join(found.notes[:1])
    assert bool(found.notes) == bool(case.note)
    published: list[Raised | Acted] = [*alerts, *acts]
    first = next(iter(published), None)
    if case.at is not None:
        assert first is not None
        assert seconds(first.at) == pytest.approx(at(case.at), abs=1e-6)
    if case.severity is not None:
        assert alerts[0].severity == case.severity
    if case.same_alert is not None:
        assert first is not None
        assert (first.alert_id == earlier[0].alert_id) is case.same_alert


def _events(found: Resolution) -> list[Raised | Acted]:
    return [decision.event for decision in found.decisions]


@pytest.mark.data
def test_every_shared_body_of_these_sources_has_its_case(payloads: Path) -> None:
    """A file that is added to the folder needs a line here."""
    files = {
        f"{folder}/{path.name}"
        for folder in SOURCES
        for path in (payloads / folder).iterdir()
        if path.suffix != ".headers"
    }
    assert {case.file for case in CASES} == files


@pytest.mark.data
def test_a_counter_as_label_is_warned_of(payloads: Path) -> None:
    """Twenty posts of the recorded alert, each with the next count."""
    sender, notes = Sender(), []
    body = (payloads / AM / "keep_firing_20000.json").read_bytes()
    for number in range(20):
        notes += sender.post("alertmanager", body.replace(b"23696", str(number).encode())).notes
    assert [note for note in notes if "'firingCounter' has a new value at each firing" in note] == notes != []


@pytest.mark.data
def test_zabbix_times_are_of_the_servers_zone(payloads: Path, tmp_path: Path) -> None:
    """A setting names the zone, as the body does not."""
    text = SHIPPED.read_text(encoding="utf-8").replace('mappings/zabbix.toml"', 'zabbix.toml"\nzone = "Europe/Berlin"')
    kept = text.split("[map.datadog]")[0]
    (tmp_path / "zabbix.toml").write_text((SHIPPED.parent / "mappings" / "zabbix.toml").read_text(encoding="utf-8"))
    (tmp_path / "sources.toml").write_text(kept, encoding="utf-8")
    sender = Sender(load_sources(tmp_path / "sources.toml"))
    (event,) = raised(sender.post("map/zabbix", (payloads / "zabbix" / "problem.json").read_bytes(), now=NOON))
    assert seconds(event.at) == at(ZERO_NINE)
