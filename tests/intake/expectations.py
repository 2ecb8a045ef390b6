"""The shared list of bodies, EXPECT.tsv, as what is posted where and which statuses will do."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

INPUTS = "inputs"
MAPPINGS = {
    "zabbix": "map/zabbix",
    "nagios_icinga": "map/nagios",
    "datadog": "map/datadog",
    "sentry": "map/sentry",
    "aws_sns": "map/cloudwatch",
    "azure": "map/azure",
    "gcp": "map/gcp",
}
SUCCESS = frozenset({200, 202})
ARGUED: dict[str, frozenset[int]] = {
    # Where the list leaves it open, or names no status: what was chosen, and why.
    "payloads/alertmanager/prometheus_api_array.json": frozenset({422}),
    "payloads/alertmanager/starts_2099.json": SUCCESS,  # the one alert is refused by itself
    "payloads/alertmanager/team_300_characters.json": SUCCESS,
    "payloads/alertmanager/severity_flap.json": SUCCESS,
    "payloads/pagerduty/signature_upper_case.json": frozenset({401}),  # hex as it is documented: lower case
    "payloads/grafana/state_reset.json": SUCCESS,
    "payloads/grafana/legacy_ok.json": frozenset({422}),  # as legacy_alerting.json
    "payloads/aws_sns/subscription_confirmation.json": frozenset({422}),  # here; the mapping says how to confirm
    "payloads/aws_sns/unsubscribe_confirmation.json": frozenset({422}),
    "payloads/cloudevents/batch_one_bad.json": SUCCESS,  # the good ones are taken, the bad one is named
    "payloads/events/lines_one_bad.txt": SUCCESS,
    "payloads/events/time_with_space.json": frozenset({202, 422}),
    "payloads/events/closed_by_rule_from_outside.json": frozenset({422}),
}


class Posting(NamedTuple):
    """One body of the list.

    Attributes:
        file: its path below the folder of inputs.
        route: where it is posted, below /v1.
        statuses: those that will do.
    """

    file: str
    route: str
    statuses: frozenset[int]

    @property
    def is_unsigned(self) -> bool:
        """Whether it is no webhook of PagerDuty's, of which every one is signed."""
        return self.route == "pagerduty" and 422 in self.statuses

    def read(self, folder: Path) -> tuple[bytes, dict[str, str]]:
        """The body and its headers."""
        path = folder / self.file
        headers = {"content-type": "application/json" if path.suffix == ".json" else "application/x-ndjson"}
        if path.suffix == ".txt" and not path.stem.startswith("lines"):
            headers = {"content-type": "application/json"}
        beside = path.with_suffix(".headers")
        if beside.exists():
            pairs = (line.partition(":") for line in beside.read_text().splitlines() if ":" in line)
            headers |= {name.strip().lower(): value.strip() for name, _, value in pairs}
        return path.read_bytes(), headers


def postings(folder: Path) -> list[Posting]:
    """All bodies of the list in its order; what a mapping reads is posted to it too, after /v1/events."""
    found = []
    with (folder / "EXPECT.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    for path, expected, how in rows:
        if not how.startswith("POST"):
            continue
        route = re.search(r"/v1/(\w+)", how)
        assert route is not None
        found.append(Posting(path, route[1], ARGUED.get(path) or _statuses(expected)))
        mapping = MAPPINGS.get(path.split("/")[1])
        if mapping is not None:
            found.append(Posting(path, mapping, frozenset({200, 202, 400, 415, 422})))
    return found


def _statuses(expected: str) -> frozenset[int]:
    """The statuses that a sentence names before it argues; a mapping's are not among them."""
    expected = expected.split("where a generic mapping exists")[0].split("where supported")[0]
    named = {int(status) for status in re.findall(r"\b(202|4\d\d)\b", expected)}
    if "never 4xx" in expected or "no 4xx" in expected or "not 4xx" in expected:
        named -= {status for status in named if status >= 400}
    if "2xx" in expected or 202 in named or not named:
        named |= SUCCESS
    return frozenset(named)
