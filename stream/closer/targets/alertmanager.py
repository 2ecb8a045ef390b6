"""Alertmanager as a target: what is paused or closed has a silence of its own by API v2, which ends with it.

A silence mutes every alert that has all its labels. So an alert with the same labels and one more, a sibling, is muted
too. Siblings that Alertmanager knows when a silence is made are left out of it: a matcher says that their additional
label is empty. One that fires later is muted until the silence ends, which is at the alert's end, at its release, and
at the latest when its pause is over.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from stream.closer.targets.http_client import HttpClient, judge
from stream.closer.targets.target import DeedRefused, TargetAway
from stream.core.deeds import Deed
from stream.core.events import Raised
from stream.core.text import display_text
from stream.sources.fingerprint import OUR_LABEL

CREATOR = "noisegate"
"""Who made our silences: the watcher of silences takes no act from them."""
MOST_SIBLINGS = 32
"""Additional labels of siblings that one silence leaves out."""
SILENCES, SILENCE, ALERTS, STATUS = "/api/v2/silences", "/api/v2/silence/", "/api/v2/alerts", "/api/v2/status"
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_COUNT_SECONDS = 5.0
_WHY_CHARACTERS = 300


class _Matcher(Struct, kw_only=True, rename="camel"):
    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True


class _State(Struct):
    state: str = "active"


class _Silence(Struct, kw_only=True, rename="camel"):
    id: str
    created_by: str = ""
    comment: str = ""
    ends_at: datetime = datetime.fromtimestamp(0, UTC)
    matchers: list[_Matcher] = []
    status: _State = msgspec.field(default_factory=_State)


class _Alert(Struct):
    labels: dict[str, str] = {}


_silences = msgspec.json.Decoder(list[_Silence])
_alerts = msgspec.json.Decoder(list[_Alert])


class AlertmanagerTarget:
    """Silences of one Alertmanager, or of a cluster that shares them.

    Args:
        name: see `Target`.
        client: to it; paths begin with those of its API.
        most_silences: so many of ours are active at a time; beyond it a deed is refused.
        sources: sources whose alerts have the labels that Alertmanager has.
    """

    def __init__(
        self, name: str, client: HttpClient, most_silences: int, sources: Sequence[str] = ("alertmanager",)
    ) -> None:
        self.name = name
        self._client, self._most, self._sources = client, most_silences, frozenset(sources)
        self._lock = Lock()
        self._count, self._counted_at = 0, -_COUNT_SECONDS

    def takes(self, deed: Deed) -> bool:
        """Alerts that came from Alertmanager."""
        return deed.alert.source in self._sources

    def do(self, deed: Deed) -> None:
        """Make, change or end the alert's silence."""
        if deed.kind == "release":
            for silence in self._own(deed.alert):
                self._expire(silence.id)
            return
        until = deed.decision.until
        if until is None:
            raise DeedRefused("no_end", f"{deed.id} has no end, and a silence needs one")
        _check_labels(deed.alert)
        own = self._own(deed.alert)
        comment = _comment(deed)
        first = min(own, key=lambda silence: silence.id, default=None)
        if first is None:
            self._make_room(deed.alert)
        elif first.comment == comment and abs((first.ends_at - until).total_seconds()) < 1.0:
            return
        self._put(first, self._matchers(deed.alert, first), until, comment)

    def check(self) -> str:
        """Ask for its version, and count our silences."""
        reply = self._client.request("GET", STATUS)
        judge(reply, self.name)
        try:
            version = str(msgspec.json.decode(reply.body)["versionInfo"]["version"])
        except (msgspec.DecodeError, KeyError, TypeError):
            raise DeedRefused("no_alertmanager", f"{self.name} does not answer as Alertmanager does") from None
        active = sum(_is_ours(one) for one in self._get(SILENCES, _silences))
        return f"Alertmanager {display_text(version, 40)} answers; {active} of {self._most} silences are in use"

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def _own(self, alert: Raised) -> list[_Silence]:
        """The silences of an alert that have not ended."""
        mark, query = _mark(alert), ""
        first = next((name for name in sorted(alert.labels, key=lambda name: name != "alertname")), None)
        if first is not None and _NAME.fullmatch(first):
            query = "?" + urlencode([("filter", _equals(first, alert.labels[first]))], quote_via=quote)
        found = self._get(SILENCES + query, _silences)
        return [one for one in found if _is_ours(one) and one.comment.endswith(mark)]

    def _make_room(self, alert: Raised) -> None:
        """Count one more silence; the count is of the server, taken anew after some seconds."""
        with self._lock:
            if time.monotonic() - self._counted_at > _COUNT_SECONDS or self._count >= self._most:
                self._count = sum(_is_ours(one) for one in self._get(SILENCES, _silences))
                self._counted_at = time.monotonic()
            if self._count >= self._most:
                raise DeedRefused(
                    "too_many_silences",
                    f"{self._count} silences of noisegate are active at {self.name}, so {alert.alert_id} gets none",
                    "raise most_silences of this target",
                )
            self._count += 1

    def _matchers(self, alert: Raised, present: _Silence | None) -> list[_Matcher]:
        """Every label exactly, and as empty each label that only siblings have."""
        if present is not None:
            return present.matchers  # other ones would make another silence of it
        known = [(name, text) for name, text in sorted(alert.labels.items()) if _NAME.fullmatch(name)]
        query = urlencode([("filter", _equals(name, text)) for name, text in known], quote_via=quote)
        more: set[str] = set()
        for other in self._get(f"{ALERTS}?{query}", _alerts):
            if other.labels.items() >= alert.labels.items():
                more |= other.labels.keys() - alert.labels.keys() - {OUR_LABEL}
        exact = [_Matcher(name=name, value=text) for name, text in sorted(alert.labels.items())]
        return [*exact, *(_Matcher(name=name, value="") for name in sorted(more)[:MOST_SIBLINGS])]

    def _put(self, present: _Silence | None, matchers: list[_Matcher], until: datetime, comment: str) -> None:
        body: dict[str, Any] = {
            "matchers": matchers,
            "startsAt": datetime.now(UTC),
            "endsAt": until,
            "createdBy": CREATOR,
            "comment": comment,
        }
        if present is not None:
            body["id"] = present.id
        headers = {"Content-Type": "application/json"}
        judge(self._client.request("POST", SILENCES, msgspec.json.encode(body), headers), self.name)

    def _expire(self, silence: str) -> None:
        reply = self._client.request("DELETE", SILENCE + quote(silence, safe=""))
        if reply.status == 404:
            return
        if not reply.done and b"already expired" not in reply.body:
            judge(reply, self.name)
        with self._lock:
            self._count = max(self._count - 1, 0)

    def _get(self, path: str, decoder: "msgspec.json.Decoder[list[Any]]") -> list[Any]:
        reply = self._client.request("GET", path)
        judge(reply, self.name)
        try:
            return decoder.decode(reply.body)
        except msgspec.DecodeError as error:
            raise TargetAway(f"{self.name} does not answer as Alertmanager does: {error}", "correct its url") from None


def _check_labels(alert: Raised) -> None:
    if alert.cut:
        raise DeedRefused(
            "labels_cut",
            f"labels of {alert.alert_id} were left out on its way in, so a silence would mute others",
            "give its alerts fewer or shorter labels",
        )
    if not alert.labels:
        raise DeedRefused("no_labels", f"{alert.alert_id} has no labels, so a silence would mute everything")


def _is_ours(silence: _Silence) -> bool:
    return silence.created_by == CREATOR and silence.status.state != "expired"


def _mark(alert: Raised) -> str:
    """What ends the comment of an alert's silence, by which it is found again."""
    return f" [noisegate {hashlib.sha256(f'{alert.team}{chr(0)}{alert.alert_id}'.encode()).hexdigest()[:24]}]"


def _comment(deed: Deed) -> str:
    alert, decision = deed.alert, deed.decision
    done = "paused" if deed.kind == "pause" else "closed"
    why = display_text(decision.why, _WHY_CHARACTERS)
    words = f"{alert.alert_id} of {alert.team} is {done} by the rule {decision.by_rule}: {why}"
    return display_text(words, _WHY_CHARACTERS + 700) + _mark(alert)


def _equals(name: str, text: str) -> str:
    """A matcher as Alertmanager's filters are written."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'
