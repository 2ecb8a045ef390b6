"""The records of `alerts.events` that `alerts.failed` holds as misrouted."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress

from stream.config import Settings
from stream.kafka.reader import Reader
from stream.kafka.topics import Topics


class MisroutedRecords:
    """Knows misrouted records by partition, offset and the SHA-256 of their values.

    Attributes:
        found: how many `holds` has found.
    """

    def __init__(self, digests: Mapping[tuple[int, int], str]) -> None:
        self._digests = digests
        self.found = 0

    @classmethod
    def of(cls, settings: Settings) -> "MisroutedRecords":
        """All that there are; raises BrokerError where Kafka can't be read."""
        digests: dict[tuple[int, int], str] = {}
        if settings.topics.failed not in Topics(settings).partitions():
            return cls(digests)
        with Reader(settings, [settings.topics.failed]) as reader:
            for message in reader.read_all():
                headers = {name: bytes(text or b"") for name, text in message.headers() or []}
                of_topic = headers.get("topic") == settings.topics.events.encode()
                if of_topic and headers.get("reason") == b"misrouted":
                    with suppress(KeyError, ValueError):  # nobody of ours wrote it
                        where = int(headers["partition"]), int(headers["offset"])
                        digests[where] = headers["sha256"].decode()
        return cls(digests)

    def holds(self, partition: int, offset: int, value: bytes) -> bool:
        """Whether the record that lies there, with this value, failed as misrouted."""
        digest = self._digests.get((partition, offset))
        if digest is None or digest != hashlib.sha256(value).hexdigest():
            return False
        self.found += 1
        return True
