"""`noisegate settings` shows what is in force, where it comes from, and no secret."""

import json
from pathlib import Path

import pytest

from stream.config import setting_names, setting_origins
from tests.cli.conftest import Run


def test_all_settings_are_listed_with_their_defaults(run: Run) -> None:
    """Every setting is there once; what nobody set comes from the default."""
    shown = {one["name"]: one for one in json.loads(run("settings", "--json").out)}
    assert set(shown) == set(setting_names()) - {"kafka"}
    assert shown["metrics_port"] == {"name": "metrics_port", "value": 9108, "origin": "default"}


def test_the_environment_is_over_the_file(run: Run, tmp_path: Path) -> None:
    """Each value is named with the variable or the file that it comes from."""
    file = tmp_path / "noisegate.toml"
    file.write_text('metrics_port = 1\ndeployment = "blue"\n[kafka]\n"client.id" = "a"\n')
    env = {"NOISEGATE_METRICS_PORT": "2", "NOISEGATE_KAFKA_SECURITY_PROTOCOL": "SSL"}
    shown = run("--settings", str(file), "settings", "--changed", "--json", env=env)
    assert [(one["name"], one["value"], one["origin"]) for one in json.loads(shown.out)] == [
        ("deployment", "blue", str(file)),
        ("kafka.client.id", "a", str(file)),
        ("kafka.security.protocol", "SSL", "NOISEGATE_KAFKA_SECURITY_PROTOCOL"),
        ("metrics_port", 2, "NOISEGATE_METRICS_PORT"),
    ]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_lists_of_paths_are_shown(run: Run, form: tuple[str, ...]) -> None:
    """Files of rules are paths, several of them."""
    shown = run("settings", "closer_rules", *form, env={"NOISEGATE_CLOSER_RULES": "/rules/a, /rules/b"})
    assert shown.status == 0
    assert "/rules/a" in shown.out
    assert "/rules/b" in shown.out


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_hidden(run: Run, form: tuple[str, ...]) -> None:
    """No password, token or key is printed, in a table or as JSON."""
    env = {
        "NOISEGATE_REDIS_URL": "redis://scorer:tr0ub4dor@redis:6379/0",
        "NOISEGATE_RELAY_ALERTMANAGERS": "http://relay:tr0ub4dor@am:9093/x, http://other:9093",
        "NOISEGATE_RELAY_UPSTREAM_HEADERS": '{"X-Token" = "tr0ub4dor"}',
        "NOISEGATE_KAFKA_SASL_PASSWORD": "tr0ub4dor",
        "NOISEGATE_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET": "tr0ub4dor",
        "NOISEGATE_KAFKA_SSL_KEY_PEM": "tr0ub4dor",
    }
    shown = run("settings", "--changed", *form, env=env).out
    assert "tr0ub4dor" not in shown
    assert shown.count("***") == len(env)
    assert "redis" in shown


def test_a_part_of_a_name_selects(run: Run) -> None:
    """A word shows the settings with it in their names; one that no setting has is refused with the word."""
    shown = json.loads(run("settings", "REDIS", "--json").out)
    assert [one["name"] for one in shown] == ["redis_url"]
    refused = run("settings", "rediss")
    assert (refused.status, refused.out) == (1, "")
    assert "no setting has 'rediss' in its name" in refused.err


def test_nothing_set_is_said(run: Run) -> None:
    """Where every setting has its default, `--changed` says so."""
    assert run("settings", "--changed").out == "Nothing is set: every setting has its default.\n"


def test_what_is_not_set_has_no_origin() -> None:
    """The origins hold what is set, and nothing else."""
    assert setting_origins({"NOISEGATE_DEPLOYMENT": "blue", "HOME": "/root"}) == {"deployment": "NOISEGATE_DEPLOYMENT"}
