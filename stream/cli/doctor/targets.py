"""The checks of the closer's targets: each is reached, and nothing is done there."""

import os
from collections.abc import Iterator

from stream.cli.doctor.finding import Finding
from stream.closer.targets.target import DeedRefused, TargetAway
from stream.closer.targets.targets_file import read_targets
from stream.config import Settings


def check_targets(settings: Settings) -> Iterator[Finding]:
    """Each target of the file can be used; nothing is checked where no file is set.

    Raises:
        SettingsError: the file can't be used.
    """
    path = settings.closer.targets
    if path is None:
        return
    targets = read_targets(path, os.environ).targets
    if not targets:
        yield Finding("targets", "ok", f"{path} names none: decisions and events are all that is written")
    for target in targets:
        check = f"target {target.name}"
        try:
            yield Finding(check, "ok", target.check())
        except (TargetAway, DeedRefused) as error:
            yield Finding(check, "wrong", error.problem, error.mend)
        finally:
            target.close()
