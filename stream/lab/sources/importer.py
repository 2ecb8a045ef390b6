"""A table into an event log: rows to events, sorted by time, written in one piece or not at all."""

import gzip
from pathlib import Path
from sys import intern
from typing import IO

from stream.core import limits
from stream.core.errors import LogError
from stream.core.events import Acted, Raised, encode_event, seconds
from stream.eventlog import log_file
from stream.lab.sources.binding import ActionCells, Cells, action_id, bind_actions, check_order
from stream.lab.sources.mapping import Mapping
from stream.lab.sources.table import Drop, Row, Summary, Table
from stream.progress import Progress, no_progress

_LINES = 2_000  # written at once


class _Made:
    """Events as lines, kept apart so that at one time all raises come before all actions."""

    def __init__(self) -> None:
        self.raised: list[tuple[float, bytes]] = []
        self.acted: list[tuple[float, bytes]] = []

    def add(self, event: Raised | Acted) -> None:
        """Keep an event; Drop if its line is over the limit."""
        try:
            line = encode_event(event)
        except UnicodeEncodeError:
            raise Drop("not_unicode") from None
        if len(line) > limits.EVENT_BYTES:
            raise Drop("too_large")
        (self.raised if type(event) is Raised else self.acted).append((seconds(event.at), line))

    def lines(self) -> list[tuple[float, bytes]]:
        """All, by time."""
        both = self.raised + self.acted
        both.sort(key=lambda pair: pair[0])
        return both


def import_table(table: Table, mapping: Mapping, output: Path, progress: Progress = no_progress) -> Summary:
    """Turn the table into the event log `output`, .jsonl or .jsonl.gz; all its events are held in memory at once.

    Raises:
        LogError: a column is missing, the table can't be read, no row made an event, or the log can't be written.
    """
    if not output.name.endswith((".jsonl", ".jsonl.gz")):
        raise LogError(f"{output}: does not end in .jsonl or .jsonl.gz", "rename the output")
    cells, made, summary = Cells(mapping, table), _Made(), Summary()
    actions = bind_actions(cells)
    if mapping.form == "alert":
        _alerts(table, cells, actions, made, summary, progress)
    else:
        _updates(table, cells, actions, made, summary, progress)
    summary.alerts, summary.actions = len(made.raised), len(made.acted)
    if not summary.alerts:
        raise LogError(
            f"{table.path}: none of its {summary.rows} rows became an event{_most(summary)}", "correct the mapping"
        )
    write_lines(made.lines(), output, progress)
    return summary


def _alerts(
    table: Table, cells: Cells, actions: list[ActionCells], made: _Made, summary: Summary, progress: Progress
) -> None:
    seen: set[tuple[str, str]] = set()
    moments = [
        [rule for rule in actions if rule.at_name == at] for at in dict.fromkeys(rule.at_name for rule in actions)
    ]
    for number, row in table.rows(cells.used, summary, progress):
        try:
            alert_id = cells.alert_id(row)
            alert = cells.raised(row, alert_id, cells.time("at", cells.at(row)))
            key = (alert.team, alert.alert_id)
            if key in seen:
                raise Drop("duplicate")
            made.add(alert)
            seen.add(key)
        except Drop as drop:
            summary.drop_row(drop.reason, number)
            continue
        for order, rules in enumerate(moments, start=1):
            try:
                _act(alert, order, rules, row, cells, made)
            except Drop as drop:
                summary.drop_action(drop.reason, number)


def _act(alert: Raised, order: int, rules: list[ActionCells], row: Row, cells: Cells, made: _Made) -> None:
    """The action of one time column: its first rule that fits."""
    acted_at = rules[0].at(row) if rules[0].at else None
    if acted_at is None:
        return  # it did not happen
    for action in rules:
        kind = action.kind(row)
        if kind is not None:
            break
    else:
        raise Drop("no_kind")
    at, (actor, agent) = cells.time(action.at_name, acted_at), action.who(row)
    name, who = action_id(alert, order), cells.pseudonym(actor)
    made.add(check_order(alert, Acted(at, alert.alert_id, alert.team, name, kind, who, agent)))


class _Open:
    """An alert whose updates are coming."""

    __slots__ = ("actions", "alert", "before")

    def __init__(self, alert: Raised, before: Row) -> None:
        self.alert, self.before, self.actions = alert, before, 0


def _updates(
    table: Table, cells: Cells, actions: list[ActionCells], made: _Made, summary: Summary, progress: Progress
) -> None:
    columns = cells.mapping.columns
    raised_at = columns.raised_at and cells.take("columns.raised_at", columns.raised_at, limits.NAME_LENGTH)
    if columns.update_id is not None:
        cells.place(columns.update_id, "columns.update_id")  # makes rows differ
    rows: list[tuple[float, int, Row]] = []
    for number, row in table.rows(cells.used, summary, progress):
        try:
            rows.append((seconds(cells.time("at", cells.at(row))), number, tuple(map(intern, row))))
        except Drop as drop:
            summary.drop_row(drop.reason, number)
    rows.sort(key=lambda kept: kept[0])  # exports come in any order; rows of one time keep theirs
    known: dict[str, _Open] = {}
    for _, number, row in rows:
        try:
            alert_id = cells.alert_id(row)
            there = known.get(alert_id or "")
            if there is None:
                at = cells.time("raised_at", raised_at(row)) if raised_at else cells.time("at", cells.at(row))
                alert = cells.raised(row, alert_id, at)
                made.add(alert)
                known[alert.alert_id] = _Open(alert, row)
            else:
                _update(there, row, actions, cells, made)
        except Drop as drop:
            summary.drop_row(drop.reason, number)


def _update(there: _Open, row: Row, actions: list[ActionCells], cells: Cells, made: _Made) -> None:
    before, there.before = there.before, row
    if row == before:
        raise Drop("duplicate")
    alert = there.alert
    for action in actions:
        kind = action.kind(row, before)
        if kind is not None:
            at, (actor, agent) = cells.time("at", cells.at(row)), action.who(row)
            name, who = action_id(alert, there.actions + 1), cells.pseudonym(actor)
            made.add(check_order(alert, Acted(at, alert.alert_id, alert.team, name, kind, who, agent)))
            there.actions += 1
            return
    raise Drop("no_kind")


def _most(summary: Summary) -> str:
    if not summary.dropped_rows:
        return ""
    reason, dropped = max(summary.dropped_rows.items(), key=lambda pair: pair[1].count)
    return f" ({reason}: {dropped.count}, the first in row {dropped.first_row})"


def write_lines(lines: list[tuple[float, bytes]], output: Path, progress: Progress = no_progress) -> None:
    """Write the lines beside `output`, then rename them to it.

    Raises:
        LogError: they can't be written.
    """
    with log_file(output) as file:
        _write(lines, file, progress)
    progress("writing", 1.0)


def _write(lines: list[tuple[float, bytes]], file: "IO[bytes] | gzip.GzipFile", progress: Progress) -> None:
    for begin in range(0, len(lines), _LINES):
        file.write(b"".join(line + b"\n" for _, line in lines[begin : begin + _LINES]))
        progress("writing", begin / len(lines))
