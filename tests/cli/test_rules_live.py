"""`noisegate rules` about rules that run: proofs, commands to the closer and what came of them, pauses, the log."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from stream.cli.rules_output import explain_alert
from stream.config import load_settings
from stream.core.events import moment
from stream.core.records import encode_record
from stream.core.rule_index import RuleIndex
from stream.core.rules import Placed
from stream.core.topics import TOPICS
from stream.kafka.clients import producer_settings
from stream.rule_brakes import HeldBrakes
from stream.rule_standing import days_words, summary_of
from stream.rule_state import RuleState
from tests.cli.conftest import Run, Scored
from tests.closer.targets.counting import CountingServer, Failure
from tests.closer.targets.test_targets import SECRET
from tests.standings import DAY, StandInCloser, rule_of, standing_of
from tests.triage.records import decision as decision_of
from tests.triage.records import enriched, outcome

RULE = "night-disks"


@pytest.fixture
def env(redis_url: str, unique_name: str) -> dict[str, str]:
    """The variables of a deployment of the test's own."""
    return {"NOISEGATE_REDIS_URL": redis_url, "NOISEGATE_DEPLOYMENT": unique_name, "USER": "ann", "LOGNAME": "ann"}


@pytest.fixture
def state(env: dict[str, str]) -> Iterator[RuleState]:
    """What rules, people and the closer share there."""
    made = RuleState(env["NOISEGATE_REDIS_URL"], env["NOISEGATE_DEPLOYMENT"], 5.0)
    yield made
    made.close()


def test_all_proofs_are_a_table_and_one_is_told_in_sentences(run: Run, state: RuleState, env: dict[str, str]) -> None:
    """Figures of each rule, what is missing, the bound by day, and the command where a person may go on."""
    standings = {RULE: standing_of(at=time.time()), "proven": standing_of(400, 1.0, at=time.time())}
    state.publish(standings, [], [])
    table = run("rules", "proof", env=env).out
    assert "proven is proven: noisegate rules arm proven --to pause" in table
    told = run("rules", "proof", RULE, env=env).out
    summary = summary_of(RULE, standings[RULE])
    assert "is in shadow: says what it would do, and does nothing" in told
    assert "inconclusive: 143 observations, 2.0 acted on" in told
    assert f"to proof if nothing more is acted on: {days_words(summary.days)} at " in told
    assert "arm" not in told
    found = {one["name"]: one for one in run("rules", "proof", "--json", env=env).json["rules"]}
    assert (found[RULE]["observations"], found[RULE]["to_proof"] > 0) == (143, True)
    assert (found["proven"]["to_proof"], found["proven"]["mode"]) == (0, "shadow")


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["80", "200"])
def test_a_narrow_terminal_cuts_no_name(run: Run, state: RuleState, env: dict[str, str], columns: str) -> None:
    """Where the table has no room each rule has two lines; names and figures are whole in both."""
    state.publish({RULE: standing_of(at=time.time())}, [], [])
    told = run("rules", "proof", env=env | {"COLUMNS": columns}).out
    assert RULE in told
    assert "inconclusive" in told
    assert "…" not in told


def test_days_are_not_known_before_an_observation(run: Run, state: RuleState, env: dict[str, str]) -> None:
    """A rule that was loaded today is not told that it never gets there."""
    state.publish({RULE: msgspec.structs.replace(standing_of(0, 0.0, at=time.time()), daily=0.0)}, [], [])
    told = run("rules", "proof", RULE, env=env).out
    assert "to proof if nothing more is acted on: not known before its first observation" in told


def test_a_closer_that_is_away_is_told(run: Run, state: RuleState, env: dict[str, str]) -> None:
    """Standings that nobody renewed for a day allow nothing, and the table says so first."""
    state.publish({RULE: standing_of(at=time.time() - DAY)}, [], [])
    assert run("rules", "proof", env=env).out.startswith("nobody judges the rules at the moment, so none acts: ")


