"""What of a log is lost on the live system: actions whose alert left the ledger, and fields that nothing reads."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct

from stream.core.errors import Fault
from stream.core.events import Raised
from stream.core.problem import DAY_SECONDS, Problem
from stream.core.text import display_text

_SHOWN = 5
_NAMES_COUNTED = 1_000
_NAME_LENGTH = 60

Notice = Callable[[str], None]  # called with a sentence for people
Action = tuple[str, str, float]  # team, alert_id, and the latest time at which the ledger would have had to know it


class Orphans(Struct, frozen=True):
    """Actions that fail as `unknown_alert`.

    `left` are those of alerts that the log raised longer before than the ledger keeps them; `needed_days` is the whole
    number of days for which it would have to keep alerts to know them all. `never` are all others.
    """

    left: int = 0
    needed_days: int = 0
    never: int = 0


def orphans_of(unknown: Sequence[Action], alerts: Sequence[Raised]) -> Orphans:
    """What is known of the actions for which the ledger held no alert; `alerts` are all that the log raised."""
    wanted = {(team, alert_id) for team, alert_id, _ in unknown}
    raised: dict[tuple[str, str], list[float]] = {}
    for alert in alerts if wanted else ():
        key = (alert.team, alert.alert_id)
        if key in wanted:
            raised.setdefault(key, []).append(alert.at.timestamp())
    left, longest = 0, 0.0
    for team, alert_id, at in unknown:
        before = [each for each in raised.get((team, alert_id), ()) if each <= at]
        if before:
            left += 1
            longest = max(longest, at - max(before))
    return Orphans(left, math.ceil(longest / DAY_SECONDS), len(unknown) - left)


def count_names(names: Sequence[str], counts: Counter[str]) -> None:
    """Add the names of fields to what was counted; of more than 1,000 names the later ones are not told apart."""
    for name in names:
        shown = display_text(name, _NAME_LENGTH)
        counts[shown if shown in counts or len(counts) < _NAMES_COUNTED else "others"] += 1


def orphan_sentence(orphans: Orphans, problem: Problem) -> str | None:
    """What becomes of late actions, and what would keep them; None where there are none."""
    if not orphans.left:
        return None
    return (
        f"{orphans.left:,} actions come more than {problem.ledger_days:g} days after their alert was raised, when the "
        "ledger no longer holds it: on Kafka each of them goes to alerts.failed as unknown_alert; to keep them, set "
        f"history.ledger_days = {orphans.needed_days} in the problem file, which changes the meaning of the history."
    )


def fields_sentence(counts: Mapping[str, int]) -> str | None:
    """The fields that nothing reads as a sentence; None where there are none."""
    fault = fields_fault(counts)
    return None if fault is None else f"{fault}."


def fields_fault(counts: Mapping[str, int]) -> Fault | None:
    """The fields that nothing reads, those of most events first; None where there are none."""
    if not counts:
        return None
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    more = f" and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else ""
    named = ", ".join(f"{name!r} in {count:,} events" for name, count in ranked[:_SHOWN])
    return Fault(f"Fields that nothing reads: {named}{more}", "if one is misspelt, fix its producer")


def no_notice(sentence: str) -> None:
    """For callers that show nothing."""


def sentences(orphans: Orphans, fields: Mapping[str, int], problem: Problem) -> Iterator[str]:
    """Both, where there is something to say."""
    yield from filter(None, (orphan_sentence(orphans, problem), fields_sentence(fields)))
