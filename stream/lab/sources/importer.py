"""A table into an event log: rows to events, sorted by time, written in one piece or not at all."""

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from sys import intern
from time import time
from typing import IO

from stream.core import limits
from stream.core.errors import LogError
from stream.core.events import Acted, Raised, encode_event, seconds
from stream.eventlog import log_file
from stream.lab.sources.binding import ActionCells, Cells, action_id, bind_actions, check_order, understood
from stream.lab.sources.findings import drop_mend, findings, lost_times, sniffed_findings
from stream.lab.sources.mapping import Mapping
from stream.lab.sources.summary import Drop, Finding, Profile, Summary, shown
from stream.lab.sources.table import Row, Table
from stream.lab.sources.time_formats import Sniffed, format_mend, sniff_formats
from stream.lab.sources.times import EPOCHS
from stream.progress import Progress, no_progress

_LINES = 2_000  # written at once
_SAMPLE = 50_000  # different times whose formats are looked for
_AHEAD_SECONDS = 86_400.0  # a clock or a zone may be wrong by less than a day
_NEVER = frozenset(("0", "0.0", "0000-00-00 00:00:00", "0001-01-01T00:00:00Z"))  # of an action: it did not happen
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2}|^[\d.]+)$")


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


def import_table(
    table: Table,
    mapping: Mapping,
    output: Path,
    progress: Progress = no_progress,
    *,
    accept: bool = False,
    now: float | None = None,
    mend: str | None = None,
) -> Summary:
    """Turn the table into the event log `output`, .jsonl or .jsonl.gz; all its events are held in memory at once.

    Args:
        table: what is read.
        mapping: which column is what.
        output: the log.
        progress: called now and then with the share that is done.
        accept: write a log that is worthless by a finding too.
        now: seconds since 1970; what is more than a day later is in the future. None asks the clock.
        mend: what helps where a column of the mapping is missing.

    Raises:
        LogError: a column is missing, the table can't be read, no row made an event, or the log can't be written.
    """
    if not output.name.endswith((".jsonl", ".jsonl.gz")):
        raise LogError(f"{output}: does not end in .jsonl or .jsonl.gz", "rename the output")
    summary, made = Summary(), _Made()
    sniffed = None if mapping.time.formats else sniff_formats(_times(table, mapping, mend))
    formats = _formats(table, mapping, sniffed)
    latest = min((time() if now is None else now) + _AHEAD_SECONDS, limits.CEILING_SECONDS)
    run = _Run(Cells(mapping, table, formats, latest, mend), made, Profile(understood(mapping)), summary, progress)
    (run.alerts if mapping.form == "alert" else run.updates)(table)
    summary.alerts, summary.actions = len(made.raised), len(made.acted)
    times = _times(table, mapping, mend) if any(lost_times(summary)) else list(run.cells.times)
    if not summary.alerts:
        raise _nothing(table, summary, formats, times)
    summary.read_as = [*table.read_as, *_read_as(run.cells, formats, sniffed is not None, times)]
    found = findings(summary, run.profile, formats, times, _columns(mapping))
    summary.findings = [*sniffed_findings(sniffed), *_mojibake(table), *found]
    if accept or not summary.worthless:
        write_lines(made.lines(), output, progress)
        summary.written = True
    return summary


class _Run:
    """One pass over a table's rows: events are made, and what becomes of each row is counted."""

    def __init__(self, cells: Cells, made: _Made, profile: Profile, summary: Summary, progress: Progress) -> None:
        self.cells, self.made, self.profile = cells, made, profile
        self._summary, self._progress = summary, progress
        self._actions = bind_actions(cells)
        self._values = {rule.kind_column: rule.value for rule in self._actions if rule.kind_column in profile.values}

    def alerts(self, table: Table) -> None:
        """Rows of the form `alert`."""
        cells, summary, seen = self.cells, self._summary, set[tuple[str, str]]()
        moments = [
            [rule for rule in self._actions if rule.at_name == at]
            for at in dict.fromkeys(rule.at_name for rule in self._actions)
        ]
        for number, row in table.rows(cells.used, summary, self._progress):
            try:
                alert_id, at = cells.alert_id(row), cells.at(row)
                alert = cells.raised(row, alert_id, cells.time("at", at))
                key = (alert.team, alert.alert_id)
                if key in seen:
                    raise Drop("duplicate")
                self._raise(alert, at or "", number)
                seen.add(key)
            except Drop as drop:
                summary.drop_row(drop, number)
                continue
            for order, rules in enumerate(moments, start=1):
                try:
                    self._act(alert, order, rules, row, number)
                except Drop as drop:
                    summary.drop_action(drop, number)

    def updates(self, table: Table) -> None:
        """Rows of the form `update`; exports come in any order, and rows of one time keep theirs."""
        cells, columns = self.cells, self.cells.mapping.columns
        raised_at = None
        if columns.raised_at is not None and cells.has(columns.raised_at):
            raised_at = cells.take("columns.raised_at", columns.raised_at, limits.NAME_LENGTH)
        if columns.update_id is not None and cells.has(columns.update_id):
            cells.cell(columns.update_id, "columns.update_id")  # makes rows differ
        rows: list[tuple[float, int, Row]] = []
        for number, row in table.rows(cells.used, self._summary, self._progress):
            try:
                rows.append((seconds(cells.time("at", cells.at(row))), number, tuple(map(intern, row))))
            except Drop as drop:
                self._summary.drop_row(drop, number)
        rows.sort(key=lambda kept: kept[0])
        known: dict[str, _Open] = {}
        for _, number, row in rows:
            try:
                alert_id = cells.alert_id(row)
                there = known.get(alert_id or "")
                if there is None:
                    name, text = ("raised_at", raised_at(row)) if raised_at else ("at", cells.at(row))
                    alert = cells.raised(row, alert_id, cells.time(name, text))
                    self._raise(alert, text or "", number)
                    known[alert.alert_id] = _Open(alert, row)
                else:
                    self._update(there, row, number)
            except Drop as drop:
                self._summary.drop_row(drop, number)

    def _raise(self, alert: Raised, at: str, number: int) -> None:
        self.made.add(alert)
        self.profile.add_alert(alert, at, number)

    def _act(self, alert: Raised, order: int, rules: list[ActionCells], row: Row, number: int) -> None:
        """The action of one time column: its first rule that fits."""
        acted_at = rules[0].at(row) if rules[0].at else None
        if acted_at is None or acted_at in _NEVER:
            return  # it did not happen
        for rule in rules:
            if rule.kind_column in self._values and rule.value is not None:
                self.profile.add_value(rule.kind_column or "", rule.value(row), number)
        for action in rules:
            kind = action.kind(row)
            if kind is not None:
                break
        else:
            raise Drop("no_kind", rules[0].value(row) or "" if rules[0].value else None)
        at, (actor, agent) = self.cells.time(action.at_name, acted_at), action.who(row)
        name, who = action_id(alert, order), self.cells.pseudonym(actor)
        acted = check_order(alert, Acted(at, alert.alert_id, alert.team, name, kind, who, agent))
        self.made.add(acted)
        self.profile.add_action(acted, alert.at, actor)

    def _update(self, there: "_Open", row: Row, number: int) -> None:
        before, there.before = there.before, row
        if row == before:
            raise Drop("duplicate")
        alert, cells = there.alert, self.cells
        for column, value in self._values.items():
            if value is not None:
                self.profile.add_value(column, value(row), number)
        for action in self._actions:
            kind = action.kind(row, before)
            if kind is not None:
                at, (actor, agent) = cells.time("at", cells.at(row)), action.who(row)
                name, who = action_id(alert, there.actions + 1), cells.pseudonym(actor)
                acted = check_order(alert, Acted(at, alert.alert_id, alert.team, name, kind, who, agent))
                self.made.add(acted)
                self.profile.add_action(acted, alert.at, actor)
                there.actions += 1
                return
        raise Drop("no_kind")


