"""Episodes: firings of one team, rule and entity that follow each other closely, kept in that level's state.

An episode is decided by raise times of its own level alone, so it depends on no partition and on no batch border.
"""

import hashlib

from stream.core import state
from stream.core.ledger import Alert

LONGEST = 86_400.0  # seconds from an episode's first raise to its last


def episode_start(level: state.State, at: float, gap: float) -> float:
    """The first raise of the episode that a raise at `at` belongs to; `level` is the state before it. All in seconds.

    A raise more than `gap` after the level's last one, or more than a day after the episode's first, begins the next.
    A late one joins the running episode unless it is before its first raise by more than `gap`: then it is an episode
    of its own, and begins before the running one, which goes on.
    """
    first, last = level[state.EPISODE], level[state.LAST_RAISED]
    if at < last:
        return at if first - at > gap else first
    return at if at - last > gap or at - first > LONGEST else first


def episode_id(team: str, alert: Alert) -> str:
    """Sixteen hex digits of a hash of team, rule, entity and the time of the episode's first raise."""
    first = alert.raised_at if alert.episode is None else alert.episode
    text = f"{team}\0{alert.rule}\0{alert.entity}\0{first!r}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
