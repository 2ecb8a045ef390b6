"""SOURCES, the table of all readers: a source's name and what reads its bodies."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from stream.core.errors import SettingsError
from stream.sources import alertmanager, cloudevents, events, grafana, opsgenie, pagerduty, servicenow
from stream.sources.agents import AgentTable, load_agents
from stream.sources.body import Body, decode_json
from stream.sources.incident import IncidentOptions
from stream.sources.mapping import MappingReader
from stream.sources.options import MAP, SourceOptions, Sources
from stream.sources.parsed import Parsed
from stream.sources.redaction import redact
from stream.sources.texts import as_json

Reader = Callable[[Body, SourceOptions, float, AgentTable], Parsed]
"""Body, options, the time at which the body came, and who did what, to what it says. Raises BadRequest only."""


def _read_events(body: Body, options: SourceOptions, received_at: float, _: AgentTable) -> Parsed:
    """Our own form, bare or in CloudEvents; it says itself who did it."""
    read = cloudevents.read if cloudevents.is_cloudevent(body) else events.read
    return read(body, options, received_at)


def _read_cloudevents(body: Body, options: SourceOptions, received_at: float, _: AgentTable) -> Parsed:
    """Our own form in CloudEvents."""
    return cloudevents.read(body, options, received_at)


READERS: dict[str, Reader] = {
    "alertmanager": alertmanager.read,
    "grafana": grafana.read,
    "events": _read_events,
    "cloudevents": _read_cloudevents,
}
IncidentReader = Callable[[Any, IncidentOptions, AgentTable, float], Parsed]
INCIDENT_READERS: dict[str, IncidentReader] = {
    "pagerduty": pagerduty.read,
    "opsgenie": opsgenie.read,
    "jsm": opsgenie.read,
    "servicenow": servicenow.read,
}
"""Readers of incident tools: a decoded body, options, who did what, and the time at which it came."""


AGENTS_OF: dict[str, str] = {"jsm": "opsgenie"}
"""Sources that share another's table of who did it."""


def with_automation(agents: AgentTable, sources: Sources) -> AgentTable:
    """The tables of who did it, with the accounts that the sources' options list as no people."""
    accounts: dict[str, list[str]] = {}
    for source, options in sources.options.items():
        accounts.setdefault(AGENTS_OF.get(source, source), []).extend(options.automation)
    return agents.with_accounts(accounts)


def name_of(sources: Sources, name: str) -> str:
    """What a source is called in events and ids: of a mapping its own `source`, else the name itself."""
    rules = sources.mappings.get(name)
    return name if rules is None else rules.source


def find_reader(sources: Sources, name: str, agents: AgentTable | None = None) -> Callable[[Body, float], Parsed]:
    """What reads the bodies of a source such as `grafana` or `map/zabbix`.

    Args:
        sources: the options of all sources.
        name: the source.
        agents: who did it, by source; None: the shipped tables.

    Raises:
        SettingsError: there is no such source; those that there are are named.
    """
    if (rules := sources.mappings.get(name)) is not None:
        return MappingReader(rules, sources.of(name)).read
    if (incident_reader := INCIDENT_READERS.get(name)) is not None:
        return _incident_reader(incident_reader, sources.of(name), agents or _shipped_agents())
    reader = READERS.get(name)
    if reader is None:
        known = ", ".join([*READERS, *INCIDENT_READERS, *sources.mappings])
        where = f"; a mapping needs a table [{name.replace('/', '.')}] in the file of --options" if MAP in name else ""
        raise SettingsError(f"there is no source {name!r}; there are {known}{where}")
    options, who = sources.of(name), agents or _shipped_agents()
    return lambda body, received_at: reader(body, options, received_at, who)


@cache
def _shipped_agents() -> AgentTable:
    return load_agents()


def _incident_reader(
    read: IncidentReader, options: SourceOptions, agents: AgentTable
) -> Callable[[Body, float], Parsed]:
    incident = IncidentOptions(
        team=options.team,
        rule=options.rule,
        entity=options.entity,
        severity=options.severity,
        missing=options.missing,
        zone=options.zone,
        states=options.states,
    )

    def read_body(body: Body, received_at: float) -> Parsed:
        document = decode_json(body.text)
        parsed = read(document, incident, agents, received_at)
        parsed.notes = [*body.notes, *parsed.notes]
        if parsed.refused:
            value = as_json(redact(document))
            parsed.refused = [msgspec.structs.replace(part, value=value) for part in parsed.refused]
        return parsed

    return read_body
