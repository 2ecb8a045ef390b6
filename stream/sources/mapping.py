"""Any JSON, read by a mapping file: the source of `/v1/map/NAME`."""

from collections.abc import Mapping
from typing import Any

from stream.core import limits
from stream.sources.body import Body, decode_json, read_lines
from stream.sources.expressions import Expression, Path, expressions
from stream.sources.labels import LabelReader
from stream.sources.mapping_rules import SETTABLE, MappingRules, Rule, Values
from stream.sources.missing import MissingValues
from stream.sources.options import SourceOptions
from stream.sources.parsed import Act, BadRequest, Description, Firing, Named, Parsed, Raise, Refused, Subject, Unusable
from stream.sources.texts import as_json, cut_title, strip_port, text_of
from stream.sources.times import BadTime, check_time, read_time


class MappingReader:
    """Reads bodies by one mapping file.

    Args:
        rules: the mapping.
        options: of the source.
    """

    def __init__(self, rules: MappingRules, options: SourceOptions) -> None:
        self.rules, self.options = rules, options
        self.missing = MissingValues([*options.missing, *rules.missing])
        self.labels = LabelReader(options, self.missing)
        self._json = [Path(path) for path in rules.json]
        alert = rules.alert
        self.fields = {key: expressions(getattr(alert, key) or []) for key in ("at", "id", *SETTABLE)}
        self.identity = {name: Expression(text) for name, text in alert.identity.items()}
        self.label_texts = {name: Expression(text) for name, text in alert.labels.items()}
        self.labels_from = Path(alert.labels_from) if alert.labels_from else None
        self._bound = [_BoundRule(rule) for rule in rules.rule]

    def read(self, body: Body, received_at: float) -> Parsed:
        """What a body says.

        Raises:
            BadRequest: it is not JSON, or the one thing in it can't be used.
        """
        parsed = Parsed([], notes=list(body.notes))
        items, alone = self._split(body)
        for where, item in items:
            field = where
            try:
                self._read_one(parsed, item, body.headers, received_at)
            except Unusable as fault:
                field = ".".join(part for part in (where, fault.where) if part)
                if alone:
                    raise BadRequest(422, field, f"`{field}`: {fault.detail}" if field else fault.detail) from None
                parsed.refused.append(Refused(field, fault.reason, fault.detail, as_json(item)))
        return parsed

    def _split(self, body: Body) -> tuple[list[tuple[str, Any]], bool]:
        """The alerts of a body with their places, and whether the body is one alert."""
        if body.is_lines:
            lines = read_lines(body)
            return [(f"line {number}", decode_json(line, f"line {number}")) for number, line in lines], False
        value = decode_json(body.text, takes_lines=True)
        name = self.rules.items
        if name:
            value = Path(name).find(value)
            if not isinstance(value, list):
                raise BadRequest(
                    422, name, f"there is no list `{name}`, which the mapping reads; mend mapping or sender"
                )
        if not isinstance(value, list):
            return [("", value)], True
        if len(value) > limits.ITEMS:
            raise BadRequest(
                413, name, f"the body has {len(value)} entries, at most {limits.ITEMS} are read; send fewer"
            )
        return [(f"{name}[{number}]", item) for number, item in enumerate(value)], False

    def _read_one(self, parsed: Parsed, item: Any, headers: Mapping[str, str], received_at: float) -> None:
        for path in self._json:
            self._open_json(path, item)
        bound = next((bound for bound in self._bound if bound.fits(item)), None)
        if bound is None:
            raise Unusable("", "no_rule", "no rule of the mapping fits; add one that reads or ignores such a body")
        rule = bound.rule
        sentence = (bound.sentence.read(item, headers) or rule.sentence) if bound.sentence else None
        if rule.do == "refuse":
            raise Unusable("", "refused_by_rule", sentence or "")
        if rule.do == "ignore":
            parsed.ignored.append(rule.name)
            if sentence and len(parsed.notes) < limits.NOTES:
                parsed.notes.append(sentence[: limits.TITLE_LENGTH])
            return
        kind = bound.kind(item)
        if rule.do == "act" and kind is None:
            parsed.ignored.append("unknown_kind")
            return
        found = _Found(self, bound, item, headers, received_at)
        parsed.items.append(found.act(kind) if kind is not None else Raise(found.subject, found.description()))
        if found.left_out and len(parsed.notes) < limits.NOTES:
            parsed.notes.append(found.left_out)

    def _open_json(self, path: Path, item: Any) -> None:
        text = path.find(item)
        if isinstance(text, str):
            try:
                path.put(item, decode_json(text.encode(), path.text))
            except BadRequest:
                return  # a text after all: a field that a rule needs of it is refused by its name


