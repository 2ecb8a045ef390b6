"""`noisegate rules`: files checked, an alert explained, the past and plans."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run, Scored
from tests.core.test_rules import BROKEN, short
from tests.lab import logs
from tests.lab.model_cache import small_model

EXAMPLES = Path(__file__).parents[2] / "deploy" / "rules"


def folder(tmp_path: Path, **files: str) -> str:
    """A folder with these files of rules."""
    place = tmp_path / "rules"
    place.mkdir()
    for name, text in files.items():
        (place / f"{name}.toml").write_text(text)
    return str(place)


def test_the_shipped_examples_are_sound(run: Run) -> None:
    """Every file in deploy/rules can be used as it is, and no rule hides another."""
    ran = run("rules", "check", str(EXAMPLES), "--json")
    assert ran.status == 0
    assert ran.json["rules"] >= 3
    assert ran.json["mistakes"] == []
    assert not any(one["hidden"] for one in ran.json["overlaps"])


def test_each_mistake_is_a_line_with_its_place_and_mend(run: Run, tmp_path: Path) -> None:
    """Status 1; as many lines as mistakes, each beginning with file and line, and the count at the end."""
    place = folder(tmp_path, team=BROKEN)
    ran = run("rules", "check", place)
    lines = ran.out.splitlines()
    assert (ran.status, len(lines)) == (1, 10)
    assert lines[0].startswith(f"{place}/team.toml:3: name = 'Night Disks'")
    assert all(line.startswith(f"{place}/team.toml:") and "; " in line for line in lines[:-1])
    assert lines[-1] == "0 rules can be used, 9 mistakes"
    found = run("rules", "check", place, "--json").json["mistakes"]
    assert [one["line"] for one in found][:2] == [3, 5]
    assert all(one["mend"] for one in found)


def test_what_hides_overlaps_expired_and_matches_nothing_is_warned_of(run: Run, tmp_path: Path) -> None:
    """Each is one line that begins with the place and names the rule; the status stays 0."""
    place = folder(
        tmp_path,
        a=short("wide", "rule-*", 0.2) + short("narrow", "rule-1") + short("higher", "rule-1", 0.3),
        b=short("old", "rule-7", 0.9, "expires = 2020-01-01\n"),
    )
    log = logs.write(tmp_path / "log.jsonl", logs.small_log(alerts=40))
    ran = run("rules", "check", place, "--events", str(log))
    assert ran.status == 0
    warnings = [line.partition(" warning: ")[2] for line in ran.out.splitlines()]
    assert warnings[0].startswith("narrow never decides: wide (")
    assert warnings[1].startswith("higher overlaps wide (")
    assert any(line.startswith("old expired; ") for line in warnings)
    assert any(line.startswith("old matches no alert of the log; ") for line in warnings)
    assert ran.out.endswith("4 rules can be used, 0 mistakes\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["check"], "no rules are named; name a file or folder, or set closer_rules"),
        (["check", "nowhere.toml"], "nowhere.toml: can't be read: No such file or directory; name a file of rules"),
        (["backtest", "--rules", str(EXAMPLES), "--events", "x", "--since", "3d"], "give one of them"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(run: Run, arguments: list[str], told: str) -> None:
    """Status 1, one line on standard error, with the mend."""
    ran = run("rules", *arguments)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert told in ran.err


@pytest.mark.slow
def test_rules_are_named_by_path_or_option_in_every_verb(run: Run, tmp_path: Path) -> None:
    """A path, `--rules` and both together mean the same to check, explain, backtest and plan."""
    place = folder(tmp_path, a=short("one", "rule-*", 0.2))
    broken = str(tmp_path / "none.toml")
    for verb in (["check"], ["explain", "a1"], ["backtest"], ["plan"]):
        for rules in ([broken], ["--rules", broken], [place, "--rules", broken]):
            ran = run("rules", *verb, *rules, "--events", "x")
            assert (ran.status, ran.err.count("none.toml: can't be read")) == (1, 1)
    assert run("rules", "check", place, "--json").json == run("rules", "check", "--rules", place, "--json").json


def test_the_setting_names_the_rules(run: Run) -> None:
    """Without an argument the files of closer_rules are read; folders and files may be mixed."""
    setting = f"{EXAMPLES},{EXAMPLES / 'payments.toml'}"
    assert run("rules", "check", env={"NOISEGATE_CLOSER_RULES": setting}).status == 0


@pytest.mark.parametrize(("content", "told"), [(b"\xff", "is not UTF-8 text"), (b"#" * 5_000_000, "split it into")])
def test_a_file_that_can_t_be_read_is_told(run: Run, tmp_path: Path, content: bytes, told: str) -> None:
    """No text, or too much of it."""
    (tmp_path / "rules.toml").write_bytes(content)
    assert told in run("rules", "check", str(tmp_path)).err
    (tmp_path / "rules.toml").unlink()
    assert "holds no file that ends in .toml" in run("rules", "check", str(tmp_path)).err


@pytest.fixture
def on_log(tmp_path: Path) -> list[str]:
    """Options: rules, a log of 900 alerts and a model that learnt from the first 540."""
    place = folder(tmp_path, a=short("calm", "rule-*", 0.15) + short("rest", "*-*", 1.0))
    log = logs.write(tmp_path / "log.jsonl", logs.small_log())
    store = tmp_path / "models"
    store.mkdir()
    small_model(store, judged=False)
    return ["--rules", place, "--events", str(log), "--model", str(store)]


@pytest.mark.slow
def test_rules_are_held_against_a_log(run: Run, on_log: list[str]) -> None:
    """The backtest tells what was left out, what the rules would have done and that the past proves nothing."""
    found = run("rules", "backtest", *on_log, "--json").json
    calm, rest = found["rules"]
    assert calm["matched"] + rest["matched"] == found["alerts"] > 300
    assert calm["matched"] == calm["would_act"] + sum(calm["blocked"].values())
    assert len(calm["acted_on"]) == calm["acted"] < rest["acted"]
    text = run("rules", "backtest", *on_log, "--rule", "calm").out
    assert "540 alerts from before its split are left out" in text
    assert f"matched {calm['matched']} alerts" in text
    assert "as a proof, these would be " in text
    assert text.endswith("can't prove it: only what is raised after a rule's first load counts.\n")
    assert "rest of payments" not in text


@pytest.mark.slow
def test_plans_and_explanations_of_a_log(run: Run, on_log: list[str]) -> None:
    """A plan has days for each rule that matched; an alert is explained by the rule that decides."""
    plans = run("rules", "plan", *on_log, "--json").json
    assert [one["name"] for one in plans] == ["calm", "rest"]
    text = run("rules", "plan", *on_log).out
    assert "rest: " in text
    assert "days to notice ten times the limit, by hold-out: " in text
    found = run("rules", "explain", "a899", *on_log, "--json").json
    assert found["decides"] in ("calm", "rest")
    told = run("rules", "explain", "a899", *on_log).out
    assert told.startswith("a899: team-")
    assert "with mode = 'shadow' it does nothing" in told
    assert "holds no alert a1 raised after the split" in run("rules", "explain", "a1", *on_log).err


@pytest.mark.slow
def test_the_topics_are_the_past_where_no_log_is_named(run: Run, scored: Scored, tmp_path: Path) -> None:
    """Of a scorer without a model: outcomes without a score meet no rule, and an alert is explained as unscored."""
    place = folder(tmp_path, a=short("all", "[a-z]*", 1.0))
    found = run("rules", "backtest", "--rules", place, "--since", "60d", "--json", env=scored.env).json
    assert found["alerts"] == found["unscored"] > 50
    text = run("rules", "backtest", "--rules", place, env=scored.env).out
    assert "from alerts.outcomes, with the scores that the alerts had when raised" in text
    told = run("rules", "explain", "SIM-000001", "--rules", place, env=scored.env).out
    assert "not scored by model -" in told
    assert "matches, but the alert is not scored" in told
    assert told.endswith("no rule decides: the alert goes its way\n")
    missing = run("rules", "explain", "NOBODY", "--rules", place, env=scored.env)
    assert "alerts.enriched holds no alert NOBODY; name one" in missing.err


def test_a_file_without_a_rule_is_no_success(run: Run, tmp_path: Path) -> None:
    """A check that checked nothing is an error, with the file's name."""
    ran = run("rules", "check", folder(tmp_path, empty="# rules to come\n"))
    assert ran.status == 1
    assert "holds no rule; write one" in ran.err
