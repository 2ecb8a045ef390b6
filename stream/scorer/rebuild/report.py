"""What a rebuild did, for people and for `--json`."""

from msgspec import Struct


class Rebuilt(Struct, frozen=True):
    """What was done to one partition."""

    partition: int
    generation: int
    offset: int
    keys_removed: int


class Report(Struct, frozen=True):
    """What a rebuild did.

    Attributes:
        partitions: one entry each.
        folded: records folded.
        placed: of these, records that lie in another partition than the one their team belongs to now.
        misrouted: records left out, because `alerts.failed` holds them as misrouted or a worker fails them so now.
        undecodable: records that can't be used; `alerts.failed` holds them.
        unknown_actions: actions whose alert the log does not hold, or holds too late.
        published: what was published because it never had been, by kind; empty where workers serve.
        notes: what a person should know, one sentence each.
    """

    partitions: list[Rebuilt]
    folded: int = 0
    placed: int = 0
    misrouted: int = 0
    undecodable: int = 0
    unknown_actions: int = 0
    published: dict[str, int] = {}
    notes: list[str] = []
