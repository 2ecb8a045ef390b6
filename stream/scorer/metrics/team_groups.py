"""Teams by the few groups that metrics show, so that no label is unbounded."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from stream.config import OTHER_TEAMS
from stream.core import limits


class TeamGroups:
    """The first group with a pattern that a team fits; who fits none is `other`, the last one."""

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self.names = (*groups, OTHER_TEAMS)
        self._groups = groups
        self._known: dict[str, int] = {}

    def index(self, team: str) -> int:
        """The group's place in `names`."""
        found = self._known.get(team)
        if found is None:
            if len(self._known) >= limits.TEAMS_REMEMBERED:
                self._known.clear()
            found = self._known[team] = self._find(team)
        return found

    def name(self, team: str) -> str:
        """The name of a team's group."""
        return self.names[self.index(team)]

    def place(self, name: str) -> int:
        """A group's place in `names`, as `index` gives it; a group that is no longer set is `other`."""
        return self.names.index(name) if name in self.names else len(self._groups)

    def _find(self, team: str) -> int:
        for place, patterns in enumerate(self._groups.values()):
            if any(fnmatchcase(team, pattern) for pattern in patterns):
                return place
        return len(self._groups)
