"""What must not change under a history: a topic's partition count, its id, and the cluster it is in."""

from collections.abc import Sequence

from stream.core.errors import HistoryRefused
from stream.kafka.topics import TopicFacts

REBUILD = "run `noisegate history rebuild`"


def grown(topic: str, had: int, has: int) -> str:
    """What is wrong with a history that was written while the topic had fewer partitions."""
    return f"{topic} had {had} partitions and has {has}: teams have moved"


def gone(topic: str) -> HistoryRefused:
    """The refusal of a topic that was deleted under a running worker."""
    return HistoryRefused(f"{topic} is gone", "run `noisegate topics create`, then `noisegate history rebuild`")


class TopicIdentity:
    """What a process first learnt of each of its topics, against which all it learns later is held.

    Args:
        topics: the topics' names.
    """

    def __init__(self, topics: Sequence[str]) -> None:
        self.topics = tuple(topics)
        self._first: dict[str, TopicFacts] = {}

    def hold(self, topic: str, facts: TopicFacts) -> None:
        """Compare with the topic's first facts; the first call sets them. Callable from any thread.

        Raises:
            HistoryRefused: the topic is another one now, or has another partition count.
        """
        first = self._first.setdefault(topic, facts)
        if facts.cluster_id != first.cluster_id:
            raise HistoryRefused(
                f"Kafka is another cluster ({facts.cluster_id}) than when this worker started ({first.cluster_id})",
                f"set NOISEGATE_KAFKA_BOOTSTRAP_SERVERS to the right one, or {REBUILD}",
            )
        if facts.topic_id != first.topic_id:
            raise HistoryRefused(f"{topic} was recreated since this worker started", REBUILD)
        if facts.partitions != first.partitions:
            raise HistoryRefused(f"{grown(topic, first.partitions, facts.partitions)}", REBUILD)