def test_what_keeps_rules_from_acting_stands_with_the_proof(run: Run, state: RuleState, env: dict[str, str]) -> None:
    """Broken files and what brakes all rules come first, then what brakes one, and what it left alone lately."""
    now = time.time()
    state.publish({RULE: msgspec.structs.replace(standing_of(at=now), ready=("m1",))}, [], [])
    held = HeldBrakes(
        at=now,
        files="the rules in use are not those of the files: rules.toml:7: risk is 2; write a share",
        everything=("Prometheus is away",),
        models={"m1": "model m1 is 91 days old, at most 90 are allowed"},
        blocked={RULE: {"its labels were cut, and the rule names some": 12}},
    )
    state.publish_brakes(held, "one")
    told = run("rules", "proof", RULE, env=env).out.splitlines()
    assert told[:2] == [f"{held.files}; the closer goes on with the last good ones", "no rule acts: Prometheus is away"]
    assert told[3:5] == [
        "it does not act: model m1 is 91 days old, at most 90 are allowed",
        "alerts that it left alone in the last hour: 12: its labels were cut, and the rule names some",
    ]
    everything = run("rules", "proof", env=env).out
    assert everything.startswith(held.files)
    assert f"{RULE} does not act: model m1 is 91 days old" in everything
    found = run("rules", "proof", "--json", env=env).json
    assert (found["brakes"], found["rules"][0]["brakes"]) == (told[:2], list(held.models.values()))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["proof", "other"], f"the closer knows no rule other; name one of: {RULE}"),
        (["arm", "other", "--to", "pause"], "the closer knows no rule other"),
        (["undo", "other", "--since", "2h"], "the closer knows no rule other"),
        (["undo", RULE, "--since", "soon"], "--since soon: give a length"),
        (["undo", RULE, "--since", "9999-01-01T00:00:00Z"], "--since 9999-01-01T00:00:00Z: that has not come yet"),
        (["log", "other"], "the closer knows no rule other"),
        (["pause"], "one rule is not paused, it is disarmed; give --all"),
        (["pause", "--all", "--off", "--why", "x"], "give one of them"),
        (
            ["arm", RULE, "--to", "pause", "--wait", "0"],
            "the closer has not answered; is it running?; start it with `noisegate run closer`; the command waits",
        ),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(
    run: Run, state: RuleState, env: dict[str, str], arguments: list[str], told: str
) -> None:
    """Status 1 and one line on standard error, with the mend."""
    state.publish({RULE: standing_of(at=time.time())}, [], [])
    ran = run("rules", *arguments, env=env)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert told in ran.err


def test_without_a_standing_the_closer_is_to_be_started(run: Run, env: dict[str, str], redis_url: str) -> None:
    """Where no closer ever ran, the sentence says how to run one."""
    ran = run("rules", "arm", RULE, "--to", "pause", env=env)
    assert (ran.status, "start it with `noisegate run closer`" in ran.err) == (1, True)


def test_redis_that_is_away_is_one_sentence(run: Run, env: dict[str, str]) -> None:
    """Nothing is sent anywhere, and the mend names the setting."""
    ran = run("rules", "proof", env=env | {"NOISEGATE_REDIS_URL": "redis://127.0.0.1:1"})
    assert (ran.status, "set NOISEGATE_REDIS_URL" in ran.err) == (1, True)
    assert ".;" not in ran.err


def test_arming_shows_the_proof_before_and_after(run: Run, state: RuleState, env: dict[str, str]) -> None:
    """The command waits for the closer's result; the log says who; disarming takes the rule back."""
    state.publish({RULE: standing_of(400, 1.0, at=time.time())}, [], [])
    with StandInCloser(state, {RULE: (400, 1.0)}):
        armed = run("rules", "arm", RULE, "--to", "pause", env=env)
        assert armed.status == 0
        before, after = armed.out.split(f"rule {RULE} may pause from the next hour on\n")
        assert "next: noisegate rules arm night-disks --to pause" in before
        assert "night-disks of payments" in after
        assert "pauses alerts from " in after
        assert "next: " not in after
        disarmed = run("rules", "disarm", RULE, "--by", "bob", env=env)
    assert (disarmed.status, f"rule {RULE} is back in shadow" in disarmed.out) == (0, True)
    assert [(one.what, one.by) for one in state.log()] == [("disarmed", "bob"), ("armed", "ann")]
    assert state.commands() == []


def test_what_is_not_proven_is_refused_with_the_closers_sentence(
    run: Run, state: RuleState, env: dict[str, str]
) -> None:
    """Status 1, and the reason with what is missing."""
    state.publish({RULE: standing_of(at=time.time())}, [], [])
    with StandInCloser(state, {RULE: (143, 2.0)}):
        ran = run("rules", "arm", RULE, "--to", "pause", env=env)
    assert ran.status == 1
    assert "can't be armed: inconclusive: 143 observations" in ran.err
    assert "refused night-disks by ann" in run("rules", "log", RULE, env=env).out


