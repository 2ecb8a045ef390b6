"""A mapping bound to a table: what takes each value out of a row."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from stream.core import limits
from stream.core.errors import BadRecord
from stream.core.events import Acted, Raised, check_time, seconds
from stream.core.kinds import AGENT_ENDING, Agent
from stream.lab.sources.mapping import ActionRule, Mapping, folded
from stream.lab.sources.summary import Drop
from stream.lab.sources.table import Row, Table
from stream.lab.sources.times import time_reader

Take = Callable[[Row], str | None]
Cell = Callable[[Row], str]
_FLOOR, _CEILING = limits.FLOOR_SECONDS, limits.CEILING_SECONDS
PSEUDONYM = 10  # hex digits
_TIMES = 20_000  # times that are kept as the table has them


class Cells:
    """Where the mapping's columns stand, and how their cells are read.

    Args:
        mapping: the mapping.
        table: the table.
        formats: those of times; none takes the mapping's.
        latest: when a time lies in the future, seconds since 1970.
        mend: what helps where a column is missing.
    """

    def __init__(
        self,
        mapping: Mapping,
        table: Table,
        formats: Sequence[str] = (),
        latest: float = _CEILING,
        mend: str | None = None,
    ) -> None:
        self.mapping = mapping
        self.used: list[int] = []  # columns of the table, in the order of the rows given to what `take` made
        self.repeated: dict[str, int] = {}  # columns that share a name, and how many do
        self.times: dict[str, None] = {}  # times as the table has them, some thousand
        self._table, self._mend, self._latest = table, mend, latest
        self._missing = frozenset(mapping.missing) | {""}
        self._optional = frozenset(map(folded, mapping.optional))
        self._read = time_reader(formats or mapping.time.formats or "rfc3339", mapping.time.zone)
        self._pseudonyms: dict[str, str] = {}
        self._automation = [pattern.casefold() for pattern in mapping.automation]
        self._agents: dict[str, Agent] = {}
        columns = mapping.columns
        self.alert_id = self.take("columns.alert_id", columns.alert_id, limits.ID_LENGTH)
        self.at = self.take("columns.at", columns.at, limits.NAME_LENGTH)
        self.texts = {name: self._text(name) for name in ("team", "rule", "entity", "severity", "source", "title")}
        self.labels = [
            (key, self.take(f"columns.labels.{key}", column, limits.LABEL_VALUE_LENGTH))
            for key, column in columns.labels.items()
            if self.has(column)
        ]

    def has(self, column: str) -> bool:
        """Whether the table has the column, or may not lack it: then reading it raises the error."""
        return folded(column) not in self._optional or bool(self._table.places([column, *self._others(column)]))

    def cell(self, column: str, key: str) -> Cell:
        """What gives the column's cell, stripped; of columns that share the name, the first with a value.

        Raises:
            LogError: the table has no such column.
        """
        found = self._table.find(column, f"{key} of the mapping", self._others(column), self._mend)
        if len(found) > 1:
            self.repeated[column] = len(found)
        for index in found:
            if index not in self.used:
                self.used.append(index)
        places = [self.used.index(index) for index in found]
        first = places[0]
        if len(places) == 1:
            return lambda row: row[first].strip()
        return lambda row: next((value for place in places if (value := row[place].strip()) not in self._missing), "")

    def take(self, key: str, columns: str | list[str], limit: int, default: str | None = None) -> Take:
        """What takes the value of these columns, joined by `/`; the default where none of them has one."""
        name, missing = key.removeprefix("columns."), self._missing
        cells = [
            self.cell(column, key)
            for column in ([columns] if isinstance(columns, str) else columns)
            if self.has(column)
        ]
        if not cells:
            return lambda _: default
        first = cells[0]

        def one(row: Row) -> str | None:
            value = first(row)
            return default if value in missing else _held(name, value, limit)

        def joined(row: Row) -> str | None:
            parts = [value for cell in cells if (value := cell(row)) not in missing]
            return _held(name, "/".join(parts), limit) if parts else default

        return one if len(cells) == 1 else joined

    def time(self, name: str, value: str | None) -> datetime:
        """The moment a cell tells; Drop if it tells none."""
        if value is None:
            raise Drop(f"missing_{name}")
        if len(self.times) < _TIMES:
            self.times[value] = None
        try:
            at = self._read(value)
        except ValueError:
            raise Drop(f"unreadable_{name}", value) from None
        if not _FLOOR <= (moment := seconds(at)) <= _CEILING:
            try:
                check_time(moment, moment)
            except BadRecord as error:
                raise Drop(f"{name}_{error.reason}", value) from None
        if moment > self._latest:
            raise Drop(f"{name}_in_future", value)
        return at

    def raised(self, row: Row, alert_id: str | None, at: datetime) -> Raised:
        """The alert of a row; Drop if something needed is missing or over its limit."""
        got = {name: take(row) for name, take in self.texts.items()}
        return Raised(
            at=at,
            alert_id=_needed("alert_id", alert_id),
            team=_needed("team", got["team"]),
            rule=_needed("rule", got["rule"]),
            entity=_needed("entity", got["entity"]),
            severity=got["severity"],
            source=got["source"],
            title=got["title"],
            labels={key: value for key, take in self.labels if (value := take(row)) is not None},
        )

    def pseudonym(self, value: str | None) -> str | None:
        """Who did it, so that they can be told apart but not named."""
        if value is None:
            return None
        known = self._pseudonyms.get(value)
        if known is None:
            known = hashlib.sha256((self.mapping.salt + value).encode("utf-8", "replace")).hexdigest()[:PSEUDONYM]
            self._pseudonyms[value] = known
        return known

    def agent(self, actor: str | None) -> Agent | None:
        """Whether an actor is automation or a person; None for nobody, or where the mapping names no automation."""
        if actor is None or not self._automation:
            return None
        known = self._agents.get(actor)
        if known is None:
            name = actor.casefold()
            named = any(fnmatchcase(name, pattern) for pattern in self._automation)
            known = self._agents[actor] = "automation" if named else "person"
        return known

    def _others(self, column: str) -> list[str]:
        return self.mapping.names.get(column, [])

    def _text(self, name: str) -> Take:
        columns, default = getattr(self.mapping.columns, name), getattr(self.mapping.defaults, name)
        if columns is None:
            return lambda _: default
        limit = limits.TITLE_LENGTH if name == "title" else limits.NAME_LENGTH
        return self.take(f"columns.{name}", columns, limit, default)


class ActionCells:
    """One [[action]] bound to a table."""

    def __init__(self, number: int, rule: ActionRule, cells: Cells) -> None:
        where = f"[[action]] {number}: "
        self.at_name = rule.at or ""
        self.at = self._take(cells, f"{where}at", rule.at)
        actor = rule.actor or cells.mapping.columns.actor
        self.actor = self._take(cells, f"{where}actor" if rule.actor else "columns.actor", actor)
        self.kind_column = rule.kind_column
        self._kind, self._kinds = rule.kind, rule.kinds
        self._agent, self._agent_of = rule.agent, cells.agent
        self.value = self._take(cells, f"{where}kind_column", rule.kind_column)
        self._changed = None if rule.changed is None else cells.cell(rule.changed, f"{where}changed")
        self._when = [(cells.cell(column, f"{where}when"), value) for column, value in rule.when.items()]

    def kind(self, row: Row, before: Row | None = None) -> str | None:
        """The kind of action, or None if this rule does not fit; Drop if no kind may be called so."""
        if self._changed is not None and (before is None or self._changed(row) == self._changed(before)):
            return None
        for cell, value in self._when:
            if cell(row) != value:
                return None
        if self.value is None:
            return self._kind
        value_of = self.value(row)
        if self._kinds:
            return self._kinds.get(value_of or "")
        if value_of is not None and AGENT_ENDING.search(value_of):
            raise Drop("kind_ends_in_agent", value_of)
        return value_of

    def who(self, row: Row) -> tuple[str | None, Agent | None]:
        """The actor as the table names them, and which agent that is."""
        actor = self.actor(row) if self.actor else None
        return actor, self._agent or self._agent_of(actor)

    @staticmethod
    def _take(cells: Cells, key: str, column: str | None) -> Take | None:
        return None if column is None or not cells.has(column) else cells.take(key, column, limits.NAME_LENGTH)


def bind_actions(cells: Cells) -> list[ActionCells]:
    """All [[action]] parts of the mapping but those that need an optional column which the table lacks."""
    rules = enumerate(cells.mapping.action, start=1)
    return [
        ActionCells(number, rule, cells)
        for number, rule in rules
        if all(map(cells.has, filter(None, (rule.at, rule.kind_column, rule.changed, *rule.when))))
    ]


def understood(mapping: Mapping) -> dict[str, frozenset[str]]:
    """For each column of kinds, the values that the mapping names; only where it names some."""
    found: dict[str, set[str]] = {}
    for rule in mapping.action:
        if rule.kind_column is not None and (rule.kinds or rule.known):
            found.setdefault(rule.kind_column, set()).update(rule.kinds, rule.known)
    return {column: frozenset(values) for column, values in found.items()}


def action_id(alert: Raised, number: int) -> str:
    """The alert's id and the action's number; Drop if that is too long."""
    name = f"{alert.alert_id}-{number:03}"
    if len(name) > limits.ID_LENGTH:
        raise Drop("action_id_too_long")
    return name


def check_order(alert: Raised, action: Acted) -> Acted:
    """The action; Drop if it is before its alert."""
    if action.at < alert.at:
        raise Drop("before_its_raise", f"{action.at:%Y-%m-%d %H:%M} UTC, raised {alert.at:%Y-%m-%d %H:%M}")
    return action


def _held(name: str, value: str, limit: int) -> str:
    if len(value) > limit:
        raise Drop(f"{name}_too_long", value)
    if "\x00" in value:
        raise Drop(f"{name}_nul", value)
    return value


def _needed(name: str, value: str | None) -> str:
    if value is None:
        raise Drop(f"missing_{name}")
    return value
