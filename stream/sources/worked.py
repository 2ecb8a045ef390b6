"""An incident that a person acknowledged and a person resolved some minutes later was worked on.

Incident tools have no button for "I worked on it". The act `worked` is written before the resolve, in the same batch.
"""

import hashlib
import math

import msgspec

from stream.core import limits
from stream.core.events import words_for
from stream.core.kinds import PERSON
from stream.sources.agents import AgentTable
from stream.sources.expiring_store import ExpiringStore, ExpiringStoreAway
from stream.sources.parsed import Act, Named, Parsed, Raise

KEPT_SECONDS = 40 * 86_400.0  # longer than a scorer's ledger keeps an alert
_ENDS = frozenset({"resolved", "closed"})
_STARTS_OVER = frozenset({"unacknowledged", "reopened"})


def add_worked(parsed: Parsed, source: str, agents: AgentTable, store: ExpiringStore) -> Parsed:
    """The same with `worked` before each resolve or close by a person that follows an acknowledgement by a person.

    The time between is at least `worked_minutes` of the source's table. The first acknowledgement counts; one that was
    taken back, or whose alert was opened again, does not. With the memory away nothing is added, and a note says so.
    """
    seconds = agents.worked_seconds(source)
    if seconds <= 0 or not any(isinstance(item, Act) for item in parsed.items):
        return parsed
    items: list[Raise | Act] = []
    try:
        for item in parsed.items:
            if isinstance(item, Act) and isinstance(item.subject, Named):
                items += _worked(item, item.subject, source, seconds, store)
            items.append(item)
    except ExpiringStoreAway as error:
        note = f"whether what was resolved was worked on before is not known: {error}"
        return msgspec.structs.replace(parsed, notes=[*parsed.notes, note])
    return msgspec.structs.replace(parsed, items=items)


def acknowledged_key(source: str, alert_id: str) -> str:
    """The key of an alert's first acknowledgement."""
    return f"acknowledged:{source}:{hashlib.sha256(alert_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _worked(act: Act, subject: Named, source: str, seconds: float, store: ExpiringStore) -> list[Act]:
    key = acknowledged_key(source, subject.id)
    if act.kind in _STARTS_OVER:
        store.remove(key)
    if act.agent != PERSON:
        return []
    if act.kind == "acknowledged":
        since = _time(store.read(key))
        if since is None or act.at < since:
            store.put(key, repr(act.at).encode(), KEPT_SECONDS)
    if act.kind not in _ENDS:
        return []
    since = _time(store.read(key))
    if since is None or act.at - since < seconds:
        return []
    why = f"{source} worked_minutes = {seconds / 60:g}: a person acknowledged it {words_for(act.at - since)} before"
    action_id = f"{act.action_id}-worked" if act.action_id is not None else None
    if action_id is not None and len(action_id) > limits.ID_LENGTH:
        action_id = None
    return [msgspec.structs.replace(act, kind="worked", agent_why=why, action_id=action_id, reason=None)]


def _time(value: bytes | None) -> float | None:
    try:
        at = float(value or b"nan")
    except ValueError:
        return None
    return at if math.isfinite(at) else None