def test_all_rules_are_paused_and_go_on(run: Run, state: RuleState, env: dict[str, str]) -> None:
    """The order stands in Redis with who and why until it is taken back; both are in the log."""
    state.publish({RULE: standing_of(at=time.time())}, [], [])
    told = run("rules", "pause", "--all", "--why", "audit", env=env).out
    assert told.startswith("no rule acts: paused by ann: audit\ntake it back with: noisegate rules pause --all --off")
    order = state.paused()
    assert order is not None
    assert (order.by, order.why) == ("ann", "audit")
    assert "no rule acts: paused by ann" in run("rules", "proof", env=env).out
    assert run("rules", "pause", "--all", "--off", env=env).out == "rules may act again\n"
    assert state.paused() is None
    assert run("rules", "pause", "--all", "--off", env=env).out == "rules are not paused\n"
    assert [one.sentence for one in state.log()] == ["rules may act again", "no rule acts: paused by ann: audit"]


def test_an_explanation_says_what_the_rule_may_do_now() -> None:
    """With a standing of the version that decides, its own words; of another version, what the file allows."""
    rule = rule_of(mode="pause")
    index, alert = RuleIndex([Placed(rule, "rules.toml", 1)]), enriched()
    [found] = explain_alert(index, alert, {RULE: standing_of(rule=rule)}).rules
    assert found.result.startswith("decides: it is in shadow: says what it would do, and does nothing (inconclusive: ")
    [other] = explain_alert(index, alert, {RULE: standing_of(rule=rule_of(risk=0.1))}).rules
    assert other.result == "decides: once proven and armed it may pause this alert"


@pytest.fixture
def own_topics(run: Run, scored: Scored, unique_name: str) -> dict[str, str]:
    """The variables of the stack with topics of the test's own, so that nobody else finds its records."""
    env = scored.env | {f"NOISEGATE_{role.upper()}_TOPIC": f"{unique_name}.{role}" for role in TOPICS}
    assert run("topics", "create", env=env).status == 0
    return env


@pytest.mark.slow
def test_an_open_alert_is_explained_without_its_rule(
    run: Run, scored: Scored, own_topics: dict[str, str], tmp_path: Path
) -> None:
    """A match and none look alike until the outcome is decided or a rule has acted, unless a person wants to know."""
    producer = Producer(producer_settings(scored.stack.settings))
    topics = load_settings(own_topics).topics
    for number, alert_id in enumerate(("OPEN-1", "DONE-1", "PAUSED-9")):
        one = enriched(alert_id, flags=["held_out"] if number == 0 else [])
        producer.produce(topics.enriched, encode_record(one), b"payments")
    producer.produce(topics.decisions, encode_record(decision_of("OPEN-1", "would_pause")), b"payments")
    producer.produce(topics.decisions, encode_record(decision_of("PAUSED-9", "pause")), b"payments")
    producer.produce(topics.outcomes, encode_record(outcome("DONE-1")), b"payments")
    assert producer.flush(10) == 0

    def explain(alert_id: str, team: str, *options: str) -> str:
        rules = tmp_path / f"{team}.toml"
        rules.write_text(f'[[rule]]\nname = "r"\nowner = "o"\nmatch = {{ team = "{team}" }}\nmax_probability = 1.0\n')
        return run("rules", "explain", alert_id, str(rules), *options, env=own_topics).out

    blind = explain("OPEN-1", "payments")
    assert blind == explain("OPEN-1", "nobody")
    assert explain("OPEN-1", "payments", "--json") == explain("OPEN-1", "nobody", "--json")
    assert "what rules make of it is shown once its outcome is decided" in blind
    assert "held_out" not in blind
    for words in (["OPEN-1", "payments", "--unblind"], ["DONE-1", "payments"], ["PAUSED-9", "payments"]):
        assert "decides; with mode = 'shadow' it does nothing" in explain(*words)
    assert "does not match: team must be nobody" in explain("DONE-1", "nobody")


