"""The intake's metrics: what other systems post, what became of it, and what is read back from Alertmanagers."""

from stream.metrics.catalogue import Catalogue, Label, counter, gauge, histogram

ANSWER_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SOURCE, STATUS, REASON = Label("source"), Label("status"), Label("reason")
TYPE, RESULT = Label("type", ("raised", "acted")), Label("result", ("done", "failed"))


class IntakeMetrics(Catalogue):
    """Metrics of an intake; `source` is a route such as `alertmanager` or `map/zabbix`, or `unknown`."""

    posts = counter("intake_posts", "Posts answered, by HTTP status", SOURCE, STATUS)
    answer_seconds = histogram("intake_answer_seconds", "From a post's headers to its answer", ANSWER_BUCKETS, SOURCE)
    events = counter("intake_events", "Events that Kafka has acknowledged", SOURCE, TYPE)
    duplicates = counter("intake_duplicates", "Events that were known already and not published again", SOURCE)
    refused = counter("intake_refused", "Parts of posts sent to the topic of failed records", SOURCE, REASON)
    ignored = counter("intake_ignored", "Parts of posts that need nothing, such as a test", SOURCE, REASON)
    default_team = counter("intake_default_team", "Alerts of which nothing named the team", SOURCE)
    cut = counter("intake_cut", "Alerts of which a text was cut or labels were left out", SOURCE)
    fallbacks = counter("intake_fallback_ids", "Ids and owners decided without memory, as Redis was away")
    kafka_up = gauge("intake_kafka_up", "1 while Kafka answers and has the topics, else 0")
    memory_up = gauge("intake_memory_up", "1 while Redis answers, else 0")
    posts_waiting = gauge("intake_posts_waiting", "Posts that are worked on now")
    bytes_waiting = gauge("intake_bytes_waiting", "Bytes of the bodies that are worked on now")
    records_waiting = gauge("intake_records_waiting", "Records that wait for Kafka's acknowledgement now")
    watches = counter("intake_watches", "Looks at an Alertmanager's silences and alerts", RESULT)
    watched_acts = counter("intake_watched_acts", "Acts read back from Alertmanagers", Label("kind"))
    watching = gauge("intake_watching", "1 while this intake is the one that watches Alertmanagers, else 0")
