"""Grafana's webhook of unified alerting; each alert by its own status and state, never the group's."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stream.core import limits
from stream.sources.agents import NOBODY, AgentTable
from stream.sources.alert_group import RESOLVED, read_group
from stream.sources.body import Body, decode_json
from stream.sources.labels import Labels
from stream.sources.options import SourceOptions
from stream.sources.parsed import BadRequest, Description, Parsed
from stream.sources.texts import text_of

SOURCE = "grafana"
_STATE_NAMES = frozenset({"DatasourceNoData", "DatasourceError"})  # Grafana's own names of alerts without data
_TEST = {"alertname": "TestAlert", "instance": "Grafana"}  # what the button Test sends


def read(body: Body, options: SourceOptions, received_at: float, agents: AgentTable) -> Parsed:
    """What a post of a Grafana contact point says.

    An alert that tells of missing data or of an error counts to the rule that it is of; the button's test is ignored.

    Raises:
        BadRequest: legacy alerting, a custom payload, or nothing of Grafana's; one sentence says what to send.
    """
    group = decode_json(body.text)
    if isinstance(group, dict) and not isinstance(group.get("alerts"), list):
        if "evalMatches" in group or "ruleId" in group:
            raise BadRequest(
                422,
                "alerts",
                "this is legacy alerting (`evalMatches`, no `alerts`); use a webhook contact point of unified alerting",
            )
        raise BadRequest(
            422,
            "alerts",
            "there is no list `alerts`; take the custom payload out of the contact point, or read it by a mapping",
        )
    if not isinstance(group, dict):
        raise BadRequest(422, "alerts", "the body is no object with a list `alerts`; use a webhook contact point")
    parsed = read_group(group, options, received_at, agents.decide(SOURCE, RESOLVED, NOBODY), _adapt)
    parsed.notes = [*body.notes, *parsed.notes]
    return parsed


def _adapt(
    alert: Mapping[str, Any], labels: Labels, annotations: Mapping[str, Any], description: Description
) -> Description | str:
    if labels.whole == _TEST:
        return "test"
    changes: dict[str, Any] = {}
    if labels.whole.get("alertname") in _STATE_NAMES and (rule := labels.whole.get("rulename")):
        if len(rule) <= limits.NAME_LENGTH and "\0" not in rule:
            changes["rule"] = rule
        changes["labels"] = {**description.labels, "grafana_state_reason": _reason(labels.whole["alertname"])}
    elif reason := text_of(annotations.get("grafana_state_reason")):
        changes["labels"] = {**description.labels, "grafana_state_reason": reason[:100].replace("\0", " ")}
    if len(changes.get("labels", ())) > 64:
        del changes["labels"]
    return msgspec.structs.replace(description, **changes) if changes else description


def _reason(alertname: str) -> str:
    return alertname.removeprefix("Datasource")
