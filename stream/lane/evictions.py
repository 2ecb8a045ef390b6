"""Watching the server that keeps the histories: what it evicts, and whether it would."""

import logging

from stream.core.errors import Fault
from stream.lane.fence import NO_EVICTION, ServerStatus

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
        """How many keys were evicted since the look before; a policy that would evict more is logged once."""
        before, self._seen = self._seen, status
        was = before.policy if before else NO_EVICTION
        if status.policy == NO_EVICTION != was:
            log.warning("Redis evicts no keys any more")
        elif status.policy not in (NO_EVICTION, was):
            log.error("%s", policy_sentence(status.policy))
        return status.evicted_since(before.evictions) if before else 0


def policy_sentence(policy: str) -> str:
    """Why a server with this policy can't be trusted with history, with the mend."""
    return str(policy_fault(policy))


def policy_fault(policy: str) -> Fault:
    """Why a server with this policy can't be trusted with history."""
    return Fault(f"Redis runs with maxmemory-policy {policy}, which would throw history away", "set it to noeviction")
