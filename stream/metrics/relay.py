"""The relay's metrics: what passes to the Alertmanagers, what is added to it, and what goes to Kafka."""

from stream.metrics.catalogue import Catalogue, Label, counter, gauge, histogram

POST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SCORE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
STATUS, ALERTMANAGER = Label("status"), Label("alertmanager")
RESULT = Label("result", ("taken", "refused", "failed"))
REASON = Label("reason", ("no_list", "no_alert", "bad_time", "before_floor", "future", "too_many", "no_event"))
TYPE = Label("type", ("raised", "acted"))
LABEL = Label("label", ("paused", "closed"))


class RelayMetrics(Catalogue):
    """Metrics of a relay; `alertmanager` is its host and port."""

    posts = counter("relay_posts", "Posts of alerts answered, by HTTP status", STATUS)
    post_seconds = histogram("relay_post_seconds", "From a post's body to the Alertmanagers' answer", POST_BUCKETS)
    alerts = counter("relay_alerts", "Alerts of the posts, each copy counted")
    upstream_posts = counter("relay_upstream_posts", "Posts to an Alertmanager", ALERTMANAGER, RESULT)
    upstream_up = gauge(
        "relay_upstream_up", "1 while the last post to an Alertmanager was answered, else 0", ALERTMANAGER
    )
    annotated = counter("relay_alerts_annotated", "Alerts posted again because their score came")
    score_seconds = histogram("relay_score_seconds", "From a firing's first copy to its score", SCORE_BUCKETS)
    not_followed = counter("relay_not_followed", "Alerts that went on and are not followed, so get no score", REASON)
    firings = gauge("relay_firings", "Label sets that are followed now")
    events = counter("relay_events", "Events that Kafka has acknowledged", TYPE)
    events_waiting = gauge("relay_events_waiting", "Events that wait for Kafka now")
    lost = counter("relay_lost", "Firings or ends that are missing from the log, as Kafka was away")
    fallbacks = counter("relay_fallback_ids", "Ids decided without memory, as Redis was away")
    kafka_up = gauge("relay_kafka_up", "1 while Kafka takes events, else 0")
    memory_up = gauge("relay_memory_up", "1 while Redis answers, else 0")
    labels = counter("relay_labels", "Firings first forwarded with the label noisegate", LABEL)
    labels_late = counter("relay_labels_late", "Decisions that came after the first forwarding, not applied")
    labels_unclaimed = counter(
        "relay_labels_unclaimed", "Firings forwarded plain because Redis could not agree in time"
    )
    labels_unrouted = counter("relay_labels_unrouted", "Decisions not applied because no route matches their label")
    released = counter("relay_labels_released", "Firings whose label was taken off again", LABEL)
    inhibit_rules = gauge("relay_inhibit_rules", "Inhibit rules by which a labelled alert would mute others")
