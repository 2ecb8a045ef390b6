"""Watching the server that keeps the histories: what it evicts, and whether it would."""

import logging

from stream.core.errors import HistoryRefused
from stream.scorer.history import NO_EVICTION, ServerStatus

log = logging.getLogger(__name__)


class EvictionWatch:
    """Compares what the server says of itself with what it said before."""

    def __init__(self) -> None:
        self._seen: ServerStatus | None = None

    @property
    def fault(self) -> str | None:
        """Why history is in danger, in one sentence; None where it is not."""
        if self._seen is None or self._seen.policy == NO_EVICTION:
            return None
        return policy_sentence(self._seen.policy)

    def look(self, status: ServerStatus) -> int:
        """How many keys were evicted since the look before; a policy that would evict more is logged once.

        Raises:
            HistoryRefused: at the first look, the server would evict history.
        """
        before, self._seen = self._seen, status
        if before is None:
            if status.policy != NO_EVICTION:
                self._seen = None
                raise HistoryRefused(policy_sentence(status.policy))
            return 0
        if status.policy != before.policy:
            if status.policy == NO_EVICTION:
                log.warning("Redis evicts no keys any more")
            else:
                log.error("%s", policy_sentence(status.policy))
        return status.evicted_since(before.evictions)


def policy_sentence(policy: str) -> str:
    """Why a server with this policy can't be trusted with history, with the mend."""
    return f"Redis runs with maxmemory-policy {policy}, which would throw history away; set it to noeviction"
