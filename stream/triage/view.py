"""What the page's browser side gets and sends, as types: rows, batches, verdicts. Times are seconds since 1970.

docs/TRIAGE.md lists the routes that carry them.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stream.core import limits
from stream.core.records import Band, Evidence, OutcomeName, Reason

Key = Annotated[str, Meta(min_length=1, max_length=2 * limits.NAME_LENGTH + limits.ID_LENGTH)]
RequestId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}\Z")]
Action = Literal["acted", "dismissed"]
SnoozeUntil = Literal["hour", "shift", "escalates"]
State = Literal["open", "snoozed", "suppressed", "decided", "ended"]
Sort = Literal["time", "probability"]
Role = Literal["viewer", "responder"]


class Mark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A verdict that an episode carries.

    Attributes:
        id: of its request; what `/v1/undo` names.
        action: the button.
        kind: the kind of action it is published as.
        person: the pseudonym of who gave it; the viewer's own is `PageState.pseudonym`.
        undo_until: until then it can be undone; None once it is published.
        words: what it changes, such as "2 of 43 now".
    """

    id: str
    action: Action
    kind: str
    person: str
    at: float
    reason: str | None = None
    undo_until: float | None = None
    words: str = ""


class Snooze(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An episode put off: until a time, or until a firing of higher severity where `until` is None."""

    id: str
    person: str
    at: float
    until: float | None = None


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the list: an episode, shown by its newest firing.

    Attributes:
        key: stable for the episode; names it in requests.
        alert_id: of the newest firing; with `team` the address of its page.
        raised_at: when the episode's first firing was raised that the page knows of.
        latest_at: when its newest one was.
        since: the batch in which it came in, or was last open again: a list that is older does not hold it.
        firings: how many firings the episode has; more than one opens with the right arrow (`/api/firings`).
        open: how many of them have not ended.
        state: `ended` greys out in place; `decided` carries a verdict or an outcome.
        probability: null where the alert is unscored, or where people are shown "not enough history" (evidence none).
        words: the history in words, or why there are none.
        last: the last outcomes like this, newest first, 1 = acted on.
        model, scored_at: whose word the score is, and of when.
        outcome, by: what became of the newest firing, once that is known.
        suppressed: what keeps it from people ("paused by night-disks until 10:20"); else empty.
    """

    key: str
    team: str
    rule: str
    entity: str
    alert_id: str
    title: str
    raised_at: float
    latest_at: float
    words: str
    since: int = 0
    severity: str = ""
    source: str = ""
    state: State = "open"
    firings: int = 1
    open: int = 1
    probability: float | None = None
    band: Band = "unscored"
    evidence: Evidence = "none"
    reason: Reason | None = None
    last: list[int] = []
    model: str | None = None
    scored_at: float | None = None
    flags: list[str] = []
    outcome: OutcomeName | None = None
    by: str | None = None
    suppressed: str = ""
    mark: Mark | None = None
    snooze: Snooze | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """What the head of the page shows; numbers are of rows, so of episodes.

    Attributes:
        open: open and neither snoozed nor suppressed nor decided; the bands add up to it.
        per_minute: alerts that came in the last minute, raised within the hour; None in the page's first minute.
        shown_share: 1, or the share of the alerts that came which the page takes in under load ("1 in 10 shown").
        model: the champion, by the newest score; None: no scored alert was seen.
        away: what is away, one sentence each ("Kafka at ... is away since 10:02").
    """

    open: int = 0
    likely_actionable: int = 0
    unsure: int = 0
    likely_noise: int = 0
    unscored: int = 0
    snoozed: int = 0
    suppressed: int = 0
    decided: int = 0
    ended: int = 0
    per_minute: int | None = None
    shown_share: float = 1.0
    model: str | None = None
    scored_at: float | None = None
    away: list[str] = []


class Batch(Struct, frozen=True, kw_only=True):
    """What changed since the batch before, at most four a second: the data of one server-sent event.

    `upsert` holds whole rows, of every filter: the browser decides which of them its list shows.
    `gone` are keys of rows that the page forgot (the oldest, over its limit).
    """

    seq: int
    upsert: list[Row]
    gone: list[str]
    counts: Counts


class Query(Struct, frozen=True, kw_only=True):
    """The state of the list in the URL: `?q=&sort=&alert=`; a named view fills q and sort.

    `alert` is `team/alert_id`, each percent-encoded by itself before the whole is.
    """

    q: Annotated[str, Meta(max_length=1_000)] = ""
    sort: Sort = "time"
    view: Annotated[str, Meta(max_length=100)] = ""
    alert: Annotated[str, Meta(max_length=2 * limits.NAME_LENGTH + limits.ID_LENGTH)] = ""


class RowPage(Struct, frozen=True, kw_only=True):
    """A part of a snapshot: rows `offset` to `offset + len(rows)` of `total`, in the order of when it was taken.

    `seq` is the newest batch that the rows hold; later batches apply on top.
    """

    seq: int
    snapshot: str
    total: int
    offset: int
    rows: list[Row]
    counts: Counts


class Firing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One firing of an episode."""

    alert_id: str
    title: str
    raised_at: float
    severity: str = ""
    probability: float | None = None
    words: str = ""
    ended_at: float | None = None
    outcome: OutcomeName | None = None
    by: str | None = None


class Choice(Struct, frozen=True, kw_only=True):
    """Which rows a request is about: those of `keys`, or all of a snapshot ("select all 1,200 that match")."""

    keys: Annotated[list[Key], Meta(max_length=10_000)] = []
    snapshot: Annotated[str, Meta(max_length=64)] = ""


class VerdictRequest(Choice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Many rows at once are one request and one undo; the browser makes `id`, and a repeated id counts once."""

    id: RequestId
    action: Action
    reason: Annotated[str, Meta(max_length=limits.REASON_LENGTH)] | None = None


class SnoozeRequest(Choice, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Puts rows off: one hour, to the end of the shift, or until a firing of higher severity comes."""

    id: RequestId
    until: SnoozeUntil


class UndoRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Takes a verdict or a snooze back; after the time for it the answer's `count` is 0 and its `error` says so."""

    id: RequestId


class PublishRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Verdicts that are published now, before their undo is over: what a page that closes sends (fetch, keepalive)."""

    ids: Annotated[list[RequestId], Meta(max_length=1_000)]


class Conflict(Struct, frozen=True, kw_only=True):
    """A row on which somebody else was quicker; it keeps their verdict."""

    key: str
    action: Action
    person: str
    at: float


class Answer(Struct, frozen=True, kw_only=True):
    """What became of a verdict, snooze, undo or publish request.

    Attributes:
        id: of the request.
        count: rows that it changed.
        rows: these rows as they are now, at most 200; all of them come in the next batch as well.
        conflicts: rows on which somebody else just gave a verdict.
        missing: keys that the page does not know any more.
        undo_until: until when it can be undone.
        error: one sentence where nothing was done, with the status 400, 403, 409 or 503.
    """

    id: str = ""
    count: int = 0
    rows: list[Row] = []
    conflicts: list[Conflict] = []
    missing: list[str] = []
    undo_until: float | None = None
    error: str = ""


class NamedView(Struct, frozen=True, kw_only=True):
    """A list by name: `/?view=name` shows `q` and `sort`."""

    name: str
    title: str
    q: str
    sort: Sort = "time"


class PageState(Struct, frozen=True, kw_only=True):
    """What list.html gets as `page`, and the browser as JSON in `<script type="application/json" id="state">`.

    Attributes:
        first: the first 50 rows.
        reasons: what a verdict can name, in order; others may be typed.
        reason_required: whether a verdict needs one.
        kinds: the kind that each button writes.
        role: a viewer sees no buttons.
        person: the name of who is signed in; "" where nobody is asked.
        pseudonym: the same as verdicts carry it.
        shift_ends_at: when "end of shift" is.
    """

    query: Query
    first: RowPage
    views: list[NamedView]
    reasons: list[str]
    reason_required: bool
    kinds: dict[str, str]
    undo_seconds: float
    role: Role
    person: str
    pseudonym: str
    shift_ends_at: float
    now: float


class Hint(Struct, frozen=True, kw_only=True):
    """What is missing on a page at the first run, and the command that mends it."""

    missing: str
    command: str


encode = msgspec.json.Encoder().encode
