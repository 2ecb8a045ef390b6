"""ROUTES, the table of everything that is served; the OpenAPI document is made of it."""

from msgspec import Struct

from stream.sources.options import MAP

ANSWER_SECONDS = 30.0
PAGERDUTY_SECONDS = 4.5  # it waits 5 s; after three posts without an answer it switches its subscription off
UNKNOWN = "unknown"  # the source of posts to a mapping that is not there


class Route(Struct, frozen=True):
    """One path to which a source posts.

    Attributes:
        path: its path.
        source: the source's name, see `stream/sources/readers.py`; for mappings its beginning.
        summary: what is posted there.
        content: the content types that the source sends.
        answer_seconds: how long its sender waits; an answer comes before that, whatever happens.
        handshake: whether OPTIONS is answered, as CloudEvents' webhooks ask before they post.
    """

    path: str
    source: str
    summary: str
    content: tuple[str, ...] = ("application/json",)
    answer_seconds: float = ANSWER_SECONDS
    handshake: bool = False


CLOUDEVENTS = ("application/cloudevents+json", "application/cloudevents-batch+json", "application/json")
LINES = "application/x-ndjson"
ROUTES = (
    Route("/v1/alertmanager", "alertmanager", "A notification of Alertmanager's webhook receiver, version 4"),
    Route("/v1/grafana", "grafana", "A notification of a Grafana webhook contact point (unified alerting)"),
    Route("/v1/pagerduty", "pagerduty", "An event of a PagerDuty webhook, version 3", answer_seconds=PAGERDUTY_SECONDS),
    Route("/v1/servicenow", "servicenow", "One incident of ServiceNow, or several"),
    Route("/v1/jsm", "jsm", "A webhook of Jira Service Management"),
    Route("/v1/opsgenie", "opsgenie", "A webhook of Opsgenie"),
    Route(
        "/v1/cloudevents", "cloudevents", "CloudEvents that carry our own form of events", CLOUDEVENTS, handshake=True
    ),
    Route("/v1/events", "events", "Our own form of events: one, a list, or one a line", (*CLOUDEVENTS, LINES)),
    Route(f"/v1/{MAP}{{name}}", MAP, "Any JSON, read by the mapping of this name in the file of sources"),
)
