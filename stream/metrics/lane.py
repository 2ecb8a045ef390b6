"""The lane's metrics: what every room on the lane shows of the log it reads."""

from prometheus_client import CollectorRegistry

from stream.core.records import FAILURES
from stream.metrics.catalogue import Catalogue, Label, counter, gauge, histogram

BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000, 8_000)
STAGE_BUCKETS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
TOPIC, PARTITION = Label("topic"), Label("partition")
STAGE, FAILURE = Label("stage"), Label("reason", tuple(FAILURES))
CALL = Label("call")


class LaneMetrics(Catalogue):
    """Metrics of a room that reads topics in a consumer group."""

    kafka_up = gauge("kafka_up", "1 while Kafka answers the worker's looks, 0 after two in a row without an answer")
    lag = gauge("lag_records", "Records that can be read and wait in a partition", TOPIC, PARTITION)
    progress_timestamp = gauge("progress_timestamp_seconds", "When a batch was last finished; now while nothing waits")
    batch_records = histogram("batch_records", "Records of one batch, over all its partitions", BATCH_BUCKETS)
    stage_seconds = histogram("stage_seconds", "Time of one batch in a stage", STAGE_BUCKETS, STAGE)
    failed = counter("records_failed", "Records sent to the topic of failed records", FAILURE)
    history_round_trips = counter("history_round_trips", "Round trips to Redis", CALL)
    history_up = gauge("history_up", "1 while Redis answers, else 0")
    fence_conflicts = counter("fence_conflicts", "Batches dropped because another worker had written first")

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__(registry)
        self.progress_timestamp.set_to_current_time()  # a worker that starts does not stand still since 1970
