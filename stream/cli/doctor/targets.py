"""The checks of the closer's targets: each is reached, and nothing is done there."""

import os
from collections.abc import Iterator

from stream.cli.doctor.finding import Finding
from stream.closer.digest_post import read_webhooks
from stream.closer.targets.target import DeedRefused, TargetAway
from stream.closer.targets.targets_file import read_targets
from stream.config import Settings
from stream.core.errors import SettingsError


def check_targets(settings: Settings) -> Iterator[Finding]:
    """Each target of the file can be used, and a daily digest has a webhook; nothing where no file is set.

    Raises:
        SettingsError: the file can't be used.
    """
    path = settings.closer.targets
    if path is None:
        if settings.closer.digest_at:
            yield _daily_digest(settings)
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
    if settings.closer.digest_at:
        yield _daily_digest(settings)


def _daily_digest(settings: Settings) -> Finding:
    try:
        webhooks = read_webhooks(settings)
    except SettingsError as error:
        return Finding("daily digest", "wrong", error.problem, error.mend)
    for target in webhooks:
        target.close()
    names = ", ".join(target.name for target in webhooks)
    return Finding("daily digest", "ok", f"is sent at {settings.closer.digest_at} UTC to {names}")
