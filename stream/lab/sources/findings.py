"""What is odd about an import: each a sentence with numbers, the first row and a mend."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from stream.lab.lookalikes import escaped_name, is_no_team, look_alikes
from stream.lab.sources.summary import QUICK_SECONDS, Dropped, Finding, Profile, Summary, shown
from stream.lab.sources.time_formats import Sniffed, exchanged, format_mend, formats_option, sniff_formats

_HALF = 0.5  # of the rows: what is lost for one reason beyond it makes a log worthless
_SOME = 0.01
_QUICK_SHARE = 0.25
_HARMLESS = ("blank", "duplicate", "repeated_header")
LEAST = 20  # actions, for a share of them to be said
_ALL_DIFFERENT = 0.8  # of the alerts have a rule of their own
_SHOWN = 5
_ENDINGS = {  # what a reason ends in, and what that means of a row's cell
    "_before_floor": "lies before the year 2000",
    "_beyond_skew": "lies after the year 2200",
    "_in_future": "lies in the future",
}


def findings(
    summary: Summary, profile: Profile, formats: Sequence[str], texts: Sequence[str], columns: Mapping[str, str]
) -> list[Finding]:
    """All, those that make a log worthless first.

    Args:
        summary: what became of the rows.
        profile: what was seen of them.
        formats: those that times were read with.
        texts: times as the table has them.
        columns: the columns of the table behind names that reasons have, such as `at`.
    """
    found = [
        *time_findings(summary, formats, texts, columns),
        *drop_findings(summary),
        *_actions(summary, profile),
        *_values(profile),
        *_teams(summary, profile),
        *_days(summary, profile),
        *_sameness(summary, profile),
        *_quick(profile),
    ]
    return sorted(found, key=lambda finding: not finding.worthless)


def sniffed_findings(sniffed: Sniffed | None) -> Iterator[Finding]:
    """What is to be said of formats that were found: whether days could be months too."""
    if sniffed is None or sniffed.other is None:
        return
    first, other = sniffed.formats[0], sniffed.other
    both = f"Every time reads both as {first} and as {other}"
    if sniffed.clear:
        text = f"{both}. {first} is taken: {sniffed.why}; if that is wrong, give {formats_option([other])}."
    else:
        text = f"{both}, and nothing tells which is meant: {sniffed.why}; give {formats_option([first])} or "
        text += f"{formats_option([other])}."
    yield Finding("times", text, worthless=not sniffed.clear)


def time_findings(
    summary: Summary, formats: Sequence[str], texts: Sequence[str], columns: Mapping[str, str]
) -> Iterator[Finding]:
    """Times that could not be read or make no sense, with the formats that read all; and days read as months."""
    lost = list(lost_times(summary))
    if not lost:
        yield from _exchanged(formats, texts)
        return
    mend = format_mend(formats, texts)
    months = _reads_as_other(formats, texts)
    for what, total, reason, dropped in lost:
        name, does = _time_words(reason)
        column = shown(columns.get(name, name))
        fault = f"{' and '.join(formats)} can't read the time in {column}" if does is None else f"{column} {does}"
        worthless = what == "rows" and (dropped.count > _HALF * total or (months and does is None))
        if mend or worthless:
            yield Finding(
                "times", f"{_counted(dropped, total, what, fault)}{mend and f'; {mend}'}.", worthless=worthless
            )


def lost_times(summary: Summary) -> Iterator[tuple[str, int, str, Dropped]]:
    """What was dropped for its time: rows or actions, how many there are of those, the reason, and the count."""
    total = summary.actions + sum(dropped.count for dropped in summary.dropped_actions.values())
    for what, all_of, counts in (
        ("rows", summary.rows, summary.dropped_rows), ("actions", total, summary.dropped_actions),
    ):  # fmt: skip
        for reason, dropped in counts.items():
            if reason.startswith("unreadable_") or reason.endswith(tuple(_ENDINGS)):
                yield what, all_of, reason, dropped


def _time_words(reason: str) -> tuple[str, str | None]:
    for ending, words in _ENDINGS.items():
        if reason.endswith(ending):
            return reason.removesuffix(ending), words
    return reason.removeprefix("unreadable_"), None


def _reads_as_other(formats: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether all times read with day and month exchanged: what the one given format read is then wrong too."""
    other = exchanged(formats[0]) if len(formats) == 1 else None
    found = sniff_formats(texts)
    return other is not None and found.formats == [other] and found.read == found.total


