"""What the closer asks of other systems about one alert: to pause it, to close it, or to bring it back."""

import hashlib
from typing import Literal

from msgspec import Struct

from stream.core.events import Raised
from stream.core.records import Decision

DeedKind = Literal["pause", "close", "release"]


class Deed(Struct, frozen=True, kw_only=True):
    """One request, the same for every target.

    Attributes:
        id: the idempotency key: who gets a deed of this id again has done it already.
        kind: what is asked.
        decision: by which rule, why, and until when.
        alert: as it was raised, with all labels.
        ended: of a release, whether the alert itself has ended, so that there is nothing to bring back.
    """

    id: str
    kind: DeedKind
    decision: Decision
    alert: Raised
    ended: bool = False


def deed_of(alert: Raised, decision: Decision, ended: bool = False) -> Deed | None:
    """What a decision asks of other systems; None where it asks nothing. `ended`: see `Deed`."""
    kind = decision.decision
    if kind != "pause" and kind != "close" and kind != "release":
        return None
    name = "\0".join((decision.team, decision.alert_id, kind, decision.decided_at.isoformat()))
    return Deed(
        id=hashlib.sha256(name.encode()).hexdigest()[:32], kind=kind, decision=decision, alert=alert, ended=ended
    )
