"""Rules: what may be kept from people, as TOML by the teams that own the alerts.

A file holds `[[rule]]` tables. Files are read by their owners' own hands, so every mistake is found at once, each with
file, line and what to do.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from typing import Annotated, Any, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.active_hours import ActiveHours
from stream.core.errors import Fault, RulesError
from stream.core.events import seconds
from stream.core.records import Mode

MODES: tuple[Mode, ...] = ("score", "shadow", "pause", "close")
MATCH_FIELDS = ("team", "rule", "entity", "severity", "source")
NEVER_SEVERITY = ("critical",)

Pattern = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Patterns = Pattern | Annotated[list[Pattern], Meta(min_length=1, max_length=limits.RULE_PATTERNS)]
LabelPattern = Annotated[str, Meta(max_length=limits.LABEL_VALUE_LENGTH)]
LabelPatterns = LabelPattern | Annotated[list[LabelPattern], Meta(min_length=1, max_length=limits.RULE_PATTERNS)]
RuleName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*\Z", max_length=100)]
Owner = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Whole = Annotated[int, Meta(ge=1, le=100_000)]


class Match(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The alerts that a rule is about: every field given must match one of its patterns (`*`, `?`, `[abc]`).

    Case counts. An alert without a severity, a source or a label matches no pattern of it.
    """

    team: Patterns | None = None
    rule: Patterns | None = None
    entity: Patterns | None = None
    severity: Patterns | None = None
    source: Patterns | None = None
    labels: Annotated[dict[str, LabelPatterns], Meta(max_length=limits.LABELS)] = {}

    def patterns(self) -> dict[str, tuple[str, ...]]:
        """The patterns of each field given, sorted, each once; a label's field is `labels.` and its name."""
        given: dict[str, str | list[str]] = {name: value for name in MATCH_FIELDS if (value := getattr(self, name))}
        given |= {f"labels.{name}": value for name, value in self.labels.items()}
        return {name: tuple(sorted({value} if isinstance(value, str) else set(value))) for name, value in given.items()}


