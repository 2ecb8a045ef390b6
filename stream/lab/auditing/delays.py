"""How long outcomes take, and how many are known by when."""

import numpy as np

from stream.lab.auditing.result import Decided, Delays
from stream.lab.replaying import Replayed

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
AT_ONCE_SECONDS = 1.0
_HOURS = (0.25, 1.0, 2.0, 4.0, 8.0, 12.0, 24.0, 48.0, 72.0, 168.0)
_EXACT = 1e-3  # seconds: an expiry is known at raise + horizon + grace


def delays(replayed: Replayed) -> Delays:
    """Of the alerts that count and whose horizon and grace had passed when the log ended."""
    problem = replayed.problem
    mature = replayed.counts & replayed.mature
    labelled = replayed.labelled & mature
    took = (replayed.decided_at - replayed.at)[labelled]
    acted = took[took < problem.due_seconds - _EXACT]
    hours = [hour for hour in _HOURS if hour < problem.due_seconds / 3600] + [problem.due_seconds / 3600]
    total = int(np.count_nonzero(mature))
    return Delays(
        minutes={f"{share:.0%}": float(np.quantile(acted, share)) / 60 for share in QUANTILES} if len(acted) else {},
        by_action=len(acted),
        by_expiry=len(took) - len(acted),
        at_once=int(np.count_nonzero(acted <= AT_ONCE_SECONDS)),
        maturity=[Decided(hour, _share(took <= hour * 3600 + _EXACT, total)) for hour in hours] if total else [],
    )


def _share(decided: np.typing.NDArray[np.bool_], total: int) -> float:
    return int(np.count_nonzero(decided)) / total
