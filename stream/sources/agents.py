"""Who did it: the stated table by which every source's acts become kinds done by a person or by automation.

(source, event, by) --the first line of agents.toml that fits--> kind, agent, and which line it was
"""

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.errors import SettingsError
from stream.core.kinds import AGENT_ENDING, RESERVED, Agent

SHIPPED = Path(__file__).with_name("agents.toml")
RAISED, IGNORED = "raised", "ignored"  # of a line: the alert is raised; nothing happens
SAME_TABLE = {"jsm": "opsgenie"}  # sources of one form
NOBODY, USER, MACHINE = "none", "user", "machine"  # of `by`, in every source; what else there is each source names

Text = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Patterns = Annotated[tuple[Text, ...], Meta(max_length=limits.PATTERNS)]


class Line(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of a source's table: which events it is about, and what they are.

    Attributes:
        event: patterns of the source's own name of what happened, of which one fits; case does not count.
        by: patterns of what did it: `user`, `machine`, `none`, or a word of the source's.
        kind: the kind of action; `raised` raises the alert, `ignored` is nothing.
        agent: who that is; None: the source does not say.
    """

    event: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=limits.PATTERNS)]
    by: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=limits.PATTERNS)] = ("*",)
    kind: Text
    agent: Agent | None = None

    def fits(self, event: str, by: str) -> bool:
        """Whether the line is about this event, done by this."""
        return _fits(event, self.event) and _fits(by, self.by)


class SourceAgents(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table of one source.

    Attributes:
        accounts: patterns of accounts that are no people, by id, name or address; case does not count.
        worked_minutes: a person resolves or closes what a person acknowledged so long before: then it was worked on.
            0 = that is never concluded.
        lines: the first that fits decides.
    """

    accounts: Patterns = ()
    worked_minutes: Annotated[float, Meta(ge=0, le=limits.HORIZON_HOURS * 60)] = 0.0
    lines: Annotated[tuple[Line, ...], Meta(max_length=limits.PATTERNS)]


class Decided(Struct, frozen=True):
    """What the table says of one event.

    Attributes:
        kind: the kind of action, `raised` or `ignored`.
        agent: who did it.
        why: the line that decided, for people.
    """

    kind: str
    agent: Agent | None
    why: str


class AgentTable:
    """The tables of all sources.

    Args:
        sources: by the source's name, such as `pagerduty`.
    """

    def __init__(self, sources: Mapping[str, SourceAgents]) -> None:
        self.sources = sources

    def decide(self, source: str, event: str, by: str, accounts: Iterable[str | None] = ()) -> Decided | None:
        """What an event is, and who did it; None where no line is about it.

        Args:
            source: whose table.
            event: the source's own name of what happened, such as `incident.acknowledged`.
            by: what did it, in the source's words; `none` where it names nobody.
            accounts: id, name and address of who did it; one that is listed as no person makes `by` `machine`.
        """
        source = SAME_TABLE.get(source, source)
        table = self.sources.get(source)
        if table is None:
            return None
        machine = _first_match((name for name in accounts if name), table.accounts)
        if machine is not None:
            by = MACHINE
        for number, line in enumerate(table.lines, start=1):
            if line.fits(event, by):
                listed = f"; its account is listed as {machine[1]}" if machine is not None else ""
                what = f"{line.kind}, {line.agent}" if line.agent else line.kind
                return Decided(line.kind, line.agent, f"{source} line {number}: {event} by {by} is {what}{listed}")
        return None

    def is_machine(self, source: str, account: str) -> bool:
        """Whether an account is listed as no person."""
        table = self.sources.get(SAME_TABLE.get(source, source))
        return table is not None and _first_match([account], table.accounts) is not None

    def worked_seconds(self, source: str) -> float:
        """How long before a person's resolve a person must have acknowledged; 0 = nothing is concluded."""
        table = self.sources.get(SAME_TABLE.get(source, source))
        return 0.0 if table is None else table.worked_minutes * 60.0

    def with_accounts(self, accounts: Mapping[str, Iterable[str]]) -> "AgentTable":
        """The same tables with more accounts that are no people, by source."""
        sources = dict(self.sources)
        for name, more in accounts.items():
            source = SAME_TABLE.get(name, name)
            if source in sources:
                table = sources[source]
                sources[source] = msgspec.structs.replace(table, accounts=(*table.accounts, *more))
        return AgentTable(sources)


def load_agents(path: Path | None = None) -> AgentTable:
    """The shipped tables, and over them, source by source, those of a file.

    Raises:
        SettingsError: the file can't be read or used; file, place and value are named.
    """
    sources = _read(SHIPPED)
    if path is not None:
        sources |= _read(path, known=sources)
    return AgentTable(sources)


def _read(path: Path, known: Mapping[str, SourceAgents] | None = None) -> dict[str, SourceAgents]:
    try:
        tables = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"agents = {str(path)!r} can't be read: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, RuntimeError) as error:
        raise SettingsError(f"agents = {str(path)!r} is not TOML: {error}") from None
    return {name: _table(path, name, table, known) for name, table in tables.items()}


def _table(path: Path, name: str, table: Any, known: Mapping[str, SourceAgents] | None) -> SourceAgents:
    if known is not None and name not in known:
        raise SettingsError(f"{path}: [{name}] is no source; use one of {', '.join(known)}")
    try:
        source = msgspec.convert(_listed(table), SourceAgents)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: [{name}]: {error}") from None
    for number, line in enumerate(source.lines, start=1):
        if line.kind in RESERVED or AGENT_ENDING.search(line.kind):
            raise SettingsError(
                f"{path}: [{name}] line {number}: kind = {line.kind!r} is noisegate's own or ends in an agent; "
                "name another kind, and who did it as `agent`"
            )
        if line.kind in (RAISED, IGNORED) and line.agent is not None:
            raise SettingsError(f"{path}: [{name}] line {number}: what is {line.kind} has no agent; leave it out")
    return source


def _listed(table: Any) -> Any:
    """The table with `event` and `by` of each line as lists, which may be written as one text."""
    if not isinstance(table, dict) or not isinstance(table.get("lines"), list):
        return table
    lines = [
        {key: [value] if key in ("event", "by") and isinstance(value, str) else value for key, value in line.items()}
        if isinstance(line, dict)
        else line
        for line in table["lines"]
    ]
    return {**table, "lines": lines}


def _first_match(texts: Iterable[str], patterns: Iterable[str]) -> tuple[str, str] | None:
    patterns = tuple(patterns)
    for text in texts:
        for pattern in patterns:
            if fnmatchcase(text.casefold(), pattern.casefold()):
                return text, pattern
    return None


def _fits(text: str, patterns: Iterable[str]) -> bool:
    return _first_match([text], patterns) is not None
