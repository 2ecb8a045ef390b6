"""PagerDuty as a target, by its Events API v2: what is closed is resolved, and triggered again when it is back.

The API can't take an acknowledgement back, so nothing is acknowledged, and by default a pause is not passed on. With
`on_pause = "resolve"` what is paused is resolved, and triggered again at the pause's end. PagerDuty knows an alert by
the routing key of an integration and a `dedup_key`, so both must be those of whoever triggers it first.
"""

from typing import Any, Literal

import msgspec

from stream.closer.targets.http_client import HttpClient, judge
from stream.closer.targets.target import DeedRefused
from stream.core.deeds import Deed
from stream.core.events import Raised
from stream.core.text import display_text

URL = "https://events.pagerduty.com"
PATH = "/v2/enqueue"
_LABEL = "label:"
_KEY_CHARACTERS, _SUMMARY_CHARACTERS = 255, 1_024
_SEVERITIES = {"critical": "critical", "high": "error", "error": "error", "info": "info", "low": "info"}


class PagerDutyTarget:
    """Events of one integration.

    Args:
        name: see `Target`.
        client: to the Events API.
        routing_key: of the integration.
        dedup_key: where an alert has its key: `alert_id`, or `label:NAME`.
        on_pause: what a pause does.
    """

    def __init__(
        self,
        name: str,
        client: HttpClient,
        routing_key: str,
        dedup_key: str = "alert_id",
        on_pause: Literal["nothing", "resolve"] = "nothing",
    ) -> None:
        self.name = name
        self._client, self._routing_key, self._dedup_key, self._on_pause = client, routing_key, dedup_key, on_pause

    def takes(self, deed: Deed) -> bool:
        """What is closed, and what comes back from it while it still fires; of a pause by `on_pause`."""
        if deed.kind == "release" and deed.ended:
            return False
        paused = "pause" in (deed.kind, deed.decision.mode if deed.kind == "release" else None)
        return not paused or self._on_pause == "resolve"

    def do(self, deed: Deed) -> None:
        """Resolve it, or trigger it again."""
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": "trigger" if deed.kind == "release" else "resolve",
            "dedup_key": self._key_of(deed.alert),
        }
        if deed.kind == "release":
            event |= {"client": "noisegate", "payload": _payload(deed)}
        headers = {"Content-Type": "application/json"}
        judge(self._client.request("POST", PATH, msgspec.json.encode(event), headers), self.name)

    def check(self) -> str:
        """Connect, and send no event: the routing key shows with the first."""
        return (
            f"{self._client.name} can be reached at {self._client.check()}; its routing key shows with the first event"
        )

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def _key_of(self, alert: Raised) -> str:
        label = self._dedup_key.removeprefix(_LABEL) if self._dedup_key.startswith(_LABEL) else None
        key = alert.alert_id if label is None else alert.labels.get(label, "")
        if not key:
            raise DeedRefused(
                "no_dedup_key",
                f"{alert.alert_id} has no label {label}, so PagerDuty can't know it",
                "correct dedup_key",
            )
        if len(key) > _KEY_CHARACTERS:
            raise DeedRefused(
                "long_dedup_key", f"the dedup_key of {alert.alert_id} is over {_KEY_CHARACTERS} characters"
            )
        return key


def _payload(deed: Deed) -> dict[str, Any]:
    alert, decision = deed.alert, deed.decision
    return {
        "summary": display_text(alert.title or f"{alert.rule} on {alert.entity}", _SUMMARY_CHARACTERS),
        "source": alert.entity,
        "severity": _SEVERITIES.get((alert.severity or "").casefold(), "warning"),
        "timestamp": alert.at,
        "group": alert.team,
        "class": alert.rule,
        "custom_details": {
            "noisegate_deed": deed.id,
            "noisegate_rule": decision.by_rule,
            "noisegate_why": decision.why,
            "labels": alert.labels,
        },
    }
