"""The reference of drift, `reference.json`: how features and scores were spread when the model was made.

A value x falls in the first bin whose edge is not below it: bin 0 is x <= edges[0], the last is above all edges. What
is not known (NaN) is its own share. All shares of one feature sum to 1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct, field

from stream.core import drift

BINS = 10
ROWS = 10**12  # more is nonsense, and would not fit a float
SCORE = "score"  # the score's own name among the features

Share = Annotated[float, Meta(ge=0, le=1)]
Effect = Annotated[float, Meta(ge=1, le=1e6)]
Quantile = Annotated[float, Meta(ge=0, le=1e6)]
Fault = Literal["unreadable", "missing", "malformed", "bad_edges", "no_edges"]
FAULTS: tuple[Fault, ...] = get_args(Fault)


class Spread(Struct, frozen=True):
    """One feature's, or the score's: at most nine edges, so at most ten bins.

    The design effects say by how much clustering widens chance in a window of 24 h and of 7 d: n alerts tell as much
    as n / design_effect would if they came one by one (docs/DRIFT.md). Not measured (None): nothing rings. `chi2` is
    the quantile of chi-squared that none of the model's ringing features passes by chance; models made before it was
    shipped have none.
    """

    edges: list[float]
    shares: list[Share]  # one more than edges
    missing: Share
    design_effect: Effect | None = None
    design_effect_7d: Effect | None = None
    chi2: Quantile | None = None


class Reference(Struct, frozen=True):
    """`rows` alerts of the later half of the training window, as a live scorer would have seen them.

    `unseen` is the share of them, by key of the priors, whose value training did not know.
    """

    rows: int
    label_rate: float
    score: Spread
    features: dict[str, Spread]
    unseen: dict[str, float] = {}


class Watched(Struct, frozen=True):
    """What of a reference can be held against live alerts.

    Attributes:
        rows: alerts it was made from; 0: nothing is watched.
        label_rate: None where it is not known.
        spreads: the watched features and the score, by name.
        unseen: as in `Reference`, sound shares only.
        faults: why a feature of the model, or the score, is not watched.
    """

    rows: int = 0
    label_rate: float | None = None
    spreads: dict[str, Spread] = {}
    unseen: dict[str, float] = {}
    faults: dict[str, Fault] = {}


class _Raw(Struct):
    """The file's outline; what stands under a name is looked at by itself."""

    rows: Annotated[int, Meta(ge=1, le=ROWS)]
    features: dict[str, msgspec.Raw]
    score: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"null"))
    label_rate: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"null"))
    unseen: msgspec.Raw = field(default_factory=lambda: msgspec.Raw(b"null"))


_BROKEN = (msgspec.DecodeError, ValueError, RecursionError, OverflowError)
_decoder = msgspec.json.Decoder(_Raw)
_spread_decoder = msgspec.json.Decoder(Spread)


def read_reference(data: bytes, names: Sequence[str]) -> Watched:
    """The reference as far as it can be used, whatever the bytes; `names` are the model's features.

    >>> read_reference(b"{}", ["hour_sin"]).faults
    {'hour_sin': 'unreadable', 'score': 'unreadable'}
    """
    wanted = [*names, SCORE]
    try:
        raw = _decoder.decode(data)
    except _BROKEN:
        return Watched(faults=dict.fromkeys(wanted, "unreadable"))
    spreads: dict[str, Spread] = {}
    faults: dict[str, Fault] = {}
    for name in wanted:
        found = _spread(raw.score if name == SCORE else raw.features.get(name))
        if isinstance(found, Spread):
            spreads[name] = found
        else:
            faults[name] = found
    return Watched(raw.rows, _number(raw.label_rate), spreads, _unseen(raw.unseen), faults)


def medians(spreads: Mapping[str, Spread]) -> dict[str, float]:
    """The median of each feature, to the width of its bins: the edge that half of what is known does not exceed.

    >>> medians({"open": Spread([1.0, 4.0], [0.3, 0.4, 0.3], 0.0)})
    {'open': 4.0}
    """
    found = {}
    for name, spread in spreads.items():
        half, total = (1.0 - spread.missing) / 2.0, 0.0
        for edge, share in zip(spread.edges, spread.shares, strict=False):
            total += share
            if total >= half:
                found[name] = edge
                break
        else:
            found[name] = spread.edges[-1]
    return found


def chances(spread: Spread, ringing: int) -> dict[str, float]:
    """What (1/n + 1/m) is to be multiplied by, in a window of 24 h and of 7 d, for the PSI that chance stays below.

    n live alerts, m those of the reference; `ringing` features share the chance. A window whose design effect is not
    known has none.
    """
    effects = {"24h": spread.design_effect, "7d": spread.design_effect_7d}
    return {window: chance(spread, ringing, effect) for window, effect in effects.items() if effect is not None}


def chance(spread: Spread, ringing: int, effect: float) -> float:
    """The same for one design effect: its product with the shipped quantile, or where none is with an approximation."""
    if spread.chi2 is None:
        return drift.chance(len(spread.shares) + 1, ringing, effect)
    return max(effect, 1.0) * spread.chi2


def _spread(raw: msgspec.Raw | None) -> Spread | Fault:
    if raw is None or bytes(raw) == b"null":
        return "missing"
    try:
        spread = _spread_decoder.decode(raw)
    except _BROKEN:
        return "malformed"
    if not spread.edges:
        return "no_edges"  # nothing was told apart: all fell in one bin, or nothing was known
    rising = all(a < b for a, b in zip(spread.edges, spread.edges[1:], strict=False))
    if len(spread.edges) >= BINS or not rising or not all(map(math.isfinite, spread.edges)):
        return "bad_edges"
    if len(spread.shares) != len(spread.edges) + 1 or abs(sum(spread.shares) + spread.missing - 1.0) > 1e-6:
        return "malformed"
    return spread


def _number(raw: msgspec.Raw) -> float | None:
    try:
        value: float = msgspec.json.decode(raw, type=Share)
    except _BROKEN:
        return None
    return value


def _unseen(raw: msgspec.Raw) -> dict[str, float]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Share])
    except _BROKEN:
        return {}
