"""What incident tools have in common: places that name an alert's owner, rule and entity, and its description."""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from stream.core import limits
from stream.sources.missing import MISSING
from stream.sources.parsed import Description
from stream.sources.times import BadTime, check_time, read_time

Places = Sequence[tuple[str, str]]
"""What a body says, each with its place, such as ("team", "Payments"); a place may come more than once."""

_NUMBERS = re.compile(r"[0-9]+(?:[.,:][0-9]+)*")


class IncidentOptions(Struct, frozen=True, kw_only=True):
    """How incidents are read. A place is a name that the source's reader gives to a field.

    Attributes:
        team: places that may name the owner, the likeliest first; empty: in the reader's order.
        rule: places of the alerting rule; empty: the reader's.
        entity: places of what the alert fired for; empty: the reader's.
        severity: places of the severity; empty: the reader's.
        missing: texts that stand for no value; `...` stands for any text, such as in `{{...}}`.
        zone: the time zone of times that do not tell theirs.
        states: ServiceNow's states in another language or of one's own, to `new`, `in progress`, `on hold`,
            `resolved`, `closed` or `canceled`; case does not count.
    """

    team: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    missing: tuple[str, ...] = MISSING
    zone: str = "UTC"
    states: Mapping[str, str] = {}


def or_defaults(options: IncidentOptions, defaults: IncidentOptions) -> IncidentOptions:
    """The options with a reader's own places where they name none."""
    return IncidentOptions(
        team=options.team or defaults.team,
        rule=options.rule or defaults.rule,
        entity=options.entity or defaults.entity,
        severity=options.severity or defaults.severity,
        missing=options.missing,
        zone=options.zone,
        states={**defaults.states, **{name.casefold(): state for name, state in options.states.items()}},
    )


def describe(
    places: Places,
    options: IncidentOptions,
    at: float,
    title: tuple[str | None, bool],
    labels: Mapping[str, str | None],
) -> Description:
    """The description of an alert that was raised at `at`, from the places of its body.

    Args:
        places: what the body says.
        options: which places count, with none empty.
        at: seconds since 1970.
        title: the text that people read, and whether it was cut.
        labels: of which those without a value, or over a limit, are left out.
    """
    named = {name: text for name, text in labels.items() if text}
    kept = [
        (name, text)
        for name, text in named.items()
        if len(name) <= limits.LABEL_KEY_LENGTH and len(text) <= limits.LABEL_VALUE_LENGTH and "\0" not in name + text
    ][: limits.LABELS]
    return Description(
        at=at,
        owners=tuple((place, text) for wanted in options.team for place, text in places if place == wanted),
        rule=_first(places, options.rule),
        entity=_first(places, options.entity),
        severity=_first(places, options.severity),
        title=title[0],
        labels=dict(kept),
        cut=title[1] or len(kept) < len(named),
    )


def pattern_of(title: str | None) -> str | None:
    """A title with its numbers masked, so that it names what fires and not one firing.

    >>> pattern_of("DISK 98.5 % on db-7")
    'DISK # % on db-#'
    """
    return None if title is None else _NUMBERS.sub("#", title)[: limits.NAME_LENGTH].strip() or None


def time_of(value: object, received_at: float, form: str = "rfc3339", zone: str = "UTC") -> float | None:
    """Seconds since 1970 of a time that an event may carry; None where it is none."""
    try:
        return check_time(read_time(value, form, zone), received_at)
    except BadTime:
        return None


def _first(places: Places, wanted: Sequence[str]) -> str | None:
    return next((text for name in wanted for place, text in places if place == name), None)
