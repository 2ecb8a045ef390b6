"""What Alertmanager's own configuration does with our label, as Alertmanager itself writes it."""

import json
import urllib.request

import pytest

from stream.relay.route_check import RouteCheck, check_routes, parse_config
from tests.servers.alertmanager import AlertmanagerServer
from tests.servers.availability import unavailable

LONG = "a very long list of words that is surely longer than eighty columns of text, so that it is folded"
RECEIVERS = """
receivers:
- name: quiet
  webhook_configs: [{url: "http://127.0.0.1:1/"}]
- name: team
  slack_configs:
  - api_url: http://127.0.0.1:1/
    channel: '#ops'
    text: |
      route:
        matchers: [noisegate="paused"]

      {{ .CommonAnnotations.noisegate_probability }}
"""


def status(original: str) -> bytes:
    """Alertmanager's answer with this configuration in it."""
    return json.dumps({"config": {"original": original}, "versionInfo": {}}).encode()


def shown(config: str) -> bytes:
    """What a real Alertmanager shows of a configuration."""
    try:
        server = AlertmanagerServer(config)
    except FileNotFoundError as error:
        unavailable(str(error))
    with server, urllib.request.urlopen(f"{server.url}/api/v2/status", timeout=60) as answer:
        return bytes(answer.read())


def test_a_real_alertmanager_s_configuration_is_read() -> None:
    """Routes and inhibit rules in every way in which they can be written, folded and quoted, deep in the tree."""
    config = f"""
route:
  receiver: team
  group_by: [alertname]
  routes:
  - match_re: {{service: '^(a|b: c)$', owner: "{LONG}"}}
    routes:
    - matchers: ['foo=~"bar: .*|{LONG}"']
      receiver: team
    - matchers: ['noisegate=~"paused|nothing"', 'severity!="critical"']
      receiver: quiet
      continue: true
  - match: {{noisegate: closed}}
    receiver: quiet
inhibit_rules:
- source_matchers: ['severity="critical"', 'noisegate=""']
  target_matchers: ['severity="warning"']
- source_match: {{severity: page, noisegate: ""}}
  target_match_re: {{severity: 'warn.*'}}
- source_matchers: ['severity="critical"']
  target_matchers: ['severity="info"']
  equal: [alertname, cluster]
- source_match_re: {{noisegate: '.*'}}
  target_match: {{severity: debug}}
{RECEIVERS}"""
    assert check_routes(shown(config)) == RouteCheck(
        frozenset({"paused", "closed"}), ('severity="critical"', 'noisegate=~".*"')
    )


def test_a_real_alertmanager_without_a_route_for_it() -> None:
    """A text of a receiver that looks like a route is none; the mend names both values."""
    found = check_routes(shown(f"route: {{receiver: team}}{RECEIVERS}"))
    assert found == RouteCheck()
    assert found.mend == 'add a route with the matcher noisegate="paused" and noisegate="closed"'


@pytest.mark.parametrize(
    ("matcher", "routed"),
    [
        ('noisegate="paused"', {"paused"}),
        ('noisegate="closed"', {"closed"}),
        ('noisegate=~"paused|closed"', {"paused", "closed"}),
        ('noisegate!=""', {"paused", "closed"}),
        ('noisegate!~"|closed"', {"paused"}),
        ('"noisegate"="paused"', {"paused"}),
        ('{noisegate="paused"}', {"paused"}),
        ('noisegate=""', set()),
        ('noisegate!="other"', set()),
        ('noisegate=~".*"', set()),
        ('noisegate=~"(unclosed"', set()),
        ('my_noisegate="paused"', set()),
    ],
)
def test_a_route_is_for_a_value_that_no_plain_alert_has(matcher: str, routed: set[str]) -> None:
    """A matcher that plain alerts pass as well is no route for labelled ones."""
    config = f"route:\n  receiver: team\n  routes:\n  - receiver: quiet\n    matchers:\n    - '{matcher}'\n"
    found = check_routes(status(config))
    assert found is not None
    assert found.routed == routed


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"config":{"original":7}}', status("route"), status("route:\n   x\n- y"), status("")]
)
def test_what_can_t_be_read_is_none(body: bytes) -> None:
    """Another server's answer, or a form that is not Alertmanager's: then no label is set."""
    assert check_routes(body) is None


def test_sections_that_are_not_needed_are_passed_over() -> None:
    """Templates and receivers may hold anything."""
    text = "global: {}\ntemplates: [x]\nroute:\n  receiver: a\nreceivers:\n- text: |\n    - :\n  {{\n"
    assert parse_config(text) == {"route": {"receiver": "a"}}
