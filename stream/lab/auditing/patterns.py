"""Re-fires, and rules that nobody acts on."""

from glob import escape

import numpy as np

from stream.core.errors import LabError
from stream.core.ledger import ACTIONABLE
from stream.core.problem import Exclusion
from stream.extras import import_extra
from stream.lab.auditing.result import Proposal, Refires
from stream.lab.replaying import Replayed
from stream.lab.window import Split, trainable

CONFIDENCE = 0.95  # one-sided
SMALL_SHARE = 0.01  # a rule acted on less often than this is for reading
LEAST_KNOWN = 300  # outcomes before the split; none of 299 actionable just reaches the small share
_EXACT = 1e-3


def refires(replayed: Replayed, split: Split | None) -> Refires:
    """Count the alerts raised soon after their like."""
    horizon, labelled = replayed.problem.horizon_seconds, replayed.labelled
    latest: dict[tuple[str, str, str], int] = {}
    before: dict[tuple[str, str, str], float] = {}
    found = across = like_before = after = paired = same = 0
    for index in np.argsort(replayed.at, kind="stable"):
        alert, at = replayed.alerts[index], float(replayed.at[index])
        like = (alert.team, alert.rule, alert.entity)
        earlier = latest.get(like)
        if earlier is not None and at - replayed.at[earlier] <= horizon:
            found += 1
            if labelled[index] and labelled[earlier]:
                paired += 1
                same += int(replayed.outcome[index] == replayed.outcome[earlier])
        latest[like] = int(index)
        if split is not None and at < split.at:
            before[like] = at
        elif split is not None:
            after += 1
            across += int(at - before.get(like, -np.inf) <= horizon)
            like_before += int(split.at - before.get(like, -np.inf) <= horizon)
    return Refires(found, replayed.effects["repeated_raise"], across, like_before, after, paired, same)


def upper_bound(actionable: int, known: int) -> float:
    """The upper 95 % bound of a share (Clopper and Pearson, 1934), one-sided.

    >>> round(upper_bound(0, 299), 4)
    0.01
    """
    if actionable >= known:
        return 1.0
    beta = import_extra("scipy.stats", "lab", "the audit needs", LabError).beta
    return float(beta.ppf(CONFIDENCE, actionable + 1, known - actionable))


def proposals(replayed: Replayed, split: Split) -> list[Proposal]:
    """Rules that look visibility-only by outcomes known at the split, those with most alerts first."""
    found = []
    for rule, indices in _known_by_rule(replayed, split).items():
        actionable = int(np.count_nonzero(replayed.outcome[indices] == ACTIONABLE))
        upper = upper_bound(actionable, len(indices))
        if len(indices) < LEAST_KNOWN or upper >= SMALL_SHARE or not rule:
            continue
        took = replayed.decided_at[indices] - replayed.at[indices]
        found.append(
            Proposal(
                rule=rule,
                known=len(indices),
                actionable=actionable,
                upper=upper,
                closed_by_hand=int(np.count_nonzero(took < replayed.problem.due_seconds - _EXACT)) - actionable,
                toml=toml_of(rule),
            )
        )
    return sorted(found, key=lambda proposal: (-proposal.known, proposal.rule))


def rules_tested(replayed: Replayed, split: Split) -> int:
    """How many rules have outcomes enough, known at the split, to be proposed."""
    return sum(bool(rule) and len(known) >= LEAST_KNOWN for rule, known in _known_by_rule(replayed, split).items())


def _known_by_rule(replayed: Replayed, split: Split) -> dict[str, list[int]]:
    known: dict[str, list[int]] = {}
    for index in np.flatnonzero(trainable(replayed, split)):
        known.setdefault(replayed.alerts[index].rule, []).append(int(index))
    return known


def exclusion_of(rule: str) -> Exclusion:
    """The pattern that means this rule and no other."""
    return Exclusion(rule=escape(rule))


def toml_of(rule: str) -> str:
    """The same as TOML, an element of exclude.visibility_only.

    >>> toml_of("report/daily")
    '{rule = "report/daily"}'
    """
    table = import_extra("tomlkit", "lab", "the audit needs", LabError).inline_table()
    table["rule"] = escape(rule)
    return str(table.as_string())
