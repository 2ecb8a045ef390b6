"""The one error tree. A person sees the message alone: one sentence that says what is wrong and how to mend it."""

from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong and how to mend it; as text one sentence.

    >>> str(Fault("the disk is full", "delete something"))
    'the disk is full; delete something'
    """

    problem: str
    mend: str | None = None

    def __str__(self) -> str:
        return self.problem if self.mend is None else f"{self.problem}; {self.mend}"


class NoisegateError(Exception):
    """Base of everything noisegate raises on purpose; its message is meant for the person at the keyboard.

    Attributes:
        problem: what is wrong.
        mend: what to do about it; None where nobody can say.
    """

    def __init__(self, problem: str, mend: str | None = None) -> None:
        super().__init__(str(Fault(problem, mend)))
        self.problem = problem
        self.mend = mend


READABLE = "name a file that can be read"  # the mend where a file is not there, is a folder or is not for this user


class SettingsError(NoisegateError):
    """A setting is missing or wrong; the message names key and value."""


class ProblemError(NoisegateError):
    """The problem file can't be read or contradicts itself."""


class RulesError(NoisegateError):
    """A file of rules, or what a person asks of a rule, can't be used; the message names file and line, or the rule."""


class LogError(NoisegateError):
    """An event log on disk can't be read; the message names file and line."""


class BadRecord(NoisegateError):
    """A Kafka record that can't be folded; it goes to `alerts.failed` under `reason`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ModelError(NoisegateError):
    """A model artifact is corrupt, truncated or unsafe; the running one stays."""


class ModelMismatch(ModelError):
    """A sound artifact that this code or this problem can't serve: other features, another problem."""


class StoreAway(ModelError):
    """The model store can't be reached, or gives no answer in time; what was loaded goes on serving."""


class MonitoringError(NoisegateError):
    """A report can't be made: Prometheus is away, or was asked for what is not recorded."""


class HistoryAway(NoisegateError):
    """Redis can't be reached within `history_timeout_seconds`."""


class HistoryDenied(HistoryAway):
    """Redis answers, but refuses our user, our password or a command that we need."""


class HistoryRefused(NoisegateError):
    """The stored history belongs to another topic, problem or fold; nothing is skipped in silence."""


class HistoryDamaged(HistoryRefused):
    """What stands under a partition's keys is no history that can be read; it has to be rebuilt."""

    def __init__(self, topic: str, partition: int, what: str) -> None:
        super().__init__(f"{topic}/{partition}: {what}", "run `noisegate history rebuild`")
        self.topic = topic
        self.partition = partition


class WrongType(HistoryRefused):
    """A key in Redis holds something that no version of noisegate has put there."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the key {key!r} in Redis holds something that is not ours", "see who wrote it, then delete it"
        )
        self.key = key


class FenceConflict(NoisegateError):
    """Another worker wrote this partition's history: drop, seek, go on from there."""

    def __init__(self, topic: str, partition: int) -> None:
        super().__init__(f"{topic}/{partition}: another worker got there first")


class BrokerError(NoisegateError):
    """Kafka can't be reached, a topic is missing, or a publication failed for good."""


class KafkaAway(BrokerError):
    """No Kafka broker answers; what was asked may be asked again."""


class TopicMissing(BrokerError):
    """Kafka answers, and has no such topic."""


class RecordRefused(BrokerError):
    """A topic refuses one record, whatever else it takes: to send it again would fail again."""


class EmbeddedServerFailed(NoisegateError):
    """An embedded server of the demo did not come up."""


class LabError(NoisegateError):
    """A log can't be trained on or judged; the message says what is wrong and where."""


class EstimatorError(LabError):
    """What learns is at fault and not the log: it is no estimator, failed, or can't be exported as it scores."""


def first_line(error: Exception) -> str:
    """The first line of a library's error, at most 300 characters; the name of its type where it has no text."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300] or type(error).__name__