class _Open:
    """An alert whose updates are coming."""

    __slots__ = ("actions", "alert", "before")

    def __init__(self, alert: Raised, before: Row) -> None:
        self.alert, self.before, self.actions = alert, before, 0


def _formats(table: Table, mapping: Mapping, sniffed: Sniffed | None) -> Sequence[str]:
    formats = mapping.time.formats if sniffed is None else sniffed.formats or ["rfc3339"]
    if table.is_workbook and "rfc3339" not in formats:
        return [*formats, "rfc3339"]  # as dates that are no text are written
    return formats


def _times(table: Table, mapping: Mapping, mend: str | None) -> list[str]:
    """The different times of a table, as it writes them."""
    cells, columns = Cells(mapping, table, mend=mend), mapping.columns
    named = [columns.at, columns.raised_at, *(rule.at for rule in mapping.action)]
    names = [column for column in dict.fromkeys(named) if column is not None and cells.has(column)]
    takes = [cells.take("at", column, limits.NAME_LENGTH) for column in names]
    found: dict[str, None] = {}
    for _, row in table.rows(cells.used, Summary(), no_progress):
        for take in takes:
            try:
                value = take(row)
            except Drop:
                continue
            if value is not None and value not in _NEVER and len(found) < _SAMPLE:
                found[value] = None
    return list(found)


def _columns(mapping: Mapping) -> dict[str, str]:
    """The columns behind the names that reasons have."""
    columns = mapping.columns
    return {"at": columns.at, "raised_at": columns.raised_at or columns.at}


def _read_as(cells: Cells, formats: Sequence[str], was_found: bool, times: Sequence[str]) -> list[str]:
    """How columns and times were read, where that was found and not given, in words."""
    words = [
        f"{column!r} stands there {count} times, the first with a value counts"
        for column, count in cells.repeated.items()
    ]
    if was_found:
        words.append(f"times as {' and '.join(formats)}")
    numbers = all(form in EPOCHS for form in formats)
    if not numbers and any(_OFFSET.search(text) is None for text in times):
        words.append(f"times without an offset as {cells.mapping.time.zone}")
    return words


def _mojibake(table: Table) -> Iterator[Finding]:
    word = table.mojibake()
    if word is not None:
        wrong = word.encode().decode(table.encoding, "replace")
        text = f"The table is UTF-8 but was read as {table.encoding}: {shown(word)} became {shown(wrong)}"
        yield Finding("encoding", f"{text}; leave out the encoding.")


def _nothing(table: Table, summary: Summary, formats: Sequence[str], times: Sequence[str]) -> LogError:
    problem = f"{table.path}: none of its {summary.rows} rows became an event"
    if not summary.dropped_rows:
        return LogError(problem, "export it with its rows")
    reason, dropped = max(summary.dropped_rows.items(), key=lambda pair: pair[1].count)
    value = "" if dropped.first_value is None else f": {shown(dropped.first_value)}"
    problem += f" ({reason}: {dropped.count}, the first in row {dropped.first_row}{value})"
    mend = format_mend(formats, times) if times else ""
    if not mend and reason.startswith("unreadable_"):
        mend = "give --time-format in strptime's letters, such as '%d.%m.%Y %H:%M'"
    return LogError(problem, mend or drop_mend(reason) or "check which column is which in the mapping")


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
