"""Deliveries that were taken already: a sender's second try, or somebody who recorded the first."""

import hashlib

from stream.core.errors import NoisegateError
from stream.core.events import words_for
from stream.sources.expiring_store import ExpiringStore, ExpiringStoreAway
from stream.sources.parsed import BadRequest

KEPT_SECONDS = 3 * 86_400.0  # PagerDuty tries again for two days


class Duplicate(NoisegateError):
    """A delivery that was taken already; the sender is answered with `status`, and nothing is done."""

    status = 200


class ReplayGuard:
    """Knows the deliveries of the last days by their signed ids.

    A delivery is remembered after the broker has acknowledged its events, not before: a sender whose first try was lost
    on the way must be taken the second time. Two that come at the same moment are both taken; their events have the
    same ids and count once. With the memory away every delivery is taken, for the same reason.

    Args:
        store: where they are remembered, by all intakes of a deployment.
        kept_seconds: how long; what was signed before that is refused, since it can't be known.
    """

    def __init__(self, store: ExpiringStore, kept_seconds: float = KEPT_SECONDS) -> None:
        self._store, self._kept = store, kept_seconds

    def check(self, source: str, delivery: str | None, signed_at: float | None, now: float) -> None:
        """Refuse a delivery that was taken, or that is too old to know.

        Args:
            source: whose delivery.
            delivery: its signed id; None: it has none, and is taken.
            signed_at: when it was signed, seconds since 1970, if that is signed.
            now: seconds since 1970.

        Raises:
            Duplicate: it was taken.
            BadRequest: 401, it is too old.
        """
        if signed_at is not None and signed_at < now - self._kept:
            raise BadRequest(
                401,
                "",
                f"the delivery was signed {words_for(now - signed_at)} ago, and deliveries are known for "
                f"{words_for(self._kept)}; send it anew",
            )
        if delivery is None:
            return
        try:
            taken = self._store.read(delivery_key(source, delivery)) is not None
        except ExpiringStoreAway:
            return
        if taken:
            raise Duplicate(f"delivery {delivery[:100]!r} was taken before; nothing is done")

    def remember(self, source: str, delivery: str | None) -> None:
        """Remember a delivery whose events the broker has acknowledged; with the memory away nothing happens."""
        if delivery is None:
            return
        try:
            self._store.put(delivery_key(source, delivery), b"1", self._kept)
        except ExpiringStoreAway:
            return


def delivery_key(source: str, delivery: str) -> str:
    """The key of a delivery."""
    return f"delivery:{source}:{hashlib.sha256(delivery.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
