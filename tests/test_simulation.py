"""The simulated organisation holds what it says it holds. Simulated: every figure made with it says so."""

import gzip
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from stream.core.effects import Arrived
from stream.core.episodes import episode_id
from stream.core.events import decode_event, seconds
from stream.core.fold import Fold
from stream.core.problem import parse_problem
from stream.simulation import (
    FIXES,
    FLOODS,
    HABITS,
    RULES,
    SHIFTS,
    START,
    STEADY,
    TEAMS,
    ActedRecord,
    Drifts,
    Event,
    RaisedRecord,
    Truth,
    simulate,
    simulate_with_truth,
    write_events,
)
from stream.simulation.catalogue import Fix, Flood, Shift
from stream.simulation.reactions import MONITORS, REASONS

PROBLEM_FILE = Path(__file__).parents[1] / "deploy" / "problems" / "simulated.toml"
PROBLEM = tomllib.loads(PROBLEM_FILE.read_text(encoding="utf-8"))
ACTIONABLE = set(PROBLEM["outcome"]["actionable"])
NOISE = set(PROBLEM["outcome"]["noise"])
HORIZON = timedelta(hours=PROBLEM["outcome"]["horizon_hours"])
GRACE = timedelta(minutes=PROBLEM["outcome"]["grace_minutes"])
DAYS = 60


@dataclass
class Alert:
    """One alert of the log, with what came of it and the truth that no event says."""

    raised: RaisedRecord
    truth: Truth
    actions: list[ActedRecord] = field(default_factory=list)
    endings: list[ActedRecord] = field(default_factory=list)  # what its monitor says

    def __post_init__(self) -> None:
        self.at = datetime.fromisoformat(self.raised["at"])
        self.team = self.raised["team"]
        self.rule = self.raised["rule"]
        self.env = self.raised["labels"]["env"]
        self.share = (self.at - START) / timedelta(days=DAYS)

    @property
    def kinds(self) -> list[str]:
        """The kinds of its actions, in order."""
        return [action["kind"] for action in self.actions]

    @property
    def judged(self) -> bool:
        """Neither in a flood nor visibility-only."""
        return not (self.truth.flood or self.truth.visibility_only)

    @property
    def outcome(self) -> tuple[int, datetime]:
        """1 for actionable, 0 for noise, and when that is known: the first decisive action, or the expiry."""
        for action in self.actions:
            at = datetime.fromisoformat(action["at"])
            if action["kind"] in ACTIONABLE | NOISE and at - self.at <= HORIZON:
                return int(action["kind"] in ACTIONABLE), at
        return 0, self.at + HORIZON + GRACE

    @property
    def label(self) -> int:
        """1 for actionable, 0 for noise."""
        return self.outcome[0]

    def delays(self) -> list[tuple[str, float]]:
        """Kind and seconds since the raise of each action."""
        return [(a["kind"], (datetime.fromisoformat(a["at"]) - self.at).total_seconds()) for a in self.actions]


@dataclass
class World:
    """A whole log, read once."""

    events: list[Event]
    alerts: list[Alert]

    @property
    def judged(self) -> list[Alert]:
        """The alerts that count in figures."""
        return [alert for alert in self.alerts if alert.judged]

    def of(self, team: str) -> list[Alert]:
        """The judged alerts of a team."""
        return [alert for alert in self.judged if alert.team == team]

    def with_habit(self, *habits: str) -> list[Alert]:
        """The judged alerts of all teams of these habits."""
        names = {team.name for team in TEAMS if team.habit in habits}
        return [alert for alert in self.judged if alert.team in names]


def read(events: list[Event], truth: dict[str, Truth]) -> World:
    """Gather each alert with its actions, repeats dropped."""
    alerts: dict[str, Alert] = {}
    seen: set[str] = set()
    for event in events:
        if event["type"] == "raised":
            alerts.setdefault(event["alert_id"], Alert(event, truth[event["alert_id"]]))
        elif event["action_id"] not in seen:
            seen.add(event["action_id"])
            alert = alerts[event["alert_id"]]
            (alert.endings if event["kind"] == "ended" else alert.actions).append(event)
    return World(events, list(alerts.values()))


@pytest.fixture(scope="module")
def world() -> World:
    """The default log."""
    return read(*simulate_with_truth())


