"""Whose histories a deployment's keys in Redis are: of one Kafka cluster, one topic and one problem definition.

It is claimed before the first meta is written and held against at every assignment, so that two scorers which share a
name and a Redis by mistake never mix their histories.
"""

from msgspec import Struct

from stream.core.errors import Fault


class Identity(Struct, frozen=True):
    """What a deployment's histories are of; an empty field is not known and agrees with anything.

    `problem` is the digest, which tells problem definitions apart.
    """

    cluster_id: str
    topic: str
    topic_id: str
    problem: str


def of_another_cluster(holder: Identity, mine: Identity, deployment: str) -> Fault | None:
    """Why `mine` may not even rebuild what `holder` holds; None where it may."""
    if not _differ(holder.cluster_id, mine.cluster_id):
        return None
    return Fault(
        f"the histories of the deployment {deployment} in this Redis are of another Kafka cluster ({holder.cluster_id},"
        f" this one is {mine.cluster_id})",
        "give this deployment another name with NOISEGATE_DEPLOYMENT or another"
        " NOISEGATE_REDIS_URL, or, if the other cluster is gone for good, run `noisegate history rebuild --take-over`",
    )


def conflict(holder: Identity, mine: Identity, deployment: str) -> Fault | None:
    """Why `mine` may not use what `holder` holds; None where it may."""
    if fault := of_another_cluster(holder, mine, deployment):
        return fault
    rename = "give this deployment another name with NOISEGATE_DEPLOYMENT"
    if _differ(holder.topic, mine.topic):
        return Fault(
            f"the histories of the deployment {deployment} are of the topic {holder.topic}, not of {mine.topic}",
            f"{rename}, or run `noisegate history rebuild` to switch it to {mine.topic}",
        )
    if _differ(holder.topic_id, mine.topic_id):
        return Fault(
            f"the topic {mine.topic} was recreated since the histories of the deployment {deployment} were begun",
            "run `noisegate history rebuild`",
        )
    if _differ(holder.problem, mine.problem):
        return Fault(
            f"the histories of the deployment {deployment} were begun for another problem definition"
            f" ({holder.problem}, this one is {mine.problem})",
            f"use the same problem file everywhere, {rename},"
            " or run `noisegate history rebuild` to switch it to this definition",
        )
    return None


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)
