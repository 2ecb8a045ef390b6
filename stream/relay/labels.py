"""From a decision of the closer to the label `noisegate`, by which Alertmanager can route; no server and no clock.

A label is identity: an alert with it is another alert. So it is set only at a firing's first forwarding, and all relays
of a deployment agree on it before: the first claim in Redis stands.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from stream.core.records import Decision
from stream.sources.firing_store import FiringStore, Swap

_LABELS = {"pause": "paused", "close": "closed"}
PLAIN_SECONDS = 3_600.0  # by then nothing of a firing's first forwarding is open
LABELLED_SECONDS = 7 * 86_400.0  # as long as a firing is remembered of which nothing is heard


class Claim(Struct, frozen=True, array_like=True):
    """What was agreed for one firing.

    Attributes:
        label: `paused`, `closed`, or empty: it goes on plain.
        until: when the label is taken off at the latest, seconds since 1970; None: by a release only.
    """

    label: str
    until: float | None = None


PLAIN = Claim("")
_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(Claim).decode


def claim_of(decision: Decision) -> Claim:
    """The claim that a decision asks for: only a deed sets a label."""
    label = _LABELS.get(decision.decision, "")
    if not label:
        return PLAIN
    return Claim(label, None if decision.until is None else decision.until.timestamp())


def claim_key(alert_id: str) -> str:
    """The key of a claim, without the deployment."""
    return f"label:{alert_id}"


class Claims:
    """The claims of all relays of a deployment. Calls block; one thread at a time."""

    def __init__(self, store: FiringStore) -> None:
        self._store = store

    def read(self, alert_ids: Sequence[str]) -> dict[str, Claim]:
        """The claims that stand. Raises FiringsAway."""
        values = self._store.read([claim_key(one) for one in alert_ids])
        return {one: claim for one, value in zip(alert_ids, values, strict=True) if (claim := _read(value)) is not None}

    def claim(self, wanted: Mapping[str, Claim]) -> dict[str, Claim]:
        """Claim for firings of which none stands; returns the claims that stand then. Raises FiringsAway."""
        swaps = [Swap(claim_key(one), b"", _encode(claim), _seconds(claim)) for one, claim in wanted.items()]
        stored = self._store.swap(swaps)
        lost = [one for one, done in zip(wanted, stored, strict=True) if not done]
        return {**wanted, **dict.fromkeys(lost, PLAIN), **(self.read(lost) if lost else {})}

    def release(self, claims: Mapping[str, Claim]) -> None:
        """Let plain claims stand in the place of these. Raises FiringsAway."""
        plain = _encode(PLAIN)
        self._store.swap(
            [Swap(claim_key(one), _encode(claim), plain, LABELLED_SECONDS) for one, claim in claims.items()]
        )


class Decisions:
    """The latest decisions by alert id, at most `most`; a release is never followed by an older deed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[str, Decision] = OrderedDict()

    def add(self, decision: Decision) -> None:
        """Remember a decision, unless it is read again and a later one has brought the alert back."""
        known = self._found.get(decision.alert_id)
        if known is not None and known.decision == "release" and decision.decided_at < known.decided_at:
            return
        self._found[decision.alert_id] = decision
        self._found.move_to_end(decision.alert_id)
        if len(self._found) > self._most:
            self._found.popitem(last=False)

    def get(self, alert_id: str) -> Decision | None:
        """The decision about an alert; None where none is known."""
        return self._found.get(alert_id)


class Rate:
    """How many new firings there were in the last second."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most, self._clock = most, clock
        self._times: deque[tuple[float, int]] = deque()
        self._count = 0

    def add(self, count: int) -> bool:
        """Count new firings; whether there are no more than may wait."""
        now = self._clock()
        self._times.append((now, count))
        self._count += count
        while self._times[0][0] <= now - 1.0:
            self._count -= self._times.popleft()[1]
        return self._count <= self._most


def _read(value: bytes) -> Claim | None:
    try:
        return _decode(value) if value else None
    except msgspec.DecodeError:
        return None


def _seconds(claim: Claim) -> float:
    return LABELLED_SECONDS if claim.label else PLAIN_SECONDS
