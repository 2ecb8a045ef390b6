"""Labels that have another value at every firing, such as a counter: each firing is then an alert of its own."""

import threading
from collections import OrderedDict, deque
from collections.abc import Mapping

from stream.core import limits

FIRINGS = 10  # in a row, each with a value not seen in those before
_LABELS = 64
Watched = dict[str, deque[int]]


class LabelChurn:
    """Watches the labels of new firings of each rule and entity, the latest `entries` of them, in this process.

    >>> churn = LabelChurn(firings=3)
    >>> [churn.watch("disk", "db-7", {"job": "node", "count": str(n)}) for n in range(5)]
    [None, None, 'count', None, None]
    """

    def __init__(self, entries: int = limits.CHURN_ENTRIES, firings: int = FIRINGS) -> None:
        self._entries, self._firings = entries, firings
        self._lock = threading.Lock()
        self._watched: OrderedDict[tuple[str, str], Watched] = OrderedDict()
        self._named: OrderedDict[tuple[str, str], None] = OrderedDict()

    def watch(self, rule: str, entity: str, labels: Mapping[str, str]) -> str | None:
        """The label that has just been seen to change at every firing; each of a rule is named once. Any thread."""
        with self._lock:
            return self._watch(rule, entity, labels)

    def _watch(self, rule: str, entity: str, labels: Mapping[str, str]) -> str | None:
        watched = self._watched.setdefault((rule, entity), {})
        self._watched.move_to_end((rule, entity))
        if len(self._watched) > self._entries:
            self._watched.popitem(last=False)
        for gone in [name for name in watched if name not in labels]:
            del watched[gone]
        for name, text in labels.items():
            if name not in watched and len(watched) >= _LABELS:
                continue
            values = watched.setdefault(name, deque(maxlen=self._firings))
            value = hash(text)
            if value in values:
                values.clear()
            values.append(value)
            if len(values) == self._firings and self._is_new(rule, name):
                return name
        return None

    def _is_new(self, rule: str, name: str) -> bool:
        key = (rule, name)
        if key in self._named:
            return False
        self._named[key] = None
        if len(self._named) > self._entries:
            self._named.popitem(last=False)
        return True
