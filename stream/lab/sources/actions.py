"""The [[action]] parts of a mapping, bound to a table: which kind of action a row tells of."""

from stream.core import limits
from stream.core.events import Acted, Raised
from stream.core.kinds import AGENT_ENDING, Agent
from stream.lab.sources.cells import Cells, Take
from stream.lab.sources.mapping import ActionRule
from stream.lab.sources.summary import Drop
from stream.lab.sources.table import Row


class ActionCells:
    """One [[action]] bound to a table."""

    def __init__(self, number: int, rule: ActionRule, cells: Cells) -> None:
        where = f"[[action]] {number}: "
        self.at_name = rule.at or ""
        self.at = self._take(cells, f"{where}at", rule.at)
        actor = rule.actor or cells.mapping.columns.actor
        self.actor = self._take(cells, f"{where}actor" if rule.actor else "columns.actor", actor)
        self._kind, self._kinds = rule.kind, rule.kinds
        self._agent, self._agent_of = rule.agent, cells.agent
        self._column = self._take(cells, f"{where}kind_column", rule.kind_column)
        self._changed = None if rule.changed is None else cells.place(rule.changed, f"{where}changed")
        self._when = [(cells.place(column, f"{where}when"), value) for column, value in rule.when.items()]

    def kind(self, row: Row, before: Row | None = None) -> str | None:
        """The kind of action, or None if this rule does not fit; Drop if no kind may be called so."""
        if self._changed is not None and (before is None or row[self._changed] == before[self._changed]):
            return None
        for place, value in self._when:
            if row[place].strip() != value:
                return None
        if self._column is None:
            return self._kind
        value_of = self._column(row)
        if self._kinds:
            return self._kinds.get(value_of or "")
        if value_of is not None and AGENT_ENDING.search(value_of):
            raise Drop("kind_ends_in_agent")
        return value_of

    def who(self, row: Row) -> tuple[str | None, Agent | None]:
        """The actor as the table names them, and which agent that is."""
        actor = self.actor(row) if self.actor else None
        return actor, self._agent or self._agent_of(actor)

    @staticmethod
    def _take(cells: Cells, key: str, column: str | None) -> Take | None:
        return None if column is None else cells.take(key, column, limits.NAME_LENGTH)


def bind(cells: Cells) -> list[ActionCells]:
    """All [[action]] parts of the mapping."""
    return [ActionCells(number, rule, cells) for number, rule in enumerate(cells.mapping.action, start=1)]


def action_id(alert: Raised, number: int) -> str:
    """The alert's id and the action's number; Drop if that is too long."""
    name = f"{alert.alert_id}-{number:03}"
    if len(name) > limits.ID_LENGTH:
        raise Drop("action_id_too_long")
    return name


def check_order(alert: Raised, action: Acted) -> Acted:
    """The action; Drop if it is before its alert."""
    if action.at < alert.at:
        raise Drop("before_its_raise")
    return action