def rate(alerts: Iterable[Alert]) -> float:
    """The share of actionable."""
    return float(np.mean([alert.label for alert in alerts]))


def auc(alerts: list[Alert], scores: Iterable[float]) -> float:
    """The probability that an actionable alert scores above a noise one, ties counting half."""
    labels, values = np.array([alert.label for alert in alerts]), np.array(list(scores))
    noise = np.sort(values[labels == 0])
    below = (np.searchsorted(noise, values[labels == 1]) + np.searchsorted(noise, values[labels == 1], "right")) / 2
    return float(np.mean(below) / len(noise))


def oracle(alerts: list[Alert]) -> float:
    """The AUC of the true probability."""
    return auc(alerts, [alert.truth.probability for alert in alerts])


def rates_known(alerts: list[Alert], key: Callable[[Alert], object], prior: list[float]) -> list[float]:
    """For each alert the rate of its key from what was known at its raise, with ten alerts' weight on the prior."""
    known: defaultdict[object, list[int]] = defaultdict(lambda: [0, 0])
    scores: dict[int, float] = {}
    moments = [(alert.outcome[1], 0, index) for index, alert in enumerate(alerts)]
    moments += [(alert.at, 1, index) for index, alert in enumerate(alerts)]
    for _, is_raise, index in sorted(moments):
        counts = known[key(alerts[index])]
        if is_raise:
            scores[index] = (counts[0] + 10 * prior[index]) / (counts[1] + 10)
        else:
            counts[0] += alerts[index].label
            counts[1] += 1
    return [scores[index] for index in range(len(alerts))]


def daily(alerts: Iterable[Alert]) -> Counter[int]:
    """How many alerts on each day of the span."""
    return Counter((alert.at - START).days for alert in alerts)


