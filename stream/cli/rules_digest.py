"""`noisegate rules digest`: what rules did, printed for mail or chat, or sent to the webhooks among the targets."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.cli.rules_live import START, live_standings
from stream.console import print_json
from stream.core.errors import NoisegateError, RulesError

if TYPE_CHECKING:
    from stream.closer.targets.webhook import WebhookTarget
    from stream.config import Settings
    from stream.rule_digest import Digest

OWNERS = "`noisegate rules proof` shows the owners"


def digest(
    owner: Annotated[str | None, typer.Option(help="One owner's rules. Default: a digest for each owner.")] = None,
    since: Annotated[str, typer.Option(help="From then to now: 24h, or 2026-03-01T00:00:00Z.")] = "24h",
    send: Annotated[bool, typer.Option("--send", help="Send each to the webhooks of closer_targets instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each owner.")] = False,
) -> None:
    """Print what rules paused and closed, for mail or chat: Markdown, with the five alerts likeliest to be wrong."""
    from stream.cli.standings_output import print_line
    from stream.core.events import parse_past
    from stream.rule_digest import as_markdown, read_digests

    settings, now = options.settings(), time.time()
    begin = parse_past(since, "--since", now)
    webhooks = _webhooks(settings) if send else []
    owners = {name: one.owner for name, one in live_standings().items()}
    found = read_digests(settings, owners, begin, now)
    if owner is not None:
        found = [one for one in found if one.owner == owner]
        if not found:
            raise RulesError(f"{owner} owns no rule that the closer knows or that decided since then", OWNERS)
    if not found:
        raise RulesError(
            "there is nothing to tell: no rule has decided since then, and no closer has left a standing of any",
            f"set closer_rules, and {START}",
        )
    if send:
        _send(found, webhooks, settings.deployment, as_json)
        return
    for number, one in enumerate(found):
        if as_json:
            print_json(one)
        else:
            print_line(("\n" if number else "") + as_markdown(one).rstrip("\n"))


def _webhooks(settings: "Settings") -> "list[WebhookTarget]":
    from stream.closer.digest_post import read_webhooks

    return read_webhooks(settings)


def _send(found: "list[Digest]", webhooks: "list[WebhookTarget]", deployment: str, as_json: bool) -> None:
    """Send each digest to each webhook once, whatever becomes of the others, and print what was sent where.

    Raises:
        RulesError: not all was taken.
    """
    from stream.cli.standings_output import print_line
    from stream.closer.digest_post import digest_event
    from stream.closer.targets.target import DeedRefused, TargetAway

    faults = list[NoisegateError]()
    events = [digest_event(one, deployment) for one in found]
    for target in webhooks:
        for event in events:
            problem = None
            try:
                target.post(event.id, event.body)
            except (TargetAway, DeedRefused) as error:
                faults.append(error)
                problem = error.problem
            if as_json:
                print_json({"owner": event.owner, "target": target.name, "id": event.id, "problem": problem})
            elif problem is None:
                print_line(f"the digest of {event.owner} was sent to {target.name}")
        target.close()
    if faults:
        count = len(events) * len(webhooks)
        which = "the digest was" if count == 1 else f"{len(faults)} of {count} posts were"
        raise RulesError(f"{which} not taken: {faults[0].problem}", faults[0].mend)
