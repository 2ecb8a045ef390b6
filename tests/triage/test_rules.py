"""The pages of rules: standings, the bound as a picture, the log, what is suppressed, the digest."""

import re
import time
from collections.abc import Iterator, Sequence

import pytest
from msgspec.structs import replace

from stream.core.suppressions import Suppression
from stream.rule_brakes import HeldBrakes, RuleBrakes
from stream.rule_standing import summaries_of
from stream.rule_state import Change, DayBound, NearMisses, PauseAll, RuleState, Standing
from stream.triage.board import Record
from stream.triage.standings import RuleData, RuleReader
from stream.triage.templates import bound_chart
from tests.standings import DAY, standing_of
from tests.triage.records import NOW, acted, at, decision, enriched, outcome
from tests.triage.rig import Rig

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m{{ 7 * 7 }}"
BLIND: Sequence[tuple[Record, ...]] = (
    (decision(name="would_close"),),
    (decision(name="hold_out", mode="pause"), acted(kind="held_out", agent="automation")),
    (decision(name="blocked", mode="pause"),),
)


def data(**standings: Standing) -> RuleData:
    """What a closer left of these rules, with a line of the log for each; `_` in a name is a dash."""
    named = {name.replace("_", "-"): one for name, one in standings.items()}
    log = [
        Change(at=NOW - 60, rule=name, version="3c1a", what="armed", by="ann", sentence=f"rule {name} may pause")
        for name in named
    ]
    return RuleData(rules=summaries_of(named), log=log)


def kept(alert_id: str, since: float = 0.0, until: float = 600.0, **fields: object) -> Suppression:
    """A pause by night-disks, in seconds after the start."""
    one = Suppression(
        alert_id, "payments", "disk_full", "db-7", "high", None, NOW, "pause", "night-disks", "3c1a", "m", 0.07,
        NOW + since, NOW + until, 0.9,
    )  # fmt: skip
    return replace(one, **fields)