class Rule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule, checked. Shares are 0 to 1; hours of the day are UTC.

    Attributes:
        name: unique over all files.
        owner: the team that wrote it.
        priority: of rules that match the same alert the one with the highest decides.
        match: which alerts.
        max_probability: the highest probability at which it matches.
        mode: the highest step that it may take: score, shadow, pause, close.
        risk: the limit on the share of its episodes that people would have acted on.
        pause_minutes, close_hours: how long an alert stays paused or closed.
        holdout_floor: the least share of a team's hours that it leaves alone.
        max_per_hour: alerts of one team that it acts on in a UTC hour.
        active_hours: when it acts; None: always.
        expires: its last day, unless somebody gives a later one; None: only where it never acts.
        never_severity: severities that it never acts on.
    """

    name: RuleName
    owner: Owner
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    match: Match
    max_probability: Annotated[float, Meta(gt=0, le=1)]
    mode: Mode = "shadow"
    risk: Annotated[float, Meta(gt=0, le=0.3)] = 0.05
    pause_minutes: Annotated[float, Meta(ge=1, le=60)] = 10.0
    close_hours: Annotated[float, Meta(ge=0.25, le=24)] = 4.0
    holdout_floor: Annotated[float, Meta(gt=0, le=0.5)] = 0.05
    max_per_hour: Whole = 20
    active_hours: str | list[str] | None = None
    expires: date | None = None
    never_severity: Annotated[tuple[str, ...], Meta(max_length=limits.RULE_PATTERNS)] = NEVER_SEVERITY

    @property
    def version(self) -> str:
        """Eight hex digits of match, max_probability and risk: what is proven. No other key starts proof anew."""
        proven = (sorted(self.match.patterns().items()), self.max_probability, self.risk)
        return hashlib.sha256(msgspec.json.encode(proven)).hexdigest()[:8]

    @property
    def ends_at(self) -> float | None:
        """When it ends, seconds since 1970: with its last day, in UTC."""
        if self.expires is None:
            return None
        return seconds(datetime.combine(self.expires, time.min, UTC)) + 86_400.0


class Mistake(NamedTuple):
    """What is wrong with a file of rules, where, and how to mend it; `line` counts from 1."""

    file: str
    line: int
    fault: Fault

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.fault}"


class Placed(NamedTuple):
    """A rule and where it stands."""

    rule: Rule
    file: str
    line: int


def parse_rules(files: Mapping[str, str]) -> list[Placed]:
    """The rules of some files, by name and text, in the order in which they are tried: priority, file, place.

    Raises:
        RulesError: there is a mistake; the message names the first.
    """
    placed, mistakes = read_rules(files)
    if mistakes:
        more = f" (and {len(mistakes) - 1} more mistakes)" if len(mistakes) > 1 else ""
        fault = mistakes[0].fault
        raise RulesError(f"{mistakes[0].file}:{mistakes[0].line}: {fault.problem}{more}", fault.mend)
    return placed


def read_rules(files: Mapping[str, str]) -> tuple[list[Placed], list[Mistake]]:
    """The rules that can be used, in the order in which they are tried, and every mistake."""
    placed: list[Placed] = []
    mistakes: list[Mistake] = []
    for name, text in sorted(files.items()):
        found, wrong = _read_file(name, text)
        placed += found
        mistakes += wrong
    first: dict[str, Placed] = {}
    for one in placed:
        before = first.setdefault(one.rule.name, one)
        if before is not one:
            where = f"name = {one.rule.name!r} is taken by {before.file}:{before.line}"
            mistakes.append(Mistake(one.file, one.line, Fault(where, "give this rule another name")))
    if len(placed) > limits.RULES:
        over = placed[limits.RULES]
        fault = Fault(f"there are {len(placed)} rules, at most {limits.RULES} are read", "join or drop some")
        mistakes.append(Mistake(over.file, over.line, fault))
    return sorted(placed, key=lambda one: -one.rule.priority), sorted(mistakes, key=lambda one: (one.file, one.line))


def _read_file(name: str, text: str) -> tuple[list[Placed], list[Mistake]]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at line (\d+)", str(error))
        problem = re.sub(r" \(at .*\)$", "", str(error))
        line = int(found[1]) if found else 1
        return [], [Mistake(name, line, Fault(f"this is not TOML: {problem}", "mend the line"))]
    lines = _Lines(text)
    mistakes = [
        Mistake(name, lines.of_key(key), Fault(f"{key!r} is no part of a file of rules", "use [[rule]] tables"))
        for key in document
        if key != "rule"
    ]
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        wrong = Fault("`rule` is not a list of tables", "begin each rule with [[rule]]")
        return [], [*mistakes, Mistake(name, lines.of_key("rule"), wrong)]
    placed = []
    for number, table in enumerate(tables):
        faults = list(_faults_of(table))
        mistakes += [Mistake(name, lines.of(number, key), fault) for key, fault in faults]
        if not faults:
            placed.append(Placed(msgspec.convert(table, Rule), name, lines.of(number)))
    return placed, mistakes


_TYPES: dict[str, Any] = get_type_hints(Rule, include_extras=True)
_MATCH_TYPES: dict[str, Any] = get_type_hints(Match, include_extras=True)
_REQUIRED = tuple(one.name for one in msgspec.structs.fields(Rule) if one.required)


def _faults_of(table: Mapping[str, Any]) -> Iterator[tuple[str, Fault]]:
    """Everything wrong with one rule's table, each with the key that it stands at."""
    before = 0
    for key, fault in (*_key_faults(table, _TYPES, ""), *_match_faults(table.get("match"))):
        before += 1
        yield key, fault
    for key in _REQUIRED:
        if key not in table:
            before += 1
            yield "", Fault(f"{key} is missing", f"add {key}")
    if not before:
        yield from _contradictions(msgspec.convert(table, Rule))