class TestForm:
    """The log is in the form of events that the scorer reads."""

    @pytest.mark.slow
    def test_keys_and_kinds(self, world: World) -> None:
        """Events have the keys of their type, and nothing else that could tell the truth."""
        raised = {"type", "at", "alert_id", "team", "rule", "entity", "source", "title", "labels"}
        acted = {"type", "at", "alert_id", "team", "action_id", "kind", "actor", "agent"}
        for event in world.events:
            keys = set(event) - {"severity"} if event["type"] == "raised" else set(event) - {"reason"}
            assert keys == (raised if event["type"] == "raised" else acted)

    def test_times(self, world: World) -> None:
        """Times are RFC 3339 in UTC, to the millisecond at most, and never go back."""
        times = [event["at"] for event in world.events]
        assert all(re.fullmatch(r"2026-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at) for at in times)
        assert times == sorted(times)

    def test_size(self, world: World) -> None:
        """The default log has 20,000 to 25,000 alerts and three to four events for each."""
        assert 20_000 <= len(world.alerts) <= 25_000
        assert 3 <= len(world.events) / len(world.alerts) <= 4

    def test_says_simulated(self, world: World) -> None:
        """Each alert says that it is simulated, and what it is about."""
        for alert in world.alerts:
            assert alert.raised["labels"].keys() == {"env", "simulated"}
            assert alert.raised["labels"]["simulated"] == "true"
            assert alert.env in {"prod", "staging", "dev"}
            assert alert.raised["source"]
            assert alert.raised["entity"] in alert.raised["title"]

    def test_numbers_in_titles_are_plausible(self, world: World) -> None:
        """A disk is 85 to 99 % full, and fuller where the alert is critical than where it is of medium severity."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for alert in world.alerts:
            if alert.rule == "disk_full":
                found[alert.raised["severity"]].append(int(alert.raised["title"].split()[1]))
        numbers = [number for severity in found.values() for number in severity]
        assert (min(numbers), max(numbers)) == (85, 99)
        assert max(found["medium"]) <= min(found["high"]) < max(found["high"]) <= min(found["critical"])

    def test_people_give_reasons_and_machines_do_not(self, world: World) -> None:
        """Of what people decide about six in ten say why, in words of the catalogue; automation never does."""
        actions = [action for alert in world.alerts for action in (*alert.actions, *alert.endings)]
        decided = [action for action in actions if action["agent"] == "person" and action["kind"] in ACTIONABLE | NOISE]
        given = [action["reason"] for action in decided if "reason" in action]
        assert 0.55 < len(given) / len(decided) < 0.65
        assert set(given) <= {reason for reasons in REASONS.values() for reason in reasons}
        assert not any("reason" in action for action in actions if action["agent"] == "automation")

    def test_severity_is_optional(self, world: World) -> None:
        """A rule whose source knows no severity raises alerts without one."""
        without = {alert.rule for alert in world.alerts if "severity" not in alert.raised}
        assert without == {rule.name for rule in RULES if not rule.severities}

    def test_actors_are_pseudonyms(self, world: World) -> None:
        """Actors are hexadecimal, and far fewer than actions."""
        actors = Counter(action["actor"] for alert in world.alerts for action in alert.actions)
        assert all(re.fullmatch(r"[0-9a-f]{10}", actor) for actor in actors)
        assert 100 < len(actors) < 200

    def test_alert_ids_follow_the_raises(self, world: World) -> None:
        """Identities are unique and given in the order of the raises."""
        ids = [alert.raised["alert_id"] for alert in world.alerts]
        assert ids == sorted(set(ids))

    def test_problem_file(self) -> None:
        """The problem file is called actionable, says that all is simulated, and excludes the reports."""
        assert "simulated" in PROBLEM_FILE.read_text(encoding="utf-8").splitlines()[0]
        assert PROBLEM["name"] == "actionable"
        assert PROBLEM["outcome"]["horizon_hours"] == 24
        assert PROBLEM["outcome"]["grace_minutes"] == 5
        assert PROBLEM["outcome"]["on_expiry"] == "noise"
        assert PROBLEM["exclude"]["visibility_only"] == [{"rule": "report/*"}]
        assert PROBLEM["history"]["labels"] == ["env"]


class TestSeed:
    """The same arguments give the same log."""

    @pytest.mark.slow
    def test_same_seed(self) -> None:
        """A seed always gives the same events."""
        assert list(simulate(seed=3, days=4)) == list(simulate(seed=3, days=4))

    @pytest.mark.slow
    def test_other_seed(self) -> None:
        """Another seed gives other events."""
        assert list(simulate(seed=3, days=4)) != list(simulate(seed=4, days=4))

    @pytest.mark.slow
    def test_start_and_scale(self) -> None:
        """The log begins at the given start, and scale multiplies its volume."""
        start = datetime(2025, 6, 2, tzinfo=UTC)
        small, large = ([*simulate(5, 6, start, scale)] for scale in (0.5, 2.0))
        assert small[0]["at"].startswith("2025-06-02T00:")
        assert 2.5 < len(large) / len(small) < 4.5

    @pytest.mark.parametrize(
        ("days", "start", "scale", "words"),
        [
            (0, START, 1.0, "at least one day"),
            (5, START.replace(tzinfo=None), 1.0, "time zone"),
            (5, START, 0.0, "above zero"),
        ],
    )
    def test_refusals(self, days: int, start: datetime, scale: float, words: str) -> None:
        """What cannot be simulated is refused with the mend."""
        with pytest.raises(ValueError, match=words):
            simulate_with_truth(days=days, start=start, scale=scale)

    @pytest.mark.slow
    def test_files(self, tmp_path: Path) -> None:
        """Plain and compressed files hold the same events, and the same bytes each time."""
        names = ("a.jsonl", "a.jsonl.gz", "b.jsonl.gz")
        counts = [write_events(tmp_path / name, seed=3, days=2) for name in names]
        plain, packed, again = ((tmp_path / name).read_bytes() for name in names)
        assert [json.loads(line) for line in plain.splitlines()] == list(simulate(seed=3, days=2))
        assert counts == [len(plain.splitlines())] * 3
        assert gzip.decompress(packed) == plain
        assert packed == again


class TestPredictability:
    """How much there is to learn, and for whom."""

    def test_label_rate(self, world: World) -> None:
        """A quarter to a third of the judged alerts is actionable."""
        assert 0.25 < rate(world.judged) < 0.35

    def test_truth_is_calibrated(self, world: World) -> None:
        """In each tenth of the true probability, the outcomes come out as it says."""
        alerts = sorted(world.judged, key=lambda alert: alert.truth.probability)
        for tenth in np.array_split(np.arange(len(alerts)), 10):
            group = [alerts[index] for index in tenth]
            assert rate(group) == pytest.approx(np.mean([alert.truth.probability for alert in group]), abs=0.035)

    def test_room_above_the_baselines(self, world: World) -> None:
        """On the last 40 %, rates by team and rule beat rates by team, and leave room below the best possible score."""
        alerts = world.judged
        by_team = rates_known(alerts, lambda alert: alert.team, [0.3] * len(alerts))
        by_team_rule = rates_known(alerts, lambda alert: (alert.team, alert.rule), by_team)
        cut = int(0.6 * len(alerts))
        best = oracle(alerts[cut:])
        assert 0.85 < best < 0.90
        assert auc(alerts[cut:], by_team[cut:]) + 0.05 < auc(alerts[cut:], by_team_rule[cut:]) < best - 0.05

    def test_many_teams(self, world: World) -> None:
        """There are twenty teams or more, each with enough alerts to judge it, of every habit."""
        assert len(TEAMS) >= 20
        assert {team.habit for team in TEAMS} == set(HABITS)
        assert all(len(world.of(team.name)) > 300 for team in TEAMS)

    @pytest.mark.parametrize("team", [team.name for team in TEAMS if team.habit == "readable"])
    def test_readable_teams(self, world: World, team: str) -> None:
        """Whoever knows a readable team can tell what it will act on."""
        assert oracle(world.of(team)) > 0.80

    @pytest.mark.parametrize("team", [team.name for team in TEAMS if team.habit == "coin"])
    def test_random_teams(self, world: World, team: str) -> None:
        """Nobody can tell what a random team will act on."""
        assert oracle(world.of(team)) < 0.65
        assert 0.15 < rate(world.of(team)) < 0.45

    def test_constant_teams(self, world: World) -> None:
        """Some teams hardly ever act, some nearly always."""
        assert rate(world.with_habit("ignores")) < 0.05
        assert rate(world.with_habit("acts")) > 0.85

    @pytest.mark.parametrize("key", ["rule", "entity"])
    def test_rules_and_entities_matter(self, world: World, key: str) -> None:
        """Within readable teams, rates differ between rules and between entities far more than chance has it."""
        groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for alert in world.with_habit("readable"):
            groups[alert.team, alert.raised["rule"] if key == "rule" else alert.raised["entity"]].append(alert.label)
        rates = [np.mean(labels) for labels in groups.values() if len(labels) >= 30]
        assert len(rates) > 40
        assert np.std(rates) > 0.15

    def test_env_and_severity_matter(self, world: World) -> None:
        """Production is acted on more than staging, that more than dev; critical more than low."""
        alerts = world.with_habit("readable", "mixed")
        prod, staging, dev = (rate(a for a in alerts if a.env == env) for env in ("prod", "staging", "dev"))
        assert prod > staging + 0.05 > dev + 0.10
        critical, low = (rate(a for a in alerts if a.raised.get("severity") == each) for each in ("critical", "low"))
        assert critical > low + 0.2

    def test_working_hours_matter(self, world: World) -> None:
        """By night teams act less, except on what is critical."""
        zones = {team.name: team.zone for team in TEAMS}
        groups: defaultdict[tuple[bool, bool], list[Alert]] = defaultdict(list)
        for alert in world.with_habit("readable", "mixed"):
            local = alert.at + timedelta(hours=zones[alert.team])
            at_work = local.weekday() < 5 and 8 <= local.hour < 18
            groups[alert.raised.get("severity") == "critical", at_work].append(alert)
        assert rate(groups[False, True]) > rate(groups[False, False]) + 0.12
        lost = rate(groups[True, True]) - rate(groups[True, False])
        assert lost < rate(groups[False, True]) - rate(groups[False, False])


class TestVolume:
    """When alerts come."""

    def test_day_rhythm(self, world: World) -> None:
        """Afternoons bring at least half again as many alerts as nights."""
        hours = Counter(alert.at.hour for alert in world.judged)
        assert sum(hours[h] for h in range(12, 17)) > 1.5 * sum(hours[h] for h in range(1, 6))

    def test_week_rhythm(self, world: World) -> None:
        """A weekend day brings under three quarters of a weekday's alerts."""
        days = daily(world.judged)
        weekend = [count for day, count in days.items() if (START + timedelta(days=day)).weekday() >= 5]
        weekday = [count for day, count in days.items() if (START + timedelta(days=day)).weekday() < 5]
        assert np.mean(weekend) < 0.75 * np.mean(weekday)

    @pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: f"{flood.team}-{flood.rule}")
    def test_floods(self, world: World, flood: Flood) -> None:
        """A rule of a few alerts a day fires hundreds of times on its flood day, and nearly all of it is ignored."""
        alerts = [alert for alert in world.alerts if (alert.team, alert.rule) == (flood.team, flood.rule)]
        (day, count), (_, second) = daily(alerts).most_common(2)
        assert day == int(flood.share * DAYS)
        assert 300 <= count <= 800
        assert second <= 15
        assert (len(alerts) - count) / DAYS < 4
        flooded = [alert for alert in alerts if alert.truth.flood]
        assert len(flooded) >= 0.95 * count
        assert rate(flooded) < 0.02

    def test_two_or_three_flood_days(self, world: World) -> None:
        """Floods are days apart, and no other rule has a day like them."""
        days = {(alert.at - START).days for alert in world.alerts if alert.truth.flood}
        assert len(days) == len(FLOODS) == 3
        calm = Counter((a.team, a.rule, (a.at - START).days) for a in world.alerts if not a.truth.flood)
        assert max(calm.values()) < 100

    def test_visibility_only(self, world: World) -> None:
        """Reports are a good part of the volume, and nobody ever does anything with them."""
        reports = [alert for alert in world.alerts if alert.rule.startswith("report/")]
        assert reports == [alert for alert in world.alerts if alert.truth.visibility_only]
        assert 0.05 < len(reports) / len(world.alerts) < 0.20
        assert not any(alert.actions for alert in reports)

    def test_repeats_are_counted_from_the_past(self, world: World) -> None:
        """The repetition that the truth rests on is what the log shows of the hour before, and nothing later."""
        recent: defaultdict[tuple[str, str, str], list[datetime]] = defaultdict(list)
        edge = timedelta(milliseconds=2)
        for alert in world.alerts:
            times = recent[alert.team, alert.rule, alert.raised["entity"]]
            hour = timedelta(hours=1)
            surely = sum(at > alert.at - hour + edge for at in times)
            perhaps = sum(at > alert.at - hour - edge for at in times)
            assert surely <= alert.truth.repeats <= perhaps
            times.append(alert.at)

    def test_flapping(self, world: World) -> None:
        """What fired within the hour before is seldom acted on; a few entities do most of that."""
        alerts = world.with_habit("readable", "mixed")
        again = [alert for alert in alerts if alert.truth.repeats]
        assert 0.08 < len(again) / len(alerts) < 0.25
        assert rate(again) < 0.5 * rate(alert for alert in alerts if not alert.truth.repeats)
        by_entity = Counter(alert.raised["entity"] for alert in again)
        most = sum(count for _, count in by_entity.most_common(len(by_entity) // 4))
        assert most > 0.7 * len(again)


class TestDrift:
    """What changes over time."""

    @pytest.mark.parametrize("shift", [s for s in SHIFTS if s.since < s.until], ids=lambda shift: str(shift.team))
    def test_slow(self, world: World, shift: Shift) -> None:
        """A drifting team's rate moves over weeks, as its table says, and is between the two in the middle."""
        thirds = [rate(a for a in world.of(shift.team) if third / 3 <= a.share < (third + 1) / 3) for third in range(3)]
        assert (thirds[2] - thirds[0]) * np.sign(shift.by) > 0.10
        assert min(thirds[0], thirds[2]) - 0.04 < thirds[1] < max(thirds[0], thirds[2]) + 0.04

    def test_sudden(self, world: World) -> None:
        """A team that changes on one day acts far less in the ten days after than in the ten before."""
        shift = next(s for s in SHIFTS if s.since == s.until and s.by)
        ten_days = 10 / DAYS
        before = rate(a for a in world.of(shift.team) if shift.since - ten_days <= a.share < shift.since)
        after = rate(a for a in world.of(shift.team) if shift.since <= a.share < shift.since + ten_days)
        assert after < 0.5 * before

    def test_redrawn(self, world: World) -> None:
        """A team with new habits acts on other alerts than before, while those that keep theirs act on the same."""
        shift = next(s for s in SHIFTS if s.redrawn)
        steady = [t.name for t in TEAMS if t.habit == "readable" and t.name not in {s.team for s in SHIFTS}]
        assert likeness(world.of(shift.team), shift.since) < 0.4
        assert all(likeness(world.of(team), shift.since) > 0.6 for team in steady)

    @pytest.mark.parametrize("fix", FIXES, ids=lambda fix: f"{fix.team}-{fix.rule}")
    def test_mended_rules(self, world: World, fix: Fix) -> None:
        """A mended rule fires far less from its day on, and what is left is acted on."""
        alerts = [alert for alert in world.of(fix.team) if alert.rule == fix.rule]
        before = [alert for alert in alerts if alert.share < fix.share]
        after = [alert for alert in alerts if alert.share >= fix.share]
        assert len(after) / (1 - fix.share) < 0.5 * len(before) / fix.share
        assert rate(after) > rate(before) + 0.15


def likeness(alerts: list[Alert], share: float) -> float:
    """The correlation of true log-odds by rule and entity before and after this share of the span."""
    sides: list[defaultdict[tuple[str, str], list[float]]] = [defaultdict(list), defaultdict(list)]
    for alert in alerts:
        odds = alert.truth.probability / (1 - alert.truth.probability)
        sides[alert.share >= share][alert.rule, alert.raised["entity"]].append(float(np.log(odds)))
    both = [key for key in sides[0] if key in sides[1]]
    before, after = ([np.mean(side[key]) for key in both] for side in sides)
    return float(np.corrcoef(before, after)[0, 1])


class TestActions:
    """What people do, and when."""

    def test_kinds(self, world: World) -> None:
        """All kinds that people and systems use are there, also those that decide nothing."""
        kinds = Counter(kind for alert in world.alerts for kind in alert.kinds)
        assert kinds.keys() == ACTIONABLE | NOISE | {"acknowledged", "commented", "reassigned", "reopened"}
        assert min(kinds.values()) > 50

    def test_who_did_it(self, world: World) -> None:
        """Policies and monitors are automation, everything else is done by persons, and no actor is both."""
        automation = {"auto_closed", "ended"}
        agents: defaultdict[str, set[str]] = defaultdict(set)
        for event in world.events:
            if event["type"] == "acted":
                assert event["agent"] == ("automation" if event["kind"] in automation else "person")
                agents[event["actor"]].add(event["agent"])
        assert all(len(known) == 1 for known in agents.values())

    def test_monitors_say_when_a_condition_ended(self, world: World) -> None:
        """Once for most alerts of a monitor, after the raise and before the same thing fires again; never of others."""
        following: dict[tuple[str, str, str], datetime] = {}
        for alert in reversed(world.alerts):
            key = (alert.team, alert.rule, alert.raised["entity"])
            assert len(alert.endings) <= (alert.raised["source"] in MONITORS)
            for ending in alert.endings:
                at = datetime.fromisoformat(ending["at"])
                assert alert.at <= at <= min(alert.at + timedelta(hours=12), following.get(key, at))
                assert ending["action_id"] == f"{alert.raised['alert_id']}-{len(alert.actions) + 1}"
            following[key] = alert.at
        monitored = [alert for alert in world.alerts if alert.raised["source"] in MONITORS]
        assert 0.5 < len(monitored) / len(world.alerts) < 0.9
        assert np.mean([bool(alert.endings) for alert in monitored]) > 0.85

    @pytest.mark.slow
    def test_some_firings_are_of_one_episode(self, world: World) -> None:
        """What ends and fires again within the hour makes episodes of several alerts; most alerts are alone."""
        problem = parse_problem(PROBLEM_FILE.read_text(encoding="utf-8"))
        fold, episodes = Fold(problem), Counter[str]()
        for event in world.events:
            decoded = decode_event(json.dumps(event).encode())
            fold.step(decoded, seconds(decoded.at))
            episodes.update(episode_id(one.event.team, one.alert) for one in fold.effects if isinstance(one, Arrived))
            fold.clear_effects()
        several = sum(count for count in episodes.values() if count > 1)
        assert 0.15 < several / len(world.alerts) < 0.4

    def test_actions_follow_the_raise(self, world: World) -> None:
        """Each action names the owner at the raise and comes after it; action ids are unique and in order."""
        for alert in world.alerts:
            ids = [action["action_id"] for action in alert.actions]
            assert ids == [f"{alert.raised['alert_id']}-{count}" for count in range(1, len(ids) + 1)]
            assert {action["team"] for action in alert.actions} <= {alert.team}
            assert all(seconds > 0 for _, seconds in alert.delays())

    def test_delays_are_log_normal(self, world: World) -> None:
        """Work comes after minutes to hours; the log of its delay is even around its middle, the delay is not."""
        delays = np.array([s for alert in world.judged for kind, s in alert.delays()[:1] if kind in ACTIONABLE])
        assert 5 * 60 < np.median(delays) < 3 * 3600
        assert np.mean(delays) > 1.5 * np.median(delays)
        logs = np.log(delays)
        assert abs(np.mean(((logs - logs.mean()) / logs.std()) ** 3)) < 0.3

    def test_late_and_missing(self, world: World) -> None:
        """Some alerts are acted on only after the horizon, which makes them noise, and some never see an action."""
        late = [a for a in world.judged if a.delays() and a.delays()[0][1] > HORIZON.total_seconds()]
        assert 0.01 < len(late) / len(world.judged) < 0.10
        assert any(set(alert.kinds) & ACTIONABLE for alert in late)
        assert rate(late) == 0
        assert 0.05 < np.mean([not alert.actions for alert in world.judged]) < 0.25
        assert datetime.fromisoformat(world.events[-1]["at"]) < START + timedelta(days=DAYS + 10)

    def test_hand_offs(self, world: World) -> None:
        """Some alerts are first reassigned and then ended by others, at times with work that counts for the owner."""
        handed = [alert for alert in world.judged if "reassigned" in alert.kinds]
        assert 0.02 < len(handed) / len(world.judged) < 0.10
        assert all(alert.kinds[0] == "reassigned" and len(alert.kinds) > 1 for alert in handed)
        assert rate(handed) > 0.1
        reassigned_by = {(alert.team, alert.actions[0]["actor"]) for alert in handed}
        ended_by = [(alert.team, alert.actions[-1]["actor"]) for alert in handed]
        assert np.mean([each in reassigned_by for each in ended_by]) < 0.05

    def test_reopened(self, world: World) -> None:
        """A few alerts are opened again after their end and then worked; their outcome stays noise."""
        reopened = [alert for alert in world.alerts if "reopened" in alert.kinds]
        assert 50 < len(reopened) < 0.05 * len(world.alerts)
        assert all("worked" in alert.kinds[alert.kinds.index("reopened") :] for alert in reopened)
        assert rate(reopened) == 0

    @pytest.mark.slow
    def test_sent_twice(self, world: World) -> None:
        """A few raised and acted events come twice, unchanged."""
        raised = Counter(event["alert_id"] for event in world.events if event["type"] == "raised")
        acted = Counter(event["action_id"] for event in world.events if event["type"] == "acted")
        for counts in (raised, acted):
            twice = sum(count == 2 for count in counts.values())
            assert max(counts.values()) == 2
            assert 0.001 < twice / len(counts) < 0.01
        distinct = {json.dumps(event, sort_keys=True) for event in world.events}
        assert len(distinct) == len(raised) + len(acted)


@pytest.mark.slow
def test_it_can_stand_still_or_drift_as_told() -> None:
    """Without drift no team's leaning moves and no rule is mended; a shift of one's own moves its team from its day."""
    _, still = simulate_with_truth(5, 40, drifts=STEADY)
    _, usual = simulate_with_truth(5, 40)
    told = Drifts((Shift("payments", 0.5, 0.5, -4.0),), ())
    log, moved = simulate_with_truth(5, 40, drifts=told)
    raised_of = [event for event in log if event["type"] == "raised" and event["team"] == "payments"]
    half = START + timedelta(days=20)
    before: list[tuple[float, float]] = []
    after: list[tuple[float, float]] = []
    for event in raised_of:
        side = before if datetime.fromisoformat(event["at"]) < half else after
        side.append((still[event["alert_id"]].probability, moved[event["alert_id"]].probability))
    assert all(one == other for one, other in before)
    assert np.mean([other for _, other in after]) < 0.3 * np.mean([one for one, _ in after])
    assert len(usual) != len(still)  # mended rules fire less
