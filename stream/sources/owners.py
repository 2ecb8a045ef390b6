"""Which team owns an alert: the first of a source's places that names one, and for good."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from stream.core import limits
from stream.sources.missing import MissingValues
from stream.sources.options import SourceOptions
from stream.sources.parsed import Description


class Owner(NamedTuple):
    """A team, where it was found, and whether it is the default because nothing named one."""

    team: str
    why: str
    is_default: bool = False


class OwnerFinder:
    """Finds owners by the options of one source."""

    def __init__(self, options: SourceOptions) -> None:
        self._options = options
        self._missing = MissingValues(options.missing)
        self._order = {place: rank for rank, place in enumerate(options.team)}

    def find(self, alert: Description | None) -> Owner:
        """The owner that a description names, else the default; `why` says what was passed over."""
        passed: list[str] = []
        for place, value in self._ordered(alert.owners if alert is not None else ()):
            team, fault = self._team(place, value)
            if team is not None:
                mapped = f" = {value[:60]!r} by the table teams" if team != value.strip() else ""
                return Owner(team, f"{place}{mapped}{_passed(passed)}")
            passed.append(f"{place} {fault}")
        return Owner(self._options.default_team, f"the default, as nothing names a team{_passed(passed)}", True)

    def _ordered(self, owners: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        """The places in the order of the options; those that the options do not name are left out if they name any."""
        if not self._order:
            return list(owners)
        return sorted((one for one in owners if one[0] in self._order), key=lambda one: self._order[one[0]])

    def _team(self, place: str, value: str) -> tuple[str | None, str]:
        text = value.strip()
        if len(text) > limits.NAME_LENGTH or "\0" in text:
            return None, f"has a text over {limits.NAME_LENGTH} characters, or with NUL"
        table = self._options.teams.get(place)
        if table is not None:
            found = _look_up(table, text)
            return found, f"has {text[:60]!r}, which the table teams does not name"
        if self._missing.holds(text):
            return None, f"has {text[:60]!r}, which stands for no value"
        return text, ""


def _look_up(table: Mapping[str, str], text: str) -> str | None:
    """The team of a value: by the value itself, else by the first pattern that fits."""
    if text in table:
        return table[text]
    return next((team for pattern, team in table.items() if fnmatchcase(text, pattern)), None)


def _passed(passed: list[str]) -> str:
    return f"; {', '.join(passed)}" if passed else ""
