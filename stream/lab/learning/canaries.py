"""Canaries, run with every training: what must not be learnable is not learnt, and nothing sees its own future.

Each asks something that only a leak could answer. One that has too few alerts to say anything is not tested, which is
neither passed nor failed, and says so.
Intervals are normal ones of the Mann-Whitney statistic at 99.99 %: one fair training in ten thousand fails a check.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from stream.core import state
from stream.core.errors import LabError
from stream.core.features import Feature
from stream.core.frame import Array, Labels, Mask, Matrix, level_index
from stream.core.ledger import OPEN
from stream.lab.judging.metrics import auc
from stream.lab.judging.report_schema import Check
from stream.lab.learning import trees
from stream.lab.matrix import training_matrix
from stream.lab.priors import learn
from stream.lab.replaying import Replayed
from stream.lab.split import EARLIER, LEAST_LATER, LEAST_OF_A_CLASS, Window, earlier_and_later, has_enough
from stream.progress import Progress

Remake = Callable[[Replayed, int, int], Matrix]  # the matrix of a replay's first steps, with so many alerts raised
Z = 3.891  # 99.99 %, two-sided
ROUNDS = 40
ROWS = 5_000  # of either part, at most
CUTS, CUTS_WITHIN = 4, 20_000
AUDITED = 500
MARGIN = 0.02  # AUC between two fits on equally good labels: what the draw of the training rows alone makes


def run(window: Window, keys: Sequence[str], seed: int, progress: Progress) -> list[Check]:
    """All canaries.

    Raises:
        LabError: one of them found a leak.
    """
    remake = remaker(keys, window.features)
    names = [feature.name for feature in window.features]
    asked: list[Callable[[], Check]] = [
        lambda: shuffled(window, remake, seed),
        lambda: order(window.replayed, window.usable),
        lambda: cut(window, names, remake),
        lambda: shifted(window, seed),
    ]
    checks = []
    for number, ask in enumerate(asked):
        checks.append(ask())
        progress("checking for leaks", (number + 1) / len(asked))
    for check in checks:
        if check.passed is False:
            raise LabError(f"the canary {check.name!r} found a leak: {check.text}; the model is not written")
    return checks


def remaker(keys: Sequence[str], chosen: Sequence[Feature]) -> Remake:
    """What makes the training matrix anew, from a replay that is not quite the same."""

    def remake(replayed: Replayed, steps: int, alerts: int) -> Matrix:
        return training_matrix(replayed, learn(replayed, list(keys), steps, alerts), chosen)

    return remake


def shuffled(window: Window, remake: Remake, seed: int) -> Check:
    """Outcomes shuffled within the window, priors learnt from them: a model of the earlier part must know nothing."""
    name, replayed, end = "shuffled labels", window.replayed, window.end
    earlier, later = earlier_and_later(window)
    if not has_enough(window, earlier, later):
        return _too_few(name, window, earlier, later)
    usable = np.flatnonzero(window.usable)
    outcome = replayed.outcome.copy()
    outcome[usable] = outcome[np.random.default_rng(seed).permutation(usable)]
    matrix = remake(replace(replayed, outcome=outcome), end.step, end.alert)
    learnt, judged = _last(earlier), _last(later)
    y = outcome[judged]
    if len(np.unique(outcome[learnt])) < 2 or len(np.unique(y)) < 2:
        return _too_few(name, window, earlier, later)
    found = auc(y, _scores(matrix[learnt], outcome[learnt], matrix[judged], window.features, seed))
    wide = Z * null_deviation(y)
    text = f"AUC {found:.3f} on {len(y):,} later alerts, by chance {0.5 - wide:.3f} to {0.5 + wide:.3f}"
    return Check(name, abs(found - 0.5) <= wide, text, len(y))


def _too_few(name: str, window: Window, earlier: Mask, later: Mask) -> Check:
    count = int(np.count_nonzero(later))
    rarest = min(int(np.bincount(window.take(mask)[1], minlength=2).min()) for mask in (earlier, later))
    text = (
        f"too few alerts to tell: {count:,} after the earlier {EARLIER:.0%} of the window and {rarest:,} of the rarer "
        f"outcome in a part, {LEAST_LATER} and {LEAST_OF_A_CLASS} are needed"
    )
    return Check(name, None, text, count)


def order(replayed: Replayed, usable: Mask) -> Check:
    """The fold's rows against the order in which outcomes became known: none may count more than was known.

    Fewer is fine: what was long ago is forgotten.
    """
    places = np.flatnonzero(usable)
    sample = set(places[np.linspace(0, len(places) - 1, min(AUDITED, len(places))).astype(int)].tolist())
    known: dict[tuple[str, str], list[int]] = {}
    levels = level_index(tuple(replayed.problem.history.labels))
    wrong = 0
    for step in replayed.sequence.tolist():
        alert = replayed.alerts[step if step >= 0 else ~step]
        if step < 0:
            for key in (("team", alert.team), ("team_rule", f"{alert.team}\0{alert.rule}")):
                if key[0] == "team_rule" or replayed.counts[~step]:
                    count = known.setdefault(key, [0, 0])
                    count[0] += 1
                    count[1] += int(replayed.outcome[~step])
        elif step in sample:
            team = known.get(("team", alert.team), [0, 0])
            team_rule = known.get(("team_rule", f"{alert.team}\0{alert.rule}"), [0, 0])
            row = replayed.rows[step]
            wrong += _counts_more(row, levels["team"], team) or _counts_more(row, levels["team_rule"], team_rule)
    text = f"of {len(sample):,} alerts {wrong:,} have a history that counts outcomes not known at the raise"
    return Check("time order", not wrong, text, len(sample))


def _counts_more(row: Array, level: int, known: list[int]) -> bool:
    start = 1 + level * state.WIDTH
    decided, acted = row[start + state.DECIDED + 3], row[start + state.ACTED + 3]
    return bool(decided > known[0] or acted > known[1])


def cut(window: Window, names: Sequence[str], remake: Remake) -> Check:
    """No column of the matrix may change when the log is cut off."""
    places = int(np.count_nonzero(window.usable[:CUTS_WITHIN]))
    if not places:
        text = f"none of the first {CUTS_WITHIN:,} alerts can be learnt from, so there is no place to cut the log at"
        return Check("cut-off future", None, text, 0)
    found = leaking(window.matrix, names, window.replayed, remake, window.usable)
    text = f"no column of {len(names)} changes when the log ends right after an alert's raise"
    if found:
        text = f"{len(found)} of {len(names)} columns change when the log is cut off, first {found[0]}"
    return Check("cut-off future", not found, text, min(places, CUTS))


def leaking(matrix: Matrix, names: Sequence[str], replayed: Replayed, remake: Remake, usable: Mask) -> list[str]:
    """The columns that see the future.

    For a few alerts all that became known after the raise is cut off, the alert's own outcome with it, and the matrix
    of everything raised until then is made anew: a column that is not the same in every bit knew what was cut off.
    """
    places = np.flatnonzero(usable[:CUTS_WITHIN])
    changed = np.zeros(len(names), dtype=np.bool_)
    for share in np.arange(1, CUTS + 1) / CUTS:
        place = int(places[int(share * (len(places) - 1))])
        past, steps = known_at(replayed, place)
        again, before = remake(past, steps, place + 1), matrix[: place + 1]
        same = (again == before) | (np.isnan(again) & np.isnan(before))
        changed |= ~same.all(axis=0)
    return [name for name, moved in zip(names, changed.tolist(), strict=True) if moved]


def known_at(replayed: Replayed, place: int) -> tuple[Replayed, int]:
    """The replay as it was right after the raise of an alert, and its number of steps."""
    steps = int(np.flatnonzero(replayed.sequence == place)[0]) + 1
    sequence, until = replayed.sequence[:steps], place + 1
    known = np.zeros(until, dtype=np.bool_)
    known[~sequence[sequence < 0]] = True
    past = replace(
        replayed,
        alerts=replayed.alerts[:until],
        at=replayed.at[:until],
        rows=replayed.rows[:until],
        outcome=np.where(known, replayed.outcome[:until], OPEN).astype(np.int8),
        decided_at=np.where(known, replayed.decided_at[:until], 0.0),
        flags=replayed.flags[:until],
        last_outcome=replayed.last_outcome[:until],
        counts=replayed.counts[:until],
        sequence=sequence,
        ended_at=float(replayed.at[place]),
        p_act=None if replayed.p_act is None else replayed.p_act[:until],
    )
    return past, steps


def shifted(window: Window, seed: int) -> Check:
    """Each alert taught with the outcome of its team's and rule's next one: must not beat the true outcomes."""
    name, replayed = "labels of the next alert", window.replayed
    earlier, later = earlier_and_later(window)
    if not has_enough(window, earlier, later):
        return _too_few(name, window, earlier, later)
    rows, following = next_of_team_rule(replayed, np.flatnonzero(earlier))
    rows, following, judged = rows[-ROWS:], following[-ROWS:], _last(later)
    true, moved, y = replayed.outcome[rows], replayed.outcome[following], replayed.outcome[judged]
    if len(np.unique(true)) < 2 or len(np.unique(moved)) < 2 or len(np.unique(y)) < 2:
        text = f"too few alerts to tell: of {len(rows):,} with a next one of their team and rule one outcome is missing"
        return Check(name, None, text, len(rows))
    scores = [
        _scores(window.matrix[rows], labels, window.matrix[judged], window.features, seed) for labels in (true, moved)
    ]
    honest, other = auc(y, scores[0]), auc(y, scores[1])
    wide = MARGIN + Z * paired_deviation(y, scores[0], scores[1])
    text = f"AUC {other:.3f} on later alerts, {honest:.3f} with the true outcomes, by chance up to {wide:.3f} more"
    return Check(name, other - honest <= wide, text, len(y))


def next_of_team_rule(replayed: Replayed, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of the alerts that have a next one of the same team and rule among them, and that next one."""
    last: dict[tuple[str, str], int] = {}
    pairs: list[tuple[int, int]] = []
    for place in places.tolist():
        key = (replayed.alerts[place].team, replayed.alerts[place].rule)
        if key in last:
            pairs.append((last[key], place))
        last[key] = place
    both = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def null_deviation(y: Labels) -> float:
    """The standard deviation of the AUC of scores that know nothing (Mann and Whitney, 1947); ties make it less."""
    positives = int(y.sum())
    negatives = len(y) - positives
    return math.sqrt((positives + negatives + 1) / (12.0 * positives * negatives))


def paired_deviation(y: Labels, first: Array, second: Array) -> float:
    """The standard deviation of the difference of two scores' AUC on the same alerts (DeLong, 1988)."""
    differences = [_placed(y, second, side) - _placed(y, first, side) for side in (1, 0)]
    return math.sqrt(sum(float(values.var(ddof=1)) / len(values) for values in differences))


def _placed(y: Labels, p: Array, side: int) -> Array:
    """For each alert of one outcome, the share of those of the other that it is ranked above; equal counts half."""
    mine, others = p[y == side], np.sort(p[y != side])
    below, upto = np.searchsorted(others, mine, "left"), np.searchsorted(others, mine, "right")
    above = (below + upto) / (2.0 * len(others))
    return np.asarray(above if side else 1.0 - above)


def _scores(matrix: Matrix, labels: Labels, judged: Matrix, chosen: Sequence[Feature], seed: int) -> Array:
    params = trees.params_for(len(labels), seed, monotone=False)
    return trees.fit(matrix, labels, chosen, params, ROUNDS, lambda share: None).logits(judged)


def _last(mask: Mask) -> NDArray[np.int64]:
    return np.flatnonzero(mask)[-ROWS:]