class _BoundRule:
    """A rule with its expressions read."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._when = [(Path(path), _wanted(values)) for path, values in rule.when.items()]
        self._kind_from = Path(rule.kind_from) if rule.kind_from else None
        self.sentence = (
            Expression("=" + rule.sentence if "{" not in rule.sentence else rule.sentence) if rule.sentence else None
        )
        self.at, self.actor = expressions(rule.at or []), expressions(rule.actor or [])
        self.reason, self.action_id = expressions(rule.reason or []), expressions(rule.action_id or [])
        self.set = {key: expressions(text) for key, text in rule.set.items()}

    def fits(self, item: Any) -> bool:
        """Whether the body looks as the rule says."""
        return all((text_of(path.find(item)) or "") in wanted for path, wanted in self._when)

    def kind(self, item: Any) -> str | None:
        """The kind of act; None where the rule raises or the value is none that it knows."""
        if self._kind_from is None:
            return self.rule.kind
        return self.rule.kinds.get(text_of(self._kind_from.find(item)) or "")


class _Found:
    """What one item of a body says by one rule."""

    def __init__(
        self, reader: MappingReader, bound: _BoundRule, item: Any, headers: Mapping[str, str], received_at: float
    ) -> None:
        self._reader, self._bound, self._item, self._headers = reader, bound, item, headers
        self._received_at = received_at
        self.left_out = ""
        self._raised_at = (
            self._time(reader.fields["at"], "at") if bound.rule.do == "raise" or bound.rule.raises else None
        )
        self._acted_at = self._time(bound.at or reader.fields["at"], "at") if bound.rule.do == "act" else None
        self.subject = self._subject()

    def act(self, kind: str) -> Act:
        """The act that it tells of."""
        rule = self._bound.rule
        assert self._acted_at is not None
        at = self._acted_at if self._raised_at is None else max(self._acted_at, self._raised_at)
        reason = self._first(self._bound.reason, 0)
        return Act(
            subject=self.subject,
            at=at,
            kind=kind,
            agent=rule.agent,
            agent_why=f"the mapping's rule for {kind}" if rule.agent else "",
            actor=self._first(self._bound.actor),
            action_id=self._first(self._bound.action_id, limits.ID_LENGTH),
            reason=reason.replace("\0", " ")[: limits.REASON_LENGTH] if reason else None,
            alert=self.description() if rule.raises else None,
        )

    def description(self) -> Description:
        """What it says of the alert."""
        reader, fields = self._reader, {**self._reader.fields, **self._bound.set}
        labels = reader.labels.read(self._label_values())
        self.left_out = labels.left_out
        title, cut = cut_title(self._first(fields["title"], 0))
        entity = self._first(fields["entity"])
        owners = ((one.text, one.read(self._item, self._headers)) for one in fields["team"])
        assert self._raised_at is not None
        return Description(
            at=self._raised_at,
            owners=tuple((place, text) for place, text in owners if text is not None),
            rule=self._first(fields["rule"]),
            entity=strip_port(entity) if entity is not None and reader.options.strip_port else entity,
            severity=self._first(fields["severity"]),
            title=title,
            labels=labels.kept,
            cut=cut or bool(labels.left_out),
        )

    def _subject(self) -> Subject:
        reader = self._reader
        if reader.identity:
            texts = {name: one.read(self._item, self._headers) for name, one in reader.identity.items()}
            labels = {name: text for name, text in texts.items() if text and not reader.missing.holds(text)}
            if not labels:
                raise Unusable(self._names(reader.identity.values()), "no_identity", "nothing names the alert; send it")
            start = self._raised_at if self._raised_at is not None else self._acted_at
            assert start is not None
            return Firing(labels, start)
        found = self._first(reader.fields["id"], limits.ID_LENGTH)
        if found is None:
            names = self._names(reader.fields["id"])
            raise Unusable(
                names, "bad_field", f"the id is not there, or no text of at most {limits.ID_LENGTH} characters"
            )
        return Named(found)

    def _label_values(self) -> dict[str, Any]:
        reader = self._reader
        below = reader.labels_from.find(self._item) if reader.labels_from else None
        values = dict(below) if isinstance(below, dict) else {}
        values.update({name: one.read(self._item, self._headers) for name, one in reader.label_texts.items()})
        return {
            name: value
            for name, value in values.items()
            if not (isinstance(value, str) and reader.missing.holds(value))
        }

    def _time(self, texts: list[Expression], name: str) -> float:
        form = self._reader.rules.time
        zone = form.zone or self._reader.options.zone
        text = self._first(texts, 0)
        if text is None:
            raise Unusable(self._names(texts), "bad_time", f"it is not there, and `{name}` is needed")
        try:
            return check_time(read_time(text, form.format, zone), self._received_at)
        except BadTime as error:
            raise Unusable(self._names(texts), error.reason, str(error)) from None

    def _first(self, texts: list[Expression], longest: int = limits.NAME_LENGTH) -> str | None:
        usable = self._reader.labels.usable
        return next((text for one in texts if (text := usable(one.read(self._item, self._headers), longest))), None)

    @staticmethod
    def _names(texts: Any) -> str:
        return " or ".join(one.text for one in texts)[:200]


def _wanted(values: Values) -> frozenset[str]:
    return frozenset([values] if isinstance(values, str) else values)
