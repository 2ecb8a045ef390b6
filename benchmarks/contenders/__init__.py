"""The contenders, each in a module of its own that is also the program its process runs."""

from typing import NamedTuple


class Contender(NamedTuple):
    """Who runs."""

    name: str
    module: str
    library: str  # the distribution whose version is told
    what: str
    exact: bool = False  # exactly one record an alert, and one outcome an action
    passes_all: bool = False  # every event comes out, not only alerts


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            "noisegate", "benchmarks.contenders.noisegate", "noisegate", "the real scorer, everything on", exact=True
        ),
        Contender("quixstreams", "benchmarks.contenders.quix", "quixstreams", "Quix Streams, event by event"),
        Contender("faust", "benchmarks.contenders.faust_agent", "faust-streaming", "a Faust agent, event by event"),
        Contender(
            "confluent_kafka",
            "benchmarks.contenders.passthrough",
            "confluent-kafka",
            "the ceiling: records passed through, no work",
            passes_all=True,
        ),
    )
}
