"""What came out, read back when a contender is done: every record's time, and which alert it is of."""

from collections import Counter

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from benchmarks.contenders import Contender
from benchmarks.setting import Setting
from benchmarks.topics import Reader

Place = tuple[int, int]  # partition and offset of the input


class Outputs(Struct, frozen=True, eq=False):
    """Outputs in the order of their places' first appearance: where each came from, when it was appended (ms)."""

    records: int
    unscored: int
    places: list[Place]
    appended: NDArray[np.int64]


class _Score(Struct):
    probability: float | None


class _Enriched(Struct):
    score: _Score
    offset: str


_decode = msgspec.json.Decoder(_Enriched).decode


def read_outputs(contender: Contender, setting: Setting) -> Outputs:
    """Everything in the contender's output topic; of an alert published twice, the first record counts."""
    reader = Reader(setting.kafka, setting.enriched_topic)
    first: dict[Place, int] = {}
    counts: Counter[str] = Counter()
    for message in reader.records():
        place = (message.partition() or 0, message.offset() or 0)  # passed through: the same place as the input
        if not contender.passes_all:
            record = _decode(message.value() or b"")
            counts["unscored"] += record.score.probability is None
            _, partition, offset = record.offset.split("/")
            place = int(partition), int(offset)
        first.setdefault(place, message.timestamp()[1])
        counts["records"] += 1
    reader.close()
    return Outputs(counts["records"], counts["unscored"], list(first), np.array(list(first.values()), dtype=np.int64))


def read_inputs(setting: Setting) -> dict[Place, int]:
    """When each event of the load was produced, milliseconds since 1970."""
    reader = Reader(setting.kafka, setting.events_topic)
    found = {(message.partition() or 0, message.offset() or 0): message.timestamp()[1] for message in reader.records()}
    reader.close()
    return found


def count_records(setting: Setting, topic: str) -> int:
    """How many records a topic holds."""
    reader = Reader(setting.kafka, topic)
    count = reader.count()
    reader.close()
    return count
