"""The rules in use: read from their files again and again; a broken file changes nothing but rings."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stream.core.errors import RulesError
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed, parse_rules
from stream.metrics.closer import CloserMetrics
from stream.rule_files import read_rule_files

log = logging.getLogger(__name__)


class RuleWatch:
    """Follows files of rules. Used by one thread, but for its attributes.

    Files that lack a rule in use, or have another version of it, are used once two looks in a row found the same: one
    of them may be half written, and a rule that is gone for a moment loses its proof.

    Args:
        places: files, and folders of files.
        metrics: show how many rules there are, and whether they are those of the files.
        keep: takes files that can be used, whenever they changed; may raise RulesError, and is called again then.
        last: gives the files that could be used last, where the first look finds broken ones.

    Attributes:
        rules: in use.
        fault: why they are not those of the files, one sentence; None where they are.
    """

    def __init__(
        self,
        places: Sequence[Path],
        metrics: CloserMetrics,
        keep: Callable[[Mapping[str, str]], None] = lambda files: None,
        last: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._places, self._metrics, self._keep = places, metrics, keep
        self._seen: dict[str, str] | None = None  # as read last, whether or not it can be used
        self._doubted: dict[str, str] | None = None  # files that are used if they are still the same
        self._unkept: Mapping[str, str] | None = None
        self.fault: str | None = None
        self.rules = RuleIndex([])
        if not places:
            log.warning("no rules are set, so this closer decides on no alert; set closer_rules, on every closer alike")
        try:
            self._read()
        except RulesError as error:
            files = last()
            if not files:
                raise
            self._use(RuleIndex(parse_rules(files)))
            self._ring(error)

    def look(self) -> bool:
        """Read the files if they changed; returns whether other rules are in use now."""
        before = self.rules
        try:
            self._read()
        except RulesError as error:
            self._ring(error)
        if self._unkept is not None:
            files, self._unkept = self._unkept, None
            try:
                self._keep(files)
            except RulesError as error:
                log.debug("the rule files could not be kept: %s", error)
                self._unkept = files
        return self.rules is not before

    def _read(self) -> None:
        files = read_rule_files(self._places) if self._places else {}
        if files == self._seen and self.fault is None:
            self._doubted = None
            return
        before, self._seen = self._seen, files
        changed = files != before
        rules = parse_rules(files)
        if self._loses_rules(rules) and files != self._doubted:
            self._doubted, self._seen = files, before
            return
        self._doubted = None
        if changed or self.fault is not None:
            self._use(RuleIndex(rules))
            self._unkept = files
            log.info("rules", extra={"fields": {"rules": len(rules), "files": len(files)}})
        self.fault = None
        self._metrics.rule_files_valid.set(1)

    def _loses_rules(self, rules: Sequence[Placed]) -> bool:
        found = {(one.rule.name, one.rule.version) for one in rules}
        return any((one.rule.name, one.version) not in found for one in self.rules.rules)

    def _use(self, rules: RuleIndex) -> None:
        self.rules = rules
        self._metrics.rules_loaded.set(len(rules.rules))
        self._metrics.keep_rules(one.rule.name for one in rules.rules)

    def _ring(self, error: RulesError) -> None:
        sentence = f"the rules in use are not those of the files: {error}"
        if self.fault != sentence:
            log.error("%s", sentence)
        self.fault = sentence
        self._metrics.rule_files_valid.set(0)
