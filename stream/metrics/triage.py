"""The page's metrics: what comes in, who looks, and what people say."""

from stream.metrics.catalogue import Catalogue, Label, counter, gauge

TOPIC = Label("topic", ("events", "enriched", "outcomes", "decisions"))
ACTION = Label("action", ("acted", "dismissed"))


class TriageMetrics(Catalogue):
    """Metrics of a triage page."""

    records = counter("triage_records", "Records read for the page", TOPIC)
    unreadable = counter("triage_records_unreadable", "Records of the page's topics that can't be read")
    rows = gauge("triage_rows", "Rows that the page keeps now")
    shown_share = gauge(
        "triage_shown_share", "Share of the new alerts that the page shows: 1 unless they come too fast"
    )
    viewers = gauge("triage_viewers", "Browsers that follow the list now")
    batches = counter("triage_batches", "Batches of changes sent to the browsers")
    verdicts = counter("triage_verdicts", "Episodes that people gave a verdict, undone ones included", ACTION)
    conflicts = counter("triage_conflicts", "Verdicts not taken because somebody else had just given one")
    waiting = gauge("triage_verdicts_waiting", "Requests and acts that are not published yet")
    published = counter("triage_acts", "Acts that Kafka has acknowledged")
    refused = counter("triage_acts_refused", "Acts that Kafka refuses for good, so the log lacks them")
    kafka_up = gauge("triage_kafka_up", "1 while Kafka can be read, else 0")
    memory_up = gauge("triage_memory_up", "1 while Redis answers, else 0")
