"""Settings: environment over file, and errors that name key and value."""

from pathlib import Path

import pytest

from stream.config import change_settings, load_settings, make_settings, setting_names
from stream.core.errors import ProblemError, SettingsError
from stream.models.pointers import CHAMPION
from stream.models.store import Store
from tests.lab.logs import PROBLEM_TEXT
from tests.servers.kafka import ROOT


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    """Both are read; Kafka's settings pass through by their own names."""
    file = tmp_path / "noisegate.toml"
    file.write_text('deployment = "a"\ntick_seconds = 5\n[kafka]\n"sasl.username" = "u"\n')
    settings = load_settings(
        {"NOISEGATE_DEPLOYMENT": "b", "NOISEGATE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "HOME": "x"}, file
    )
    assert (settings.deployment, settings.scorer.tick_seconds) == ("b", 5)
    assert settings.kafka.client == {"sasl.username": "u", "security.protocol": "SASL_SSL"}


def test_team_groups_are_an_inline_table_in_the_environment(tmp_path: Path) -> None:
    """The same groups from a file and from the environment."""
    file = tmp_path / "noisegate.toml"
    file.write_text('[team_groups]\nmoney = ["payments", "pay-*"]\n')
    groups = {"money": ["payments", "pay-*"]}
    assert load_settings({}, file).metrics.team_groups == groups
    assert load_settings({"NOISEGATE_TEAM_GROUPS": '{ money = ["payments", "pay-*"] }'}).metrics.team_groups == groups


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NOISEGATE_METRICS_PORT", "http", "metrics_port = 'http'"),
        ("NOISEGATE_BATCH_SECONDS", "-1", "batch_seconds = '-1'"),
        ("NOISEGATE_PARTITIONER", "random", "partitioner = 'random'"),
        ("NOISEGATE_TRIAGE_SHIFT_ENDS", "8:00", "triage_shift_ends = ['8:00']"),
        ("NOISEGATE_TRIAGE_TIME_ZONE", "Mars/Base", "triage_time_zone = 'Mars/Base' is no time zone"),
        ("NOISEGATE_TRIAGE_VERDICTS", "{acted = 'worked'}", "lacks 'dismissed'"),
        ("NOISEGATE_TRIAGE_UNDO_SECONDS", "61", "triage_undo_seconds = '61'"),
        ("NOISEGATE_DEPLOYMENT", "a b", "deployment = 'a b'"),
        ("NOISEGATE_REDIS_URL", "http://secret@x", "redis_url must begin with"),
        ("NOISEGATE_BATCHSECONDS", "1", "NOISEGATE_BATCHSECONDS is set, but"),
        ("NOISEGATE_MODELS_DIR", "model_artifacts", "NOISEGATE_MODELS_DIR is set, but noisegate has no such setting"),
        ("NOISEGATE_MODEL_STORE", "", "model_store = ''"),
        ("NOISEGATE_STOP_ON_BAD", "perhaps", "stop_on_bad = 'perhaps'"),
        ("NOISEGATE_ENRICHED_FEATURES", "some", "enriched_features = 'some'"),
        ("NOISEGATE_PROBLEM", "", "problem = ''"),
        ("NOISEGATE_TEAM_GROUPS", "pay", "team_groups = 'pay'"),
        ("NOISEGATE_RELAY_FORWARD_HEADERS", ",".join(f"X-{n}" for n in range(33)), "relay_forward_headers = ['X-0', "),
        ("NOISEGATE_TEAM_GROUPS", '{ "a b" = ["x"] }', "team_groups = {'a b': ['x']}"),
        ("NOISEGATE_TEAM_GROUPS", "{ pay = [] }", "team_groups = {'pay': []}"),
        ("NOISEGATE_TEAM_GROUPS", '{ other = ["x"] }', "team_groups names a group 'other'"),
        ("NOISEGATE_TEAM_GROUPS", "{" + ",".join(f'g{n} = ["x"]' for n in range(11)) + "}", "length <= 10"),
    ],
)
def test_a_wrong_setting_is_told_by_key_and_value(name: str, value: str, words: str) -> None:
    """One sentence; secrets are not repeated."""
    with pytest.raises(SettingsError) as error:
        load_settings({name: value})
    assert words in str(error.value)
    assert "secret" not in str(error.value)


def test_every_setting_has_one_flat_name() -> None:
    """No two parts share a name, and what can't be a value of one is refused by that name."""
    names = setting_names()
    assert len(names) == len(set(names)) > 30
    for name in names:
        with pytest.raises(SettingsError, match=f"^{name} = "):
            make_settings(**{name: object()})


def test_settings_are_changed_by_flat_names() -> None:
    """What is not named keeps its value, in every part; a wrong value is refused as in a file."""
    settings = make_settings(deployment="a", metrics_port=0, model_cache="/x", team_groups={"money": ["pay-*"]})
    changed = change_settings(settings, events_topic="other.events")
    assert (changed.deployment, changed.metrics.port, changed.models.cache) == ("a", 0, Path("/x"))
    assert changed.topics.events == "other.events"
    assert change_settings(changed, events_topic="alerts.events") == settings
    with pytest.raises(SettingsError, match=r"metrics_port = -1 \(arguments\)"):
        change_settings(settings, metrics_port=-1)


def test_a_setting_that_is_no_more_is_told(tmp_path: Path) -> None:
    """A settings file of before, with models_dir, does not serve from elsewhere in silence."""
    (tmp_path / "old.toml").write_text('models_dir = "models"\n')
    with pytest.raises(SettingsError, match=r"models_dir = 'models' .*unknown field"):
        load_settings({}, tmp_path / "old.toml")


def test_no_problem_is_the_default() -> None:
    """What is predicted is for who owns the alerts to say: nobody's alerts are scored by an example's definition."""
    with pytest.raises(SettingsError) as caught:
        load_settings({}).load_problem()
    told = str(caught.value)
    for word in ("NOISEGATE_PROBLEM", "`problem` in the settings file", "docs/PROBLEM.md", "simulated.toml"):
        assert word in told
    assert all((ROOT / word).is_file() for word in ("docs/PROBLEM.md", "deploy/problems/simulated.toml"))


def test_the_default_store_is_empty_and_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's alerts are scored by a model that a folder happens to hold; a home that is new has no store yet."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    store = Store(load_settings({}).models.store)
    assert store.folder == tmp_path / ".local/share/noisegate/models"
    assert (store.versions(), store.pointer(CHAMPION)) == ([], None)


def test_a_problem_file_at_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell does not expand ~ in a settings file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.toml").write_text(PROBLEM_TEXT)
    assert load_settings({"NOISEGATE_PROBLEM": "~/own.toml"}).load_problem().name


def test_a_file_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    """The settings file and the problem file alike."""
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        load_settings({}, tmp_path / "nowhere.toml")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings({}, tmp_path / "bad.toml")
    with pytest.raises(SettingsError, match="name a problem file"):
        load_settings({"NOISEGATE_PROBLEM": str(tmp_path / "none.toml")}).load_problem()
    with pytest.raises(ProblemError, match=r"bad\.toml"):
        load_settings({"NOISEGATE_PROBLEM": str(tmp_path / "bad.toml")}).load_problem()
