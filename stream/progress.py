"""The callback by which long work reports how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float], None]  # the stage at work, and the share of it that is done, 0 to 1


def no_progress(stage: str, share: float) -> None:
    """A `Progress` that shows nothing."""
