"""From a score to the annotations that people see in Slack, PagerDuty or a mail; no server and no clock."""

from collections import OrderedDict
from collections.abc import Mapping

from stream.core.records import Enriched
from stream.core.scoring import history_words
from stream.html import page_address

PROBABILITY, WHY, URL = "noisegate_probability", "noisegate_why", "noisegate_url"
_SIMULATED = "; this model learnt from simulated alerts"


def annotations_of(record: Enriched, page_url: str = "") -> dict[str, str]:
    """The annotations of a scored alert; none where there is no score.

    With evidence `none` the probability rests on nothing that a person should trust: there are words in its place.

    Args:
        record: as the scorer published it.
        page_url: where a person sees more; `{team}` and `{alert_id}` in it are filled in. Empty: no such annotation.
    """
    score = record.score
    if score.probability is None:
        return {}
    found = {PROBABILITY: format_probability(score.probability)} if score.evidence != "none" else {}
    found[WHY] = history_words(score, record.why) + (_SIMULATED if "simulated" in record.flags else "")
    if page_url:
        found[URL] = page_address(page_url, record.alert.team, record.alert.alert_id)
    return found


def format_probability(probability: float) -> str:
    """The probability with two decimals, but never as certain.

    >>> [format_probability(one) for one in (0.074, 0.0004, 0.9991)]
    ['0.07', '<0.01', '>0.99']
    """
    if probability < 0.005:
        return "<0.01"
    return ">0.99" if probability >= 0.995 else f"{probability:.2f}"


class Scores:
    """Annotations by alert id, the latest `most` of them; the first score of an alert stands.

    They are needed when a score comes before the alert that it is about, as with a second relay or after a restart.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    def add(self, alert_id: str, annotations: Mapping[str, str]) -> bool:
        """Remember the annotations of an alert; whether they are its first."""
        if not annotations or alert_id in self._found:
            return False
        self._found[alert_id] = annotations
        if len(self._found) > self._most:
            self._found.popitem(last=False)
        return True

    def get(self, alert_id: str) -> Mapping[str, str]:
        """The annotations of an alert; none where it has no score yet."""
        return self._found.get(alert_id, {})