def _exchanged(formats: Sequence[str], texts: Sequence[str]) -> Iterator[Finding]:
    """A given format under which the times lie much further apart than with day and month exchanged."""
    if len(formats) != 1 or exchanged(formats[0]) is None:
        return
    found = sniff_formats(texts)
    if found.other == formats[0] and found.clear:
        yield Finding(
            "times",
            f"Every time also reads as {found.formats[0]}, and then they lie closer together: {found.why}; if days "
            f"stand where months were read, give {formats_option(found.formats)}.",
        )


def drop_findings(summary: Summary) -> Iterator[Finding]:
    """Rows and actions that were dropped, but for those whose times could not be read."""
    lost = sum(dropped.count for reason, dropped in summary.dropped_rows.items() if reason not in _HARMLESS)
    if lost > _HALF * summary.rows:
        yield Finding("rows", f"{lost:,} of {summary.rows:,} rows made nothing; the log holds the smaller part.")
    for reason, dropped in summary.dropped_rows.items():
        if (
            reason.startswith("unreadable_")
            or reason.endswith(tuple(_ENDINGS))
            or reason in ("blank", "repeated_header")
        ):
            continue
        most = dropped.count > _HALF * summary.rows or reason == "unclosed_quote"
        if reason == "duplicate" and not most:
            continue
        text = _counted(dropped, summary.rows, "rows", _DROP_WORDS.get(reason, reason))
        mend = drop_mend(reason)
        if most or mend:
            yield Finding("rows", f"{text}{mend and f'; {mend}'}.", most)
    total = summary.actions + sum(dropped.count for dropped in summary.dropped_actions.values())
    unnamed = summary.dropped_actions.get("no_kind")
    if unnamed is not None:
        text = _counted(unnamed, total, "actions", "a time, but no part of the mapping names the kind")
        yield Finding("actions", f"{text}; add an [[action]] with the same `at` and a kind that takes all.")
    before = summary.dropped_actions.get("before_its_raise")
    if before is not None and before.count > _SOME * total:
        text = _counted(before, total, "actions", "before their alert was raised")
        mend = "check which column is which, and the zone"
        yield Finding("actions", f"{text}; {mend}.", before.count > _HALF * total)


_DROP_WORDS = {
    "wrong_width": "another number of cells than the header",
    "not_utf8": "not UTF-8",
    "unclosed_quote": "a quote that is not closed, so that the lines after it were read as one cell",
    "duplicate": "an alert that stands there already",
    "no_kind": "no [[action]] fits",
    "before_its_raise": "an update before its alert was raised",
}
_DROP_MENDS = {
    "wrong_width": "a delimiter within a cell has to be quoted, or the delimiter is another (--delimiter)",
    "not_utf8": "correct the bytes in <> there, or take them out",
    "unclosed_quote": "take the quote out, or double it within a cell that stands in quotes",
    "duplicate": "if a row is an update of an alert, use form = 'update' in the mapping",
    "no_kind": "a last [[action]] with kind = 'updated' takes them",
    "before_its_raise": "check which column is which",
}


def drop_mend(reason: str) -> str:
    """What helps where rows are dropped for this reason; empty where nothing in general does."""
    if reason in _DROP_MENDS:
        return _DROP_MENDS[reason]
    name = reason.removeprefix("missing_")
    if name == reason:
        return ""
    return f"name another column, or set defaults.{name}" if name in ("team", "rule", "entity") else ""


def _actions(summary: Summary, profile: Profile) -> Iterator[Finding]:
    if not summary.actions:
        yield Finding(
            "actions",
            f"{summary.alerts:,} alerts and no action: nobody ever acted, so every alert would count as noise; name "
            "the columns that say what became of an alert under [[action]], or export those too.",
            True,
        )
        return
    kinds, agents = Counter[str](), Counter[str | None]()
    for (kind, agent), count in profile.kinds.items():
        kinds[kind] += count
        agents[agent] += count
    if len(kinds) == 1:
        yield Finding(
            "actions",
            f"All {summary.actions:,} actions are {shown(next(iter(kinds)))}: only whether one came tells alerts "
            "apart, not which; if a column says how an alert ended, name it as kind_column.",
        )
    if set(agents) == {"automation"}:
        yield Finding(
            "actions",
            f"No action is by a person: all {summary.actions:,} are by automation ({_counts(kinds)}), so the log says "
            "nothing of what people act on; add columns with what people did, or correct `automation`.",
            True,
        )
    elif set(agents) == {None}:
        yield Finding(
            "actions",
            f"Nobody says whether a person or automation did the {summary.actions:,} actions; name the actor's column "
            "and patterns of `automation` in the mapping, or actions of bots count as people's.",
        )


