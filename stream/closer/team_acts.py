"""What each rule did in each team of a partition, kept so that a batch writes what it adds and not all there is.

Counts are a part a rule and team. Episodes, of which there are many, go to a journal: parts of some hundred entries,
of which only the last is written again, and which go when all that they hold is forgotten.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from stream.core.decisions import TeamActs

COUNTS, JOURNAL = "acts:", "episodes:"
_ENTRIES = 500  # of one part of the journal
_KEPT_HOURS = 60  # more than any episode lasts, and a late alert comes behind it


class _Counts(Struct, array_like=True, frozen=True):
    latest: float
    hour: int
    acts: int


class _Entry(Struct, array_like=True, frozen=True, gc=False):
    rule: str
    team: str
    episode: str
    hour: int


class _Page(Struct):
    """One part of the journal."""

    entries: list[_Entry]
    latest: int  # hour of any


_encode = msgspec.msgpack.Encoder().encode
_decode_counts = msgspec.msgpack.Decoder(_Counts).decode
_decode_page = msgspec.msgpack.Decoder(list[_Entry]).decode


class TeamActsTable:
    """The acts of all teams of a partition, by team and rule."""

    def __init__(self) -> None:
        self._acts: dict[str, dict[str, TeamActs]] = {}
        self._last: dict[tuple[str, str], str] = {}  # the episode that came last, by rule and team
        self._pages: dict[int, _Page] = {}
        self._touched: set[tuple[str, str]] = set()
        self._written: set[int] = set()  # pages that changed
        self._gone: list[str] = []
        self._newest = self._hour = 0

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Begin with the parts that were written last."""
        for name, packed in parts.items():
            if name.startswith(COUNTS):
                rule, _, team = name.removeprefix(COUNTS).partition("\0")
                counts = _decode_counts(packed)
                self._acts.setdefault(team, {})[rule] = TeamActs(counts.latest, counts.hour, counts.acts)
        for name in sorted(name for name in parts if name.startswith(JOURNAL)):
            entries = _decode_page(parts[name])
            page = _Page(entries, max((entry.hour for entry in entries), default=0))
            self._newest = int(name.removeprefix(JOURNAL), 16)
            self._pages[self._newest] = page
            for entry in entries:
                acts = self._acts.setdefault(entry.team, {}).setdefault(entry.rule, TeamActs())
                acts.first_hour(entry.episode, entry.hour)
                self._last[entry.rule, entry.team] = entry.episode

    def of(self, team: str) -> dict[str, TeamActs]:
        """What rules did in a team, by rule name: for `decide`, which brings it up to date."""
        found = self._acts.get(team)
        if found is None:
            found = self._acts[team] = {}
        return found

    def note(self, rule: str, team: str) -> None:
        """Note that a rule's acts in a team changed."""
        acts, key = self._acts[team][rule], (rule, team)
        self._touched.add(key)
        newest = next(reversed(acts.episodes), None)  # what is new is last; what is known stays where it is
        if newest is not None and self._last.get(key) != newest:
            self._last[key] = newest
            self._append(_Entry(rule, team, newest, acts.episodes[newest]))

    def changed(self) -> dict[str, bytes | None]:
        """The parts that changed since the call before; None: the part is gone."""
        parts: dict[str, bytes | None] = dict.fromkeys(self._gone)
        for rule, team in self._touched:
            acts = self._acts[team][rule]
            parts[f"{COUNTS}{rule}\0{team}"] = _encode(_Counts(acts.latest, acts.hour, acts.acts))
        for number in self._written:
            parts[_name(number)] = _encode(self._pages[number].entries)
        self._touched, self._written, self._gone = set(), set(), []
        return parts

    def forget(self, now: float) -> None:
        """Forget the acts of rules in teams where they met no alert for so long that nothing depends on them."""
        oldest = now - _KEPT_HOURS * 3_600.0
        for team, by_rule in list(self._acts.items()):
            for rule in [rule for rule, acts in by_rule.items() if acts.latest < oldest]:
                del by_rule[rule]
                self._last.pop((rule, team), None)
                self._touched.discard((rule, team))
                self._gone.append(f"{COUNTS}{rule}\0{team}")
            if not by_rule:
                del self._acts[team]

    def _append(self, entry: _Entry) -> None:
        number = self._newest
        page = self._pages.get(number)
        if page is None or len(page.entries) >= _ENTRIES:
            self._drop_old(entry.hour)
            number = self._newest = number + 1
            page = self._pages[number] = _Page([], entry.hour)
        page.entries.append(entry)
        page.latest = max(page.latest, entry.hour)
        self._written.add(number)

    def _drop_old(self, hour: int) -> None:
        self._hour = max(self._hour, hour)
        old = self._hour - _KEPT_HOURS
        for number in [n for n, page in self._pages.items() if page.latest < old and n != self._newest]:
            del self._pages[number]
            self._written.discard(number)
            self._gone.append(_name(number))


def _name(number: int) -> str:
    return f"{JOURNAL}{number:016x}"
