"""The checks of what closers act by: their rules, which are the same for all, and Prometheus."""

import time
from collections.abc import Iterator

from stream.cli.doctor.finding import Finding, finding_of
from stream.closer.brakes import CREATED, NO_PROMETHEUS
from stream.closer.exchange import ActiveRules, Exchange
from stream.closer.peers import difference, running, salt_digest
from stream.config import Settings
from stream.core.errors import Fault, MonitoringError
from stream.core.rule_index import RuleIndex
from stream.core.rules import parse_rules
from stream.prometheus import Prometheus
from stream.rule_files import read_rule_files

_SECONDS = 5.0


def check_rules(settings: Settings) -> Iterator[Finding]:
    """The files of rules can be used, and Prometheus answers where one may act; nothing where no rules are set.

    Raises:
        RulesError: a file can't be used.
    """
    if not settings.closer.rules:
        return
    placed = parse_rules(read_rule_files(settings.closer.rules))
    acting = [one.rule.name for one in placed if one.rule.mode in ("pause", "close")]
    yield Finding(
        "rules", "ok", f"{len(placed)} in use, {len(acting)} of them may pause or close once proven and armed"
    )
    if acting and settings.closer.replay:
        yield Finding("rules", "warning", "no rule acts: closer_replay is set", "unset it, unless the log is a replay")
    if acting:
        yield _prometheus(settings.metrics.prometheus_url)


def check_closers(settings: Settings) -> Iterator[Finding]:
    """All closers that run act by the rules and the salt of these settings; nothing where none runs.

    Raises:
        RulesError: Redis does not answer, or a file can't be used.
    """
    if not settings.closer.rules:
        return
    exchange, now = Exchange(settings.redis.url, settings.deployment, _SECONDS), time.time()
    try:
        found = running(exchange.closers(), now)
    finally:
        exchange.close()
    if not found:
        return
    rules = RuleIndex(parse_rules(read_rule_files(settings.closer.rules)))
    own = ActiveRules(rules.digest, salt_digest(settings.closer.salt or settings.deployment), now)
    if (fault := difference(own, found)) is not None:
        yield finding_of("closers", "warning", Fault(f"not as these settings: {fault.problem}", fault.mend))
    else:
        yield Finding("closers", "ok", f"{len(found)} run, by the rules of these settings")


def _prometheus(url: str) -> Finding:
    mend = "set prometheus_url to the Prometheus that scrapes the scorers, with the rules of deploy/prometheus"
    if not url:
        return Finding("prometheus", "warning", f"no rule acts: {NO_PROMETHEUS}", mend)
    try:
        known = Prometheus(url, _SECONDS).query(CREATED, time.time())
    except MonitoringError as error:
        return Finding("prometheus", "warning", f"no rule acts: {error.problem}", error.mend or mend)
    if not known:
        return Finding("prometheus", "warning", "no rule acts: Prometheus knows no model", mend)
    return Finding("prometheus", "ok", f"answers and knows {len(known)} models; rules may act")