def _values(profile: Profile) -> Iterator[Finding]:
    for column, values in profile.values.items():
        if not values:
            continue
        ranked = sorted(values.items(), key=lambda pair: (-pair[1].count, pair[0]))
        listed = ", ".join(f"{shown(value)} ({seen.count:,})" for value, seen in ranked[:_SHOWN])
        more = f" and {len(ranked) - _SHOWN:,} more values" if len(ranked) > _SHOWN else ""
        first = min(seen.first_row for seen in values.values())
        yield Finding(
            "values",
            f"The mapping does not know these values of {column!r}: {listed}{more}, the first in row {first}; say "
            "under kinds what they mean, or list them under known.",
        )


def _teams(summary: Summary, profile: Profile) -> Iterator[Finding]:
    for group in look_alikes(profile.teams):
        listed = ", ".join(f"{escaped_name(name)} ({profile.teams[name].count:,})" for name in group[:_SHOWN])
        yield Finding(
            "teams",
            f"These teams look alike and have histories of their own: {listed}, the first of them in row "
            f"{min(profile.teams[name].first_row for name in group)}; if they are one, write them in one way.",
        )
    nobody = {name: seen for name, seen in profile.teams.items() if is_no_team(name)}
    if nobody and len(profile.teams) > 1:
        name = max(nobody, key=lambda one: nobody[one].count)
        yield Finding(
            "teams",
            f"{sum(seen.count for seen in nobody.values()):,} alerts belong to the team {shown(name)}, the first in "
            f"row {nobody[name].first_row}; if that means nobody, add it to `missing` in the mapping.",
        )
    if len(profile.teams) == 1 and summary.alerts >= LEAST:
        yield Finding("teams", f"All {summary.alerts:,} alerts belong to one team, {shown(next(iter(profile.teams)))}.")
    if profile.two_teams is not None:
        seen, alert_id, first, second = profile.two_teams
        yield Finding(
            "teams",
            f"{seen.count:,} ids stand in more than one team, the first in row {seen.first_row}: {shown(alert_id)} in "
            f"{shown(first)} and {shown(second)}; each is an alert of its own.",
        )


def _days(summary: Summary, profile: Profile) -> Iterator[Finding]:
    if profile.days is not None and profile.days.count > _SOME * summary.alerts:
        yield Finding(
            "times",
            f"{profile.days.count:,} of {summary.alerts:,} alerts have a day without a time of day, the first in row "
            f"{profile.days.first_row}: all of a day stand at midnight, so their order and the hours until an action "
            "mean little; export the time too.",
        )


def _sameness(summary: Summary, profile: Profile) -> Iterator[Finding]:
    if len(profile.moments) == 1 and summary.alerts >= LEAST:
        text = f"All {summary.alerts:,} alerts have one time, as that of an export; name the column of the raise"
        yield Finding("times", f"{text}.", True)
    if summary.alerts >= LEAST and len(profile.rules) > _ALL_DIFFERENT * summary.alerts:
        yield Finding(
            "rules",
            f"{len(profile.rules):,} rules for {summary.alerts:,} alerts: nothing repeats, so no rule has a history; "
            "name a column as the rule that is the same for alerts of one kind.",
        )


def _quick(profile: Profile) -> Iterator[Finding]:
    for actor, count in profile.quick.most_common(_SHOWN):
        if profile.actions >= LEAST and count >= _QUICK_SHARE * profile.actions:
            yield Finding(
                "actors",
                f"{shown(actor)} did {count:,} of {profile.actions:,} actions within {QUICK_SECONDS:.0f} seconds of "
                "the alert, as programs do; if it is one, add it to `automation` in the mapping (--automation).",
            )


def _counted(dropped: Dropped, total: int, what: str, fault: str) -> str:
    value = "" if dropped.first_value is None else f": {shown(dropped.first_value)}"
    return f"{dropped.count:,} of {total:,} {what}: {fault}, the first in row {dropped.first_row}{value}"


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{shown(name)} {count:,}" for name, count in counts.most_common(_SHOWN))
