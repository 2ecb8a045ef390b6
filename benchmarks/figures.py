"""The figures, as `results/*.json` holds them. Units stand in the names; a megabyte is 10^6 bytes."""

from msgspec import Struct


class Throughput(Struct, frozen=True):
    """A backlog worked off. The first tenth of the outputs is warm-up and not in rate or CPU."""

    events_per_second: float
    events: int
    raised: int
    enriched: int
    outcomes: int | None
    cpu_microseconds_per_event: float
    servers_cpu_microseconds_per_event: dict[str, float]
    stage_microseconds_per_event: dict[str, float]  # wall time of noisegate's own stages
    peak_memory_megabytes: float
    others_share: (
        float  # of the machine's CPU, spent on anything but contender, servers and benchmark: should be near 0
    )


class Latency(Struct, frozen=True):
    """From a raised record's timestamp to its enriched record's (when the broker took it), at a steady rate."""

    p50_milliseconds: float
    p99_milliseconds: float
    max_milliseconds: float
    alerts: int
    events_per_second: int
    cpu_microseconds_per_event: float
    peak_memory_megabytes: float
    others_share: float


class Load(Struct, frozen=True):
    """What the contenders were given."""

    teams: int
    rules: int
    entities: int
    levels: int
    partitions: int
    trees: int
    seed: int


class Figures(Struct, frozen=True):
    """One run."""

    date: str
    command: str
    whole: bool  # all contenders at the usual sizes
    machine: dict[str, str | int | float]
    versions: dict[str, str]
    load: Load
    throughput: dict[str, Throughput]
    latency: dict[str, Latency]
    job_cpu_microseconds_per_event: float | None = None  # the job alone, event by event, as the peers call it

    @property
    def others_share(self) -> float:
        """The largest share of the machine that something else took during a measurement."""
        shares = [one.others_share for one in self.throughput.values()]
        shares += [one.others_share for one in self.latency.values()]
        return max(shares, default=0.0)

    def times(self, peer: str) -> float | None:
        """How many times a peer's throughput noisegate's is."""
        ours, theirs = self.throughput.get("noisegate"), self.throughput.get(peer)
        return ours.events_per_second / theirs.events_per_second if ours and theirs else None
