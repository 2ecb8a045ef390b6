"""A suggestion as a problem file whose comments a person who runs operations can answer."""

import json
from collections.abc import Iterator, Sequence
from glob import escape

from stream.console import strip_control_characters
from stream.core.errors import LabError
from stream.extras import import_extra
from stream.lab.auditing.result import Tests
from stream.lab.judging.baselines import title_of
from stream.lab.suggestion import DECIDED_SHARE, LEAST, Suggestion

_WIDTH = 110
_KINDS = 30


def problem_text(found: Suggestion, log: str, tests: Tests | None = None) -> str:
    """The TOML of the suggestion.

    Args:
        found: what is proposed.
        log: the log's name, for the first line.
        tests: the baselines on the log's last part under this problem; None leaves them out.
    """
    return "\n".join(line.rstrip() for line in _lines(found, log, tests)) + "\n"


def words_of_hours(hours: float) -> str:
    """Hours as people say them.

    >>> words_of_hours(0.25), words_of_hours(24), words_of_hours(168)
    ('15 minutes', '24 hours', '7 days')
    """
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    if hours == 1:
        return "1 hour"
    return f"{hours:.3g} hours" if hours <= 48 else f"{hours / 24:.3g} days"


def _lines(found: Suggestion, log: str, tests: Tests | None) -> Iterator[str]:
    within = words_of_hours(found.horizon_hours)
    yield from _comment(
        f"Proposed from {strip_control_characters(log)}: {found.alerts:,} alerts of {found.teams:,} teams in "
        f"{found.days:.1f} days. Answer the three questions below; every value may be changed."
    )
    yield 'name = "acted-on"'
    yield f"question = {_text(f'Will the owning team act on this alert within {within}?')}"
    yield ""
    yield "[outcome]"
    yield from _kinds(found)
    yield ""
    yield from _horizon(found, within)
    yield ""
    yield from _expiry(found, within)
    yield ""
    yield from _excluded(found)
    yield ""
    yield from _history(found)
    yield ""
    yield from _target(found, tests)


def _kinds(found: Suggestion) -> Iterator[str]:
    yield from _comment("1. Which actions mean that the team acted on an alert? These are in the log:")
    yield f"#    {'kind':24}{'people':>12}{'automation':>12}{'nobody says':>12}   means"
    for of in found.kinds[:_KINDS]:
        name = strip_control_characters(of.kind)[:23]
        yield f"#    {name:24}{of.person:>12,}{of.automation:>12,}{of.unsaid:>12,}   {of.role}"
    if len(found.kinds) > _KINDS:
        yield f"#    and {len(found.kinds) - _KINDS} more kinds, which mean nothing"
    yield from _comment(
        "Acted on means that the alert was worth somebody's time; noise means that it needed nothing; all others "
        "decide nothing. kind@person counts only if a person did it."
    )
    yield f"actionable = {_list(found.actionable)}"
    yield f"noise = {_list(found.noise)}"


def _horizon(found: Suggestion, within: str) -> Iterator[str]:
    needed = words_of_hours(found.needed_hours)
    text = "2. How soon must they act for it to count? "
    if found.decisions < LEAST:
        text += f"Only {found.decisions} alerts were decided by an action, {LEAST} are needed to tell: this is a guess."
    else:
        text += f"Of the alerts that an action decides, {DECIDED_SHARE:.0%} are decided within {needed}, and "
        text += f"{found.decided:.1%} within {within}."
    if not found.is_long_enough:
        text += f" A longer horizon needs a longer log: this one has {found.days:.1f} days."
    yield from _comment(text)
    yield f"horizon_hours = {found.horizon_hours:g}"


def _expiry(found: Suggestion, within: str) -> Iterator[str]:
    yield from _comment(
        f"3. What is an alert that nobody decided within {within}? {_shares(found)} With noise they needed nothing; "
        "with unknown they are left out."
    )
    yield f"on_expiry = {_text('noise')}"


def _shares(found: Suggestion) -> str:
    if found.mature < LEAST:
        return f"How many are that can't be told from {found.mature} alerts, {LEAST} are needed."
    return f"{found.undecided:.1%} of the alerts are that; {found.acted:.1%} were acted on first."


def _excluded(found: Suggestion) -> Iterator[str]:
    yield "[exclude]"
    if found.muted:
        yield from _comment(f"{found.muted:,} alerts were muted, so nobody could act on them; they are never noise.")
    if not found.untouched:
        yield from _comment(f"Every rule with {LEAST} alerts or more had an action that was not automation's.")
        yield "visibility_only = []"
        return
    yield from _comment(
        "No person ever touched these rules. Take the # away from those that nobody is meant to act on, as reports."
    )
    yield "visibility_only = ["
    for rule, count in found.untouched:
        yield f"#    {{ rule = {_text(escape(rule))} }},  # {count:,} alerts"
    yield "]"


def _history(found: Suggestion) -> Iterator[str]:
    yield "[history]"
    if found.labels:
        listed = ", ".join(f"{strip_control_characters(name)} ({count} values)" for name, count in found.labels.items())
        yield from _comment(f"These labels may get a history of their own within a team: {listed}.")
    yield "labels = []"
    if found.ledger_days is not None:
        yield from _comment("Some actions come this many days after their alert; sooner forgotten, they would be lost.")
        yield f"ledger_days = {found.ledger_days}"


def _target(found: Suggestion, tests: Tests | None) -> Iterator[str]:
    yield "[target]"
    known = tests is not None and tests.judged >= LEAST
    ranked = [(of.auc, of.name) for of in tests.baselines if of.auc is not None] if tests is not None and known else []
    said = [f"always saying noise is right for {1.0 - found.acted:.1%} of the alerts"] if found.mature >= LEAST else []
    if ranked:
        auc, name = max(ranked)
        said.append(f"the baseline {title_of(name)} alone has an AUC of {auc:.3f}")
    if said:
        text = ", and ".join(said)
        yield from _comment(f"{text[0].upper()}{text[1:]}: a target that this meets proves nothing.")
    yield from _comment("detection is the share to keep.")
    yield "detection = 0.95"


def _comment(text: str) -> Iterator[str]:
    line = "#"
    for word in text.split():
        if len(line) + len(word) >= _WIDTH:
            yield line
            line = "#"
        line += f" {word}"
    yield line


def _list(entries: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, entries))}]"


def _text(value: str) -> str:
    """A TOML string; JSON's escapes are TOML's."""
    return json.dumps(value, ensure_ascii=True) if not value.isprintable() else _quoted(value)


def _quoted(value: str) -> str:
    return str(import_extra("tomlkit", "lab", "a proposed problem file needs", LabError).item(value).as_string())
