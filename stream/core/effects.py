"""The effects of a step of the fold, in the order in which they happen."""

from msgspec import Struct

from stream.core.events import Raised
from stream.core.ledger import Alert, Context, Timer


class Arrived(Struct, gc=False):
    """A new alert. Its features' raw material is row number `row` of `Fold.rows`; `flags` are as of its arrival."""

    event: Raised
    alert: Alert
    row: int
    flags: int


class Repeated(Struct, gc=False):
    """An alert that was raised before (a retried webhook): it counts once."""

    event: Raised
    alert: Alert
    flags: int


class Decided(Struct, gc=False):
    """An outcome became known. What may change later in the ledger stands here as of the decision."""

    team: str
    alert_id: str
    alert: Alert
    outcome: int
    decided_at: float
    by: str
    flags: int
    offset: int  # of the record at which it was decided
    agent: str | None = None  # who did the deciding action: person or automation; None: nobody, or nobody says
    context: Context | None = None


class Fired(Struct, gc=False):
    """Time has passed the due of one of the room's timers, which leaves the ledger."""

    name: str
    timer: Timer


class Counted(Struct, gc=False):
    """An action that decided nothing, and why."""

    effect: str  # non_deciding, beyond_horizon, before_raise, after_decision, late, repeated, held


class Unknown(Struct, gc=False):
    """An action for an alert that nobody knows."""

    value: bytes
    offset: int


Effect = Arrived | Repeated | Decided | Fired | Counted | Unknown