def words(text: str) -> str:
    """A page without tags, on one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def test_a_rules_page_has_its_standing_and_the_command_that_takes_it_further() -> None:
    """In words, with the bound as a picture, the log, and what it did to alerts whose outcome is decided."""
    rig = Rig()
    rig.rules.data = data(night_disks=standing_of(400, 1.0))
    rig.take(enriched(), decision(), outcome(), enriched("A2", 5), decision("A2"))
    text = rig.get("/rules/night-disks").text
    assert "It is in shadow: says what it would do, and does nothing." in words(text)
    assert "Proven: 400 observations, 1.0 acted on" in words(text)
    assert "<code>noisegate rules arm night-disks --to pause</code>" in text
    assert "rule night-disks may pause" in text
    assert text.count("<polyline") == 3
    assert "acted on 0 of 1" in words(text)
    assert "A2" not in text


def test_rules_say_how_many_they_would_have_paused() -> None:
    """Of all alerts they decided on whose outcome is decided; those on which they were blocked are not held against
    them, and an alert that came back counts once."""
    rig = Rig()
    rig.rules.data = data(night_disks=standing_of(0, 0.0))
    for number, name in enumerate(["would_pause", "would_pause", "would_pause", "blocked"]):
        alert = f"A{number}"
        rig.take(enriched(alert, entity=alert), decision(alert, name, entity=alert))
        if number != 1:
            rig.take(outcome(alert, "actionable", "worked"))
    back = [decision("B", "pause", by_rule="b", entity="B"), decision("B", "release", by_rule="b", entity="B")]
    rig.take(enriched("B", entity="B"), *back)
    rules = words(rig.get("/rules").text)
    assert "night-disks would have paused 2 of 3, 1 blocked 2 of 2 inconclusive: 0 observations" in rules
    assert "b paused 1 of 1, 1 released 0 of 0 no proof so far" in rules
    assert "It would have paused 2 of 3, 1 blocked. People acted on 2 of 2" in words(rig.get("/rules/night-disks").text)


@pytest.mark.parametrize("path", ["/suppressed", "/digest"])
def test_where_no_rule_acts_the_pages_lead_to_what_rules_would_have_done(path: str) -> None:
    """With their number; not where one acts, nor for a rule that no file holds any more."""
    rig = Rig()
    gone = replace(standing_of(), loaded=False)
    rig.rules.data = data(quiet=standing_of(), night_disks=standing_of(400, 1.0), gone=gone)
    assert '2 rules are in shadow, and none acts. <a href="/rules">' in rig.get(path).text
    for others in ({"night_disks": standing_of(400, 1.0, "pause")}, {}):
        rig.rules.data = data(gone=gone, **others)
        assert "none acts. <a" not in rig.get(path).text


def test_an_armed_rule_shows_how_to_stop_it() -> None:
    """The commands to disarm and to undo, to copy; nothing to arm before two weeks."""
    rig = Rig()
    rig.rules.data = data(night_disks=replace(standing_of(400, 1.0, "pause"), near_misses=NearMisses(120, 3, 40, 1)))
    text = rig.get("/rules/night-disks").text
    assert "<dd>3 of 120 suppressed (2.5 %), 1 of 40 left alone (2.5 %)</dd>" in text
    assert "<code>noisegate rules disarm night-disks</code>" in text
    assert "<code>noisegate rules undo night-disks --since 2h</code>" in text
    assert "rules arm" not in text


def test_the_list_of_rules_has_those_of_the_closer_and_those_of_decisions() -> None:
    """Each once, with its state; without either the page says how to begin, and an unknown rule is not found."""
    rig = Rig()
    rig.rules.data = data(quiet=standing_of(), night_disks=standing_of(400, 1.0, "pause"))
    rig.take(enriched(), decision(by_rule="old-rule"), outcome())
    text = rig.get("/rules").text
    assert re.findall(r'<a href="/rules/([\w-]+)">', text) == ["night-disks", "quiet", "old-rule"]
    assert "bound 9.3 %, limit 5 %; proven after 129 more without one" in text
    assert rig.get("/rules/nothing").status_code == 404
    rig.rules.data = RuleData()
    assert rig.get("/rules/quiet").status_code == 404
    empty = Rig()
    empty.take(enriched())
    assert "noisegate run closer" in empty.get("/rules").text


@pytest.mark.parametrize("path", ["/rules", "/suppressed", "/digest"])
def test_what_keeps_rules_from_acting_stands_at_the_head(path: str) -> None:
    """A pause of all rules with who and why, standings that nobody renews, and Redis that is away."""
    rig = Rig()
    order = PauseAll(by="ann", at=NOW - 60, why="audit")
    rig.rules.data = replace(data(quiet=standing_of(at=NOW - DAY)), paused=order, away="Redis is away")
    text = words(rig.get(path).text)
    assert "No rule acts: paused by ann 61 s ago : audit." in text
    assert "Nobody judges the rules at the moment, so none acts." in text
    assert "Redis is away" in text
    broken = "the rules in use are not those of the files: /Rules/a.toml:7: risk is 2; write a share"
    rig.rules.data = replace(data(quiet=standing_of()), brakes=[broken])
    assert f"The{broken[3:]}." in words(rig.get(path).text)
    rig.rules.data = data(quiet=standing_of())
    assert 'role="status">N' not in rig.get(path).text


def test_what_is_suppressed_now_is_the_closers() -> None:
    """Rows of Redis with since, until, rule and why; what the topics alone know stays; each alert once."""
    rig = Rig()
    rig.take(
        enriched("A1"), enriched("A2"), enriched("A3"), decision("A1", "pause", until=at(9_000), decided_at=at(40)),
        acted("A2", "silenced", 20, until=at(9_000), reason="upgrade"),
        decision("A3", "pause", until=at(9_000), decided_at=at(30)),
    )  # fmt: skip
    rig.rules.data = RuleData(suppressed=[kept("A1", 40.0), kept("GONE", -9_000.0, -60.0, team="shops")])
    text = rig.get("/suppressed").text
    cells = r'<th scope="row">(.*?)</th>.*?\n<td>(\w+)</td><td><bdi>(.*?)</bdi></td><td class="why">(.*?)</td>'
    found = re.findall(cells, text)
    assert [(words(title), *rest) for title, *rest in found] == [
        ("disk_full on db-7", "paused", "night-disks", "its probability is 7.0 %"),
        ("Disk 91 % (A2)", "silenced", "9b97e7f7fd", "upgrade"),
        ("Disk 91 % (A3)", "paused", "night-disks", "it matches and is below 10 %"),
        ("Disk 91 % (A1)", "paused", "night-disks", "it matches and is below 10 %"),
    ]
    assert "/alerts/shops/GONE" not in text
    assert "61 s ago</time></td>" in text


def test_the_digest_is_by_owner() -> None:
    """What the last day's decisions did, with links to the alerts, and the same as Markdown."""
    rig = Rig()
    rig.rules.data = data(night_disks=standing_of(400, 1.0, "pause"))
    rig.take(enriched(), decision("A1", "pause", decided_at=at(-60)), outcome("A1", "actionable", "worked"))
    rig.now = NOW + 600.0
    text = rig.get("/digest").text
    assert "<h2><bdi>payments</bdi></h2>" in text
    assert '<a href="/alerts/payments/A1"><bdi>A1</bdi></a>' in text
    assert "people acted on it" in text
    markdown = rig.get("/digest?format=markdown")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert "| night-disks | 1 | 0 | 0 | 1 | 0 | 0 | 0 | 0 |" in markdown.text
    assert "1. [A1](/alerts/payments/A1): disk\\_full on db-7" in markdown.text


