"""Which rule an alert meets first, found among thousands without trying them one by one.

Rules are bits of one integer, in the order in which they are tried. For each field there is a mask of the rules that a
value of it allows; an alert meets the rules in the AND of its fields' masks, and the lowest bit is the first. Masks of
values that were seen are remembered.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import translate

import msgspec

from stream.core import limits
from stream.core.active_hours import ActiveHours
from stream.core.rules import MATCH_FIELDS, Placed, Rule

_WILD = re.compile(r"[*?\[]")


class IndexedRule:
    """A rule with what is computed of it once.

    Attributes:
        placed: the rule and where it stands; `rule` is the rule as written, `version` and `ends_at` its own.
        labels: the labels that its match names.
        never_severity: the severities that it never acts on, case-folded.
        hours: when it acts; None: always.
    """

    __slots__ = ("ends_at", "hours", "labels", "never_severity", "placed", "rule", "version")

    def __init__(self, placed: Placed) -> None:
        self.placed = placed
        self.rule: Rule = placed.rule
        self.version, self.ends_at = placed.rule.version, placed.rule.ends_at
        self.labels = frozenset(placed.rule.match.labels)
        self.never_severity = frozenset(map(str.casefold, placed.rule.never_severity))
        hours = placed.rule.active_hours
        self.hours = None if hours is None else ActiveHours([hours] if isinstance(hours, str) else hours)


class RuleIndex:
    """Rules, in the order in which they are tried.

    Attributes:
        rules: all of them.
        digest: eight hex digits; the same where the same rules are tried in the same order.
    """

    def __init__(self, placed: Sequence[Placed]) -> None:
        self.rules = [IndexedRule(one) for one in placed]
        written = msgspec.json.encode([one.rule for one in placed])
        self.digest = hashlib.sha256(written).hexdigest()[:8]
        self._named = {one.rule.name: one for one in self.rules}
        self._limits = [one.rule.max_probability for one in self.rules]
        patterns = [one.rule.match.patterns() for one in self.rules]
        labels = sorted({name for one in self.rules for name in one.labels})
        self._fields = [_Field(name, patterns) for name in MATCH_FIELDS]
        self._labels = [(name, _Field(f"labels.{name}", patterns)) for name in labels]

    def named(self, name: str) -> IndexedRule | None:
        """The rule of this name, if there is one."""
        return self._named.get(name)

    def first(
        self,
        team: str,
        rule: str,
        entity: str,
        severity: str | None,
        source: str | None,
        labels: Mapping[str, str],
        probability: float,
    ) -> IndexedRule | None:
        """The first rule whose match fits and whose `max_probability` is not below the probability."""
        mask = self._mask(team, rule, entity, severity, source, labels)
        bounds = self._limits
        while mask:
            lowest = mask & -mask
            place = lowest.bit_length() - 1
            if probability <= bounds[place]:
                return self.rules[place]
            mask ^= lowest
        return None

    def fitting(
        self,
        team: str,
        rule: str,
        entity: str,
        severity: str | None,
        source: str | None,
        labels: Mapping[str, str],
    ) -> Iterator[IndexedRule]:
        """All rules whose match fits, whatever the probability, in the order in which they are tried."""
        mask = self._mask(team, rule, entity, severity, source, labels)
        while mask:
            lowest = mask & -mask
            yield self.rules[lowest.bit_length() - 1]
            mask ^= lowest

    def _mask(
        self,
        team: str,
        rule: str,
        entity: str,
        severity: str | None,
        source: str | None,
        labels: Mapping[str, str],
    ) -> int:
        by_team, by_rule, by_entity, by_severity, by_source = self._fields
        mask = by_team.mask(team) & by_rule.mask(rule)
        if not mask:
            return 0
        mask &= by_severity.mask(severity) & by_source.mask(source)
        if mask:
            mask &= by_entity.mask(entity)
        for name, field in self._labels:
            if not mask:
                return 0
            mask &= field.mask(labels.get(name))
        return mask


class _Field:
    """One field of the match: the mask of the rules that each of its values allows."""

    def __init__(self, name: str, patterns: Sequence[Mapping[str, tuple[str, ...]]]) -> None:
        self._free = 0  # rules that do not name the field
        self._exact: dict[str, int] = {}
        globs: dict[str, int] = {}
        for place, given in enumerate(patterns):
            bit = 1 << place
            if name not in given:
                self._free |= bit
            for pattern in given.get(name, ()):
                table = globs if _WILD.search(pattern) else self._exact
                table[pattern] = table.get(pattern, 0) | bit
        self._only_free = not self._exact and not globs
        self._globs: dict[str, list[tuple[re.Pattern[str], int]]] = {}  # by what comes before the first wildcard
        for pattern, mask in globs.items():
            found = _WILD.search(pattern)
            prefix = pattern[: found.start()] if found else pattern
            self._globs.setdefault(prefix, []).append((re.compile(translate(pattern)), mask))
        self._lengths = sorted({len(prefix) for prefix in self._globs})
        self._known: dict[str | None, int] = {None: self._free}

    def mask(self, value: str | None) -> int:
        if self._only_free:
            return self._free
        known = self._known.get(value)
        return self._find(value) if known is None and value is not None else known or 0

    def _find(self, value: str) -> int:
        mask = self._free | self._exact.get(value, 0)
        for length in self._lengths:
            if length > len(value):
                break
            for pattern, allowed in self._globs.get(value[:length], ()):
                if pattern.match(value):
                    mask |= allowed
        if len(self._known) >= limits.RULE_VALUES_REMEMBERED:
            self._known = {None: self._free}
        self._known[value] = mask
        return mask