@pytest.mark.slow
def test_an_undo_waits_for_every_partition(run: Run, scored: Scored) -> None:
    """What each brought back is shown as it answers; where some do not, the status is 1 and the order stands."""
    state = RuleState(scored.stack.settings.redis.url, scored.stack.settings.deployment, 5.0)
    state.publish({RULE: standing_of(at=time.time())}, [], [])
    partitions = 4
    with StandInCloser(state, {}, partitions):
        ran = run("rules", "undo", RULE, "--since", "2h", env=scored.env)
        found = run("rules", "undo", RULE, "--since", "2h", "--json", env=scored.env).json
    assert ran.status == 0
    assert [line for line in ran.out.splitlines() if line.startswith("partition")] == [
        f"partition {number}: {number} brought back" for number in range(1, partitions)
    ]
    assert ran.out.endswith("6 alerts are back\n")
    assert found["undone"] == {str(number): number for number in range(partitions)}
    with StandInCloser(state, {}, partitions - 1):
        late = run("rules", "undo", RULE, "--since", "2h", "--wait", "3", env=scored.env)
    assert (late.status, "1 of 4 partitions have not answered" in late.err) == (1, True)
    assert len(state.undos()) == 3
    state.close()


@pytest.mark.slow
def test_a_digest_is_made_of_the_topics(run: Run, scored: Scored, own_topics: dict[str, str], tmp_path: Path) -> None:
    """What was paused in the span, by owner, with a link to the page: as Markdown, as JSON, and sent to a webhook."""
    settings, now = scored.stack.settings, time.time()
    state = RuleState(settings.redis.url, settings.deployment, 5.0)
    state.publish({RULE: standing_of(at=now)}, [], [])
    state.close()
    deed = decision_of("PAUSED-1", "pause", decided_at=moment(now - 60), probability=0.09)
    producer = Producer(producer_settings(settings))
    topics = load_settings(own_topics).topics
    producer.produce(topics.decisions, encode_record(deed), b"payments")
    producer.produce(topics.outcomes, encode_record(outcome("PAUSED-1", "actionable")), b"payments")
    producer.flush()
    env = own_topics | {"NOISEGATE_RELAY_PAGE_URL": "http://page/alerts/{team}/{alert_id}"}
    text = run("rules", "digest", "--owner", "payments", env=env).out
    assert text.startswith("# Rules of payments: ")
    assert "| night-disks | 1 | 0 | 0 | 1 | 0 | 0 | 0 | 0 |" in text
    assert "1. [PAUSED-1](http://page/alerts/payments/PAUSED-1): disk\\_full on db-7 of payments, paused by" in text
    found = run("rules", "digest", "--json", env=env).json
    assert (found["type"], found["owner"], len(found["likeliest_wrong"])) == ("rules_digest", "payments", 1)
    missing = run("rules", "digest", "--owner", "nobody", env=env)
    assert (missing.status, "owns no rule" in missing.err) == (1, True)
    with CountingServer() as server:
        env |= targets_of(server, tmp_path)
        assert run("rules", "digest", "--send", env=env).out == "the digest of payments was sent to chat\n"
        server.failures.append(Failure(503))
        away = run("rules", "digest", "--send", env=env)
        assert (away.status, away.err.count("\n"), away.out) == (1, 1, "")
        assert "the digest was not taken: chat answered 503" in away.err
        again = run("rules", "digest", "--send", "--json", env=env).json
        first, _, last = server.requests
    assert again == {"owner": "payments", "target": "chat", "id": last.headers["webhook-id"], "problem": None}
    assert (first.headers["webhook-id"], sum(server.done.values())) == (last.headers["webhook-id"], 1)
    assert first.json["data"]["digest"]["likeliest_wrong"][0]["alert_id"] == "PAUSED-1"


def test_a_digest_needs_a_webhook_to_be_sent(run: Run, env: dict[str, str]) -> None:
    """One sentence, before any topic is read."""
    ran = run("rules", "digest", "--send", env=env | {"NOISEGATE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert (
        "no file of targets is set, so a digest can be sent nowhere; give the file of targets a [[webhook]]" in ran.err
    )


def targets_of(server: CountingServer, folder: Path) -> dict[str, str]:
    """The variables of a file of targets that names the server as a webhook."""
    path = folder / "targets.toml"
    path.write_text(
        f'allow = ["127.0.0.0/8"]\n[[webhook]]\nname = "chat"\nurl = "{server.url}"\nsecret_env = "HOOK_SECRET"\n'
    )
    return {"NOISEGATE_CLOSER_TARGETS": str(path), "HOOK_SECRET": SECRET}