@pytest.mark.parametrize("path", ["/rules", "/rules/night-disks", "/suppressed", "/digest", "/digest?format=markdown"])
@pytest.mark.parametrize("hidden", BLIND)
def test_what_a_rule_left_alone_changes_no_byte(path: str, hidden: tuple[Record, ...]) -> None:
    """Until the outcome is decided every page of rules is as if the alert had met no rule."""
    plain, rig = Rig(), Rig()
    for one in (plain, rig):
        one.rules.data = data(night_disks=standing_of(400, 1.0, "pause"))
        one.take(enriched(), enriched("A2"), decision("A2", "pause", decided_at=at(1)))
    rig.take(*hidden)
    assert rig.get(path).content == plain.get(path).content


def test_what_keeps_one_rule_from_acting_stands_beside_it() -> None:
    """In the list and on its page, where it also says why alerts were left alone lately."""
    rig, why = Rig(), "model m1 is 91 days old, at most 90 are allowed"
    standing = replace(standing_of(), ready=("m1",))
    brakes = RuleBrakes(models={"m1": why}, blocked={"night-disks": {"its labels were cut": 12}})
    rig.rules.data = RuleData(rules=summaries_of({"night-disks": standing}, brakes))
    assert f"night-disks does not act: {why}." in words(rig.get("/rules").text)
    text = words(rig.get("/rules/night-disks").text)
    assert f"It does not act: {why}." in text
    assert "Left alone in the last hour 12: its labels were cut" in text


@pytest.mark.parametrize("path", ["/rules", "/rules/night-disks", "/suppressed", "/digest"])
def test_outside_text_stays_text(path: str) -> None:
    """Owners, people, reasons and alerts are escaped, on every page and in Markdown."""
    rig = Rig()
    standing = replace(standing_of(400, 1.0, "pause"), owner=HOSTILE, ready=("m1",))
    brakes = RuleBrakes(models={"m1": HOSTILE}, blocked={"night-disks": {HOSTILE: 9}})
    line = Change(at=NOW, rule="night-disks", version="a", what="armed", by=HOSTILE, sentence=HOSTILE)
    rig.rules.data = replace(
        RuleData(rules=summaries_of({"night-disks": standing}, brakes)),
        brakes=[HOSTILE],
        paused=PauseAll(by=HOSTILE, at=NOW, why=HOSTILE),
        log=[line],
        suppressed=[kept(HOSTILE, team=HOSTILE, rule=HOSTILE, entity=HOSTILE, by_rule=HOSTILE)],
    )
    rig.take(enriched(entity=HOSTILE), decision("A1", "pause", entity=HOSTILE, decided_at=at(0)))
    text = rig.get(path).text
    assert not any(one in text for one in ("<img src=x", "\u202e", "\x1b", "49"))


def test_the_bound_is_drawn_day_by_day_against_its_limit() -> None:
    """A day without a bound breaks the line; what is far above the limit is held at the edge; one day is no line."""
    bounds = [DayBound(10, 5, 0.0, 0.9, 0.05), DayBound(11, 6, 0.0, None, 0.05), DayBound(12, 90, 0.0, 0.2, 0.05)]
    bounds.append(DayBound(13, 300, 0.0, 0.04, 0.05))
    drawn = bound_chart(bounds)
    assert re.findall(r'polyline points="(.*?)" class="(.*?)"', drawn) == [
        ("56.0,151.5 244.0,151.5 432.0,151.5 620.0,151.5", "line ideal"),
        ("432.0,12.0 620.0,160.8", "line whisker s1"),
    ]
    assert drawn.count("<circle") == 3
    assert "4 % now, limit 5 %" in drawn
    assert bound_chart(bounds[:1]) == ""


@pytest.fixture
def state(redis_url: str, unique_name: str) -> Iterator[RuleState]:
    """Of a deployment of the test's own."""
    made = RuleState(redis_url, unique_name, 5.0)
    yield made
    made.close()


def test_the_reader_reads_what_the_closer_wrote(state: RuleState) -> None:
    """Standings, the pause, the log and what is suppressed; for a second it is given again without asking."""
    now = 0.0
    reader = RuleReader(state, lambda: now)
    assert reader.read() == RuleData()
    change = Change(at=NOW, rule="a", version="3c1a", what="loaded", by=None, sentence="loaded")
    state.publish({"a": standing_of()}, [], [change])
    state.note_suppressed([kept("A1")], [])
    state.pause_all(PauseAll(by="ann", at=NOW))
    state.publish_brakes(HeldBrakes(at=time.time(), everything=("Prometheus is away",)), "one")
    assert reader.read() == RuleData()
    now = 1.1
    assert reader.read() == RuleData(
        rules=summaries_of({"a": standing_of()}),
        paused=PauseAll(by="ann", at=NOW),
        brakes=["no rule acts: Prometheus is away"],
        log=[change],
        suppressed=[kept("A1")],
    )


def test_redis_that_is_away_is_a_sentence() -> None:
    """The pages stand without it."""
    away = RuleReader(RuleState("redis://127.0.0.1:1", "noisegate", 0.2)).read()
    assert away.away.startswith("How far rules may go can't be read: Redis does not answer")