def _key_faults(table: Mapping[str, Any], types: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Fault]]:
    for key, value in table.items():
        if key not in types:
            near = get_close_matches(key, types, 1)
            mend = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(types)}"
            yield prefix + key, Fault(f"{prefix}{key} is no key of a rule", mend)
        elif prefix or key != "match":
            try:
                msgspec.convert(value, types[key])
            except msgspec.ValidationError as error:
                yield prefix + key, Fault(f"{prefix}{key} = {_shown(value)}: {error}", _mend_of(prefix + key))


def _match_faults(match: object) -> Iterator[tuple[str, Fault]]:
    if match is None:
        return
    if not isinstance(match, dict):
        yield "match", Fault(f"match = {_shown(match)} is no table", 'write match = { rule = "disk_*" }')
        return
    yield from _key_faults(match, _MATCH_TYPES, "match.")
    if not match or match == {"labels": {}}:
        yield "match", Fault("match is empty, which would mean every alert", "name at least a team, a rule or a label")


def _contradictions(rule: Rule) -> Iterator[tuple[str, Fault]]:
    acts = rule.mode in ("pause", "close")
    if acts and rule.expires is None:
        yield "mode", Fault(f"mode = {rule.mode!r} without expires", "say when the rule ends, such as 2027-06-30")
    for text in [rule.active_hours] if isinstance(rule.active_hours, str) else rule.active_hours or ():
        try:
            ActiveHours([text])
        except ValueError as error:
            yield "active_hours", Fault(f"active_hours = {text!r}: {error}", 'write it as "mon-fri 09:00-17:00"')
    if all(set(patterns) == {"*"} for patterns in rule.match.patterns().values()):
        yield "match", Fault("match means every alert", "name at least a team, a rule or a label")


_MENDS = {
    "name": "use small letters, digits, `.`, `_` and `-`",
    "mode": f"use one of {', '.join(MODES)}",
    "max_probability": "give a probability above 0 and at most 1",
    "risk": "give a share above 0 and at most 0.3, such as 0.05",
    "pause_minutes": "give 1 to 60 minutes",
    "close_hours": "give a quarter of an hour to 24 hours",
    "holdout_floor": "give a share above 0 and at most 0.5, such as 0.05",
    "max_per_hour": "give a whole number, 1 to 100,000",
    "expires": "give a date such as 2027-06-30",
    "never_severity": "give a list of severities",
}


def _mend_of(key: str) -> str:
    if key == "match.labels":
        return 'write labels = { env = "test" }, each a pattern or a list of patterns'
    if key.startswith("match."):
        return "give a pattern or a list of patterns"
    return _MENDS.get(key, "see docs/RULES.md")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


class _Lines:
    """Where the rules of a file and their keys stand; what can't be found stands where its rule begins."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        header = re.compile(r"\s*\[\[\s*\"?rule\"?\s*\]\]")
        self._starts = [number for number, line in enumerate(self._lines) if header.match(line)]

    def of(self, number: int, key: str = "") -> int:
        """The line of the rule with this number (from 0), or of a key of it, such as `match.team`."""
        if number >= len(self._starts):
            return 1
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._lines)
        for name in (key.rpartition(".")[2], key.partition(".")[0]) if key else ():
            pattern = re.compile(rf"^\s*(\[\s*rule\s*\.)?\s*\"?(match\.)?{re.escape(name)}\"?\s*[=.\]]")
            inline = re.compile(rf"\b{re.escape(name)}\s*=")
            for found in (pattern.match, inline.search):
                for place in range(start, end):
                    if found(self._lines[place]):
                        return place + 1
        return start + 1

    def of_key(self, key: str) -> int:
        """The line of a key or table of the file itself."""
        pattern = re.compile(rf"^\s*\[*\s*\"?{re.escape(key)}\b")
        return next((place + 1 for place, line in enumerate(self._lines) if pattern.match(line)), 1)
