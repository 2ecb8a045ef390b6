"""The port of targets: systems that are asked to pause an alert, to close it, or to bring it back."""

from typing import Protocol

from stream.core.deeds import Deed
from stream.core.errors import NoisegateError


class TargetAway(NoisegateError):
    """A target did not do a deed now, and may do it later.

    Attributes:
        retry_seconds: how long it asked to be left alone; None: it did not say.
    """

    def __init__(self, problem: str, mend: str | None = None, retry_seconds: float | None = None) -> None:
        super().__init__(problem, mend)
        self.retry_seconds = retry_seconds


class DeedRefused(NoisegateError):
    """A target will never do this deed; the dead letter has `reason`, a short name."""

    def __init__(self, reason: str, problem: str, mend: str | None = None) -> None:
        super().__init__(problem, mend)
        self.reason = reason


class Target(Protocol):
    """One system. Calls come from several threads, for one alert never two at a time; each may block for seconds."""

    @property
    def name(self) -> str:
        """What metrics, logs and dead letters call it; unique in its file."""

    def takes(self, deed: Deed) -> bool:
        """Whether the deed concerns it; what does not is never asked of it. Always the same for the same deed."""

    def do(self, deed: Deed) -> None:
        """Do a deed, or find that it was done: the same id may come again, and a release without its pause.

        Raises:
            TargetAway: it may be tried again.
            DeedRefused: it will never pass.
        """

    def check(self) -> str:
        """What can be seen of it without doing anything, in words.

        Raises:
            TargetAway, DeedRefused: it can't be used.
        """

    def close(self) -> None:
        """End its connections; called last."""
