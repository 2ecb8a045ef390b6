"""Alertmanager's webhook, version 4: a group of alerts that fire or are resolved."""

from stream.sources.agents import NOBODY, AgentTable
from stream.sources.alert_group import RESOLVED, read_group
from stream.sources.body import Body, decode_json
from stream.sources.options import SourceOptions
from stream.sources.parsed import BadRequest, Parsed

SOURCE = "alertmanager"


def read(body: Body, options: SourceOptions, received_at: float, agents: AgentTable) -> Parsed:
    """What a post of Alertmanager says; version 3 has the same alerts and is read as well.

    Raises:
        BadRequest: it is none; one sentence says what it is and what to send.
    """
    group = decode_json(body.text)
    if isinstance(group, list):
        raise BadRequest(
            422, "", "a list is what Prometheus posts to Alertmanager; send through a webhook_config of Alertmanager"
        )
    if not isinstance(group, dict) or not isinstance(group.get("alerts"), list):
        raise BadRequest(
            422, "alerts", "there is no list `alerts`, which Alertmanager's webhook has; post its body as it is"
        )
    parsed = read_group(group, options, received_at, agents.decide(SOURCE, RESOLVED, NOBODY))
    parsed.notes = [*body.notes, *parsed.notes]
    return parsed
