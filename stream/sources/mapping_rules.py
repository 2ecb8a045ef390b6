"""The mapping file of `/v1/map/NAME`: which part of a body is what, as TOML. See deploy/mappings/."""

import tomllib
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.kinds import AGENT_ENDING, RESERVED, Agent
from stream.sources.expressions import Expression, Path, expressions
from stream.sources.times import EPOCH_MILLISECONDS, EPOCH_SECONDS, RFC3339, zone_of

Text = Annotated[str, Meta(min_length=1, max_length=2_000)]
Texts = Text | Annotated[list[Text], Meta(min_length=1, max_length=limits.LABELS)]
Kind = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Values = str | list[str]
SETTABLE = ("team", "rule", "entity", "severity", "title")


class TimeForm(Struct, frozen=True, forbid_unknown_fields=True):
    """How times are written."""

    format: Text = RFC3339  # or epoch_seconds, epoch_milliseconds, strptime's letters
    zone: Text | None = None  # of times that do not tell theirs; default: the source's option `zone`


class AlertFields(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is what of an alert; each an expression, or a list of which the first that gives something counts."""

    at: Texts  # when it was raised
    id: Texts | None = None  # the firing's own id; or
    identity: Annotated[dict[str, Text], Meta(max_length=limits.LABELS)] = {}  # what tells alerts apart, by name
    team: Texts | None = None
    rule: Texts | None = None
    entity: Texts | None = None
    severity: Texts | None = None
    title: Texts | None = None
    labels: Annotated[dict[str, Text], Meta(max_length=limits.LABELS)] = {}
    labels_from: Text | None = None  # an object, each of whose entries is a label


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a body that looks so means; the first rule that fits decides."""

    do: Literal["raise", "act", "ignore", "refuse"]
    when: dict[Text, Values] = {}  # paths and the values they must have, one or one of a list; "" = not there
    name: Annotated[str, Meta(pattern=r"^[a-z0-9_]+\Z", max_length=64)] = "ignored"  # by which `ignore` is counted
    sentence: Text | None = None  # for people, of `ignore` and `refuse`; a template
    kind: Kind | None = None
    kind_from: Text | None = None  # a path, with
    kinds: dict[str, Kind] = {}  # its values and the kinds they mean; another value is ignored
    at: Texts | None = None  # when it was done; default: the alert's
    agent: Agent | None = None
    actor: Texts | None = None
    reason: Texts | None = None
    action_id: Texts | None = None
    raises: bool = True  # an alert that is not known yet is raised first
    set: dict[Text, Text] = {}  # fields of the alert that are otherwise here


class MappingRules(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a JSON body becomes alerts and acts."""

    source: Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
    alert: AlertFields
    rule: Annotated[list[Rule], Meta(min_length=1, max_length=100)]
    items: Annotated[str, Meta(max_length=2_000)] = ""  # path of the list of alerts; default: the body, a list or one
    json: list[Text] = []  # paths of texts that hold JSON, which is read in place
    missing: list[Text] = []  # texts that stand for no value, beside the source's
    time: TimeForm = TimeForm()


def parse_mapping(text: str, where: str = "mapping") -> MappingRules:
    """The mapping of a TOML text; `where` stands in errors.

    Raises:
        SettingsError: a field is wrong; it is named, with the mend.
    """
    try:
        rules = msgspec.convert(tomllib.loads(text), MappingRules)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{where} is not TOML: {error}; mend the file") from None
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}; mend that key, docs/INTAKE.md lists them all") from None
    if fault := _fault(rules):
        raise SettingsError(f"{where}: {fault}")
    return rules


def _fault(rules: MappingRules) -> str | None:
    if (rules.alert.id is None) == (not rules.alert.identity):
        return "[alert] needs either id or identity, by which an alert is known; give one of them"
    try:
        Path(rules.items)
        for path in rules.json:
            Path(path)
        for key in ("at", "id", *SETTABLE, "labels_from"):
            expressions(getattr(rules.alert, key) or [])
        expressions([*rules.alert.identity.values(), *rules.alert.labels.values()])
    except ValueError as error:
        return f"[alert]: {error}"
    if fault := _time_fault(rules.time):
        return fault
    faults = (_rule_fault(number, rule) for number, rule in enumerate(rules.rule, start=1))
    return next((fault for fault in faults if fault), None)


def _time_fault(form: TimeForm) -> str | None:
    try:
        if form.zone is not None:
            zone_of(form.zone)
    except ValueError as error:
        return f"time.zone = {error}"
    if form.format in (RFC3339, EPOCH_SECONDS, EPOCH_MILLISECONDS):
        return None
    mend = f"use {RFC3339}, {EPOCH_SECONDS}, {EPOCH_MILLISECONDS} or strptime's letters such as %Y-%m-%d"
    try:
        datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(form.format), form.format)  # noqa: DTZ007
    except ValueError:
        return f"time.format = {form.format!r} can't be used; {mend}"
    return None if "%" in form.format else f"time.format = {form.format!r} is not known; {mend}"


def _rule_fault(number: int, rule: Rule) -> str | None:
    where = f"[[rule]] {number}"
    try:
        for path in (*rule.when, *([rule.kind_from] if rule.kind_from else [])):
            Path(path)
        for texts in (rule.at, rule.actor, rule.reason, rule.action_id, list(rule.set.values())):
            expressions(texts or [])
        Expression(rule.sentence or "=")
    except ValueError as error:
        return f"{where}: {error}"
    if rule.do == "act" and (rule.kind is None) == (rule.kind_from is None):
        return f"{where} acts, so it needs either kind or kind_from; give one of them"
    if rule.do == "refuse" and rule.sentence is None:
        return f"{where} refuses, so it needs a sentence that says why; give one"
    for kind in (rule.kind or "", *rule.kinds.values()):
        if kind in RESERVED or AGENT_ENDING.search(kind):
            return f"{where}: kind {kind!r} can't be used, noisegate keeps it for itself; use another, and agent"
    for key in rule.set:
        if key not in SETTABLE:
            return f"{where}: set.{key} can't be set; use {', '.join(SETTABLE)}"
    return None
