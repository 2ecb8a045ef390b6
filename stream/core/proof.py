"""The proof of a rule: whether the mean risk of what it matches lies below its limit, however often people look.

An observation is one team's UTC hour in which the rule matched; its x in [0, 1] is the share of that hour's episodes
that were acted on. All figures depend on the number of observations n and the sum s of their x alone, so their order
does not matter.
"""

import hashlib
import math
from functools import lru_cache

from msgspec import Struct

from stream.core.records import Proof, ProofState

ALPHA = 0.05  # the chance that any rule of a deployment is ever called proven while its risk is at its limit
ACTING_RULES = 20  # over how many rules that chance is spread
PROOF_DAYS = 90.0  # how long a proof holds from its start
LEAST_DAYS = 7  # different UTC days that a proof's observations must be of
PAUSE_DAYS = 14.0  # of pause before a rule may close
CHAMPION_OBSERVATIONS = 30  # under its own scores, before a new champion acts by a rule
TRIP_LEVEL = 1_000.0
TRIP_FACTOR = 3.0  # times the limit: the risk that the trip watches for
MORE_AT_MOST = 10_000_000  # observations to proof; more than these is never

_SHARES = ((1_000.0, 0.0), (100.0, 0.1), (10.0, 0.2))  # E in units of 1/alpha, and the hold-out share from there on
_FIRST_SHARE = 0.5
_ITERATIONS = 100_000
_TINY = 1e-300
_PRECISION = 1e-16
_BOUND_PRECISION = 1e-11
_BOUNDS_KEPT = 10_000  # of proofs that are looked at again and again


