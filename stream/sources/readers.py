"""SOURCES, the table of all readers: a source's name and what reads its bodies."""

from collections.abc import Callable

from stream.core.errors import SettingsError
from stream.sources import alertmanager, cloudevents, events, grafana
from stream.sources.body import Body
from stream.sources.mapping import MappingReader
from stream.sources.options import MAP, SourceOptions, Sources
from stream.sources.parsed import Parsed

Reader = Callable[[Body, SourceOptions, float], Parsed]
"""Body, options and the time at which the body came, to what it says. Raises BadRequest, and nothing else."""


def _read_events(body: Body, options: SourceOptions, received_at: float) -> Parsed:
    """Our own form, bare or in CloudEvents."""
    read = cloudevents.read if cloudevents.is_cloudevent(body) else events.read
    return read(body, options, received_at)


READERS: dict[str, Reader] = {
    "alertmanager": alertmanager.read,
    "grafana": grafana.read,
    "events": _read_events,
    "cloudevents": cloudevents.read,
}


def name_of(sources: Sources, name: str) -> str:
    """What a source is called in events and ids: of a mapping its own `source`, else the name itself."""
    rules = sources.mappings.get(name)
    return name if rules is None else rules.source


def find_reader(sources: Sources, name: str) -> Callable[[Body, float], Parsed]:
    """What reads the bodies of a source such as `grafana` or `map/zabbix`.

    Raises:
        SettingsError: there is no such source; those that there are are named.
    """
    if (rules := sources.mappings.get(name)) is not None:
        return MappingReader(rules, sources.of(name)).read
    reader = READERS.get(name)
    if reader is None:
        known = ", ".join([*READERS, *sources.mappings])
        where = f"; a mapping needs a table [{name.replace('/', '.')}] in the file of --options" if MAP in name else ""
        raise SettingsError(f"there is no source {name!r}; there are {known}{where}")
    options = sources.of(name)
    return lambda body, received_at: reader(body, options, received_at)