class Tally(Struct, array_like=True):
    """The observations of one proof: how many, the sum of their x, and the first days they are of.

    `days` are UTC days since 1970, in order, at most `LEAST_DAYS` of them.
    """

    observations: int = 0
    acted: float = 0.0
    days: list[int] = []

    def add(self, acted: float, hour: int) -> None:
        """Count the observation of an hour (hours since 1970) whose share `acted`, 0 to 1, was acted on."""
        self.observations += 1
        self.acted += acted
        self.days = sorted({*self.days, hour // 24})[:LEAST_DAYS]


def total(tallies: list[Tally]) -> Tally:
    """All observations of several partitions together."""
    days = sorted({day for tally in tallies for day in tally.days})[:LEAST_DAYS]
    return Tally(sum(tally.observations for tally in tallies), math.fsum(tally.acted for tally in tallies), days)


def log_e(observations: int, acted: float, limit: float) -> float:
    """The natural log of E, the evidence that the mean risk is below the limit; E >= 1/alpha proves it at alpha.

    E = integral of q^s (1-q)^(n-s) over q from 0 to p0, divided by p0 p0^s (1-p0)^(n-s): the beta-binomial mixture
    with q uniform on [0, p0] (Robbins 1970; Howard, Ramdas, McAuliffe, Sekhon, Annals of Statistics 49(2), 2021).
    While the risk is p0 or more, E is on average at most 1 whenever one looks.

    >>> round(math.exp(log_e(143, 2.0, 0.05)), 3)
    7.396

    Raises:
        ValueError: not 0 <= acted <= observations, or the limit is not between 0 and 1.
    """
    if not 0.0 < limit < 1.0 or not 0.0 <= acted <= observations:
        raise ValueError(f"no proof of {acted} acted on among {observations} at a limit of {limit}")
    a, b = acted + 1.0, observations - acted + 1.0
    if limit < (a + 1.0) / (a + b + 2.0):
        return math.log1p(-limit) - math.log(a) + math.log(_beta_fraction(a, b, limit))
    whole = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    whole -= a * math.log(limit) + (b - 1.0) * math.log1p(-limit)
    beyond = math.log1p(-limit) - math.log(b) + math.log(_beta_fraction(b, a, 1.0 - limit))
    return whole + math.log1p(-math.exp(min(beyond - whole, -_PRECISION)))


def log_e_above(observations: int, acted: float, limit: float) -> float:
    """The natural log of the mirrored E, the evidence that the mean risk is above the limit: q uniform on [p0, 1]."""
    return log_e(observations, observations - acted, 1.0 - limit)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction h with B_x(a, b) = x^a (1-x)^b h / a, for x below (a+1)/(a+b+2), by Lentz's method.

    Numerical Recipes, third edition, 6.4.
    """
    c, d = 1.0, 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1.0))
    h = d
    for m in range(1, _ITERATIONS):
        step = 1.0
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _not_zero(1.0 + term * d)
            c = _not_zero(1.0 + term / c)
            step = c * d
            h *= step
        if abs(step - 1.0) <= _PRECISION:
            break
    return h


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


@lru_cache(maxsize=_BOUNDS_KEPT)
def upper_bound(observations: int, acted: float, alpha: float) -> float:
    """The least limit above the mean that is proven: the risk lies below it, at any look, but for a chance of alpha.

    >>> round(upper_bound(143, 2.0, 0.05), 4)
    0.0603
    """
    if acted >= observations:
        return 1.0
    low, high, needed = acted / observations, 1.0, -math.log(alpha)
    while high - low > _BOUND_PRECISION:
        middle = (low + high) / 2.0
        low, high = (low, middle) if log_e(observations, acted, middle) >= needed else (middle, high)
    return high


def lower_bound(observations: int, acted: float, alpha: float) -> float:
    """The risk lies above it, at any look, but for a chance of alpha."""
    return 1.0 - upper_bound(observations, observations - acted, alpha)


def more_needed(observations: int, acted: float, limit: float, alpha: float) -> int | None:
    """How many more observations, none of them acted on, prove the limit; None where `MORE_AT_MOST` do not.

    E grows with each such observation.

    >>> more_needed(143, 2.0, 0.05, 0.05), more_needed(0, 0.0, 0.05, 0.05)
    (31, 88)
    """
    needed = -math.log(alpha)

    def is_enough(more: int) -> bool:
        return log_e(observations + more, acted, limit) >= needed

    if is_enough(0):
        return 0
    more = 1
    while not is_enough(more):
        more *= 2
        if more > MORE_AT_MOST:
            return None
    low = more // 2
    while more - low > 1:
        middle = (low + more) // 2
        low, more = (low, middle) if is_enough(middle) else (middle, more)
    return more


def alpha_of(start: int, alpha: float = ALPHA, rules: int = ACTING_RULES) -> float:
    """The alpha of the k-th start under one rule's name: alpha / (rules k (k+1)), which add up to alpha / rules.

    >>> alpha_of(1), alpha_of(2) == alpha_of(1) / 3
    (0.00125, True)
    """
    return alpha / (rules * start * (start + 1))


def state_of(tally: Tally, limit: float, alpha: float, alpha_failed: float = ALPHA) -> ProofState:
    """The state that the observations make now: the present E decides, not its highest, and failed beats proven.

    To stop a rule takes less evidence than to let it act: it fails at `alpha_failed`, which starts do not divide.
    """
    n, s = tally.observations, min(tally.acted, float(tally.observations))
    if log_e_above(n, s, limit) >= -math.log(alpha_failed):
        return "failed"
    proven = len(tally.days) >= LEAST_DAYS and log_e(n, s, limit) >= -math.log(alpha)
    return "proven" if proven else "inconclusive"


def judge(tally: Tally, limit: float, alpha: float, alpha_failed: float = ALPHA) -> Proof:
    """The state of a proof with its figures; the bound is None without an observation. See `state_of`."""
    n, s = tally.observations, min(tally.acted, float(tally.observations))
    bound = upper_bound(n, s, alpha) if n else None
    return Proof(n, s, bound, limit, state_of(tally, limit, alpha, alpha_failed))


def proof_words(proof: Proof, alpha: float, days: int = LEAST_DAYS) -> str:
    """A proof in one sentence, `days` of which its observations are.

    >>> proof_words(judge(Tally(143, 2.0, [1, 2, 3, 4, 5, 6, 7]), 0.05, 0.05), 0.05)
    'inconclusive: 143 observations, 2.0 acted on, bound 6.0 %, limit 5 %; proven after 31 more without one'
    """
    n, s, limit = proof.observations, proof.acted, proof.limit
    bound = "no bound" if proof.bound is None else f"bound {proof.bound:.1%}".replace("%", " %")
    counted = f"{n:,} observation{'s' * (n != 1)}, {s:.1f} acted on"
    words = f"{proof.state}: {counted}, {bound}, limit {100 * limit:g} %"
    if proof.state == "failed":
        if log_e_above(n, s, limit) < -math.log(ALPHA):
            return words
        least = f"{lower_bound(n, s, ALPHA):.1%}".replace("%", " %")
        return f"failed: {counted}, risk at least {least}, limit {100 * limit:g} %"
    if proof.state == "proven":
        return words
    more = more_needed(n, s, limit, alpha)
    if more == 0:
        return f"{words}; seen on {days} day{'s' * (days != 1)}, proven from {LEAST_DAYS} on"
    return f"{words}; " + (
        "no number of observations that can be waited for proves it"
        if more is None
        else f"proven after {more:,} more without one"
    )


def holdout_share(passed: float, floor: float) -> float:
    """The share of team hours that an acting rule leaves alone: 50, 20, 10 %, then the floor.

    It steps as the log of (highest E of the arming, times alpha) passes that of 10, 100 and 1,000.

    >>> [holdout_share(math.log(times), 0.05) for times in (1, 10, 100, 1000)]
    [0.5, 0.2, 0.1, 0.05]
    """
    return next((max(share, floor) for times, share in _SHARES if passed >= math.log(times)), max(_FIRST_SHARE, floor))


def draw(salt: str, rule: str, team: str, hour: int) -> float:
    """The draw of a team's hour under a rule, uniform on [0, 1): it is held out where this is below the share."""
    digest = hashlib.sha256(f"{salt}\0{rule}\0{team}\0{hour}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53


def trip_step(level: float, acted: float, limit: float) -> float:
    """The trip's level R after one more held-out observation; the rule is tripped at `TRIP_LEVEL` or more.

    R <- (1 + R) (q1/p0)^x ((1-q1)/(1-p0))^(1-x) with q1 = 3 p0 (Shiryaev-Roberts e-detector: Shin, Ramdas, Rinaldo,
    2023). While the risk is within the limit, there are on average at least 1,000 observations between false trips.
    """
    q = min(TRIP_FACTOR * limit, (1.0 + limit) / 2.0)
    gain = acted * math.log(q / limit) + (1.0 - acted) * math.log((1.0 - q) / (1.0 - limit))
    return (1.0 + level) * math.exp(gain)
