"""The TOML file of sources: what is written in it, and what is said of a mistake."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from stream.core.errors import SettingsError
from stream.sources.options import DEFAULTS, SourceOptions, Sources, load_sources
from tests.sources.sender import SHIPPED


def load(tmp_path: Path, text: str) -> Sources:
    """The sources of a file with this text."""
    file = tmp_path / "sources.toml"
    file.write_text(text, encoding="utf-8")
    return load_sources(file)


def test_the_shipped_file_changes_nothing_and_shows_every_default(tmp_path: Path) -> None:
    """Taking the comments off gives the same options, and each key of a label source stands in it."""
    shipped = load_sources(SHIPPED)
    assert {name: shipped.options[name] for name in DEFAULTS} == DEFAULTS
    text = SHIPPED.read_text(encoding="utf-8")
    opened = re.sub(r"^# (?=\[|[a-z_A-Z]+ = |\")", "", text, flags=re.MULTILINE)
    tables = tomllib.loads(opened)
    for name in ("alertmanager", "grafana"):
        for key, value in tables[name].items():
            if key == "teams":  # an example; there is no default
                continue
            default = getattr(DEFAULTS[name], key)
            assert (tuple(value) if isinstance(value, list) else value) == default, (name, key)
    fields = {field.name for field in msgspec.structs.fields(SourceOptions)} - {"teams", "states", "mapping"}
    assert fields <= set(tables["alertmanager"])


def test_without_a_file_the_defaults_hold() -> None:
    """No setting is needed for the usual labels."""
    assert load_sources(None).of("alertmanager").team[0] == "label:team"


def test_a_table_is_laid_over_the_defaults(tmp_path: Path) -> None:
    """A key that is set replaces the default whole, the others stay."""
    sources = load(
        tmp_path, '[alertmanager]\nteam = ["label:service.name"]\n[alertmanager.teams."label:ns"]\na = "b"\n'
    )
    assert sources.of("alertmanager").team == ("label:service.name",)
    assert sources.of("alertmanager").rule == DEFAULTS["alertmanager"].rule
    assert sources.of("alertmanager").teams == {"label:ns": {"a": "b"}}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("team = [", "is not TOML"),
        ("[prometheus]\n", "[prometheus] is no source; use alertmanager"),
        ("[alertmanager]\nteams_of = 1\n", "alertmanager.teams_of is no option; use one of team"),
        ("[alertmanager]\nteam = 'label:team'\n", "alertmanager.team = 'label:team': expected `array`"),
        ("[alertmanager]\nteam = ['label:a', 7]\n", "alertmanager.team[1] = 7: expected `str`"),
        ("[alertmanager]\nteam = ['team']\n", "alertmanager.team has 'team'; write label:NAME"),
        ("[grafana]\nzone = 'Mars/Olympus'\n", "grafana.zone = 'Mars/Olympus' is no time zone"),
        ("[grafana]\nopen_days = 0\n", "grafana.open_days = 0: expected `float` > 0"),
        ("alertmanager = 1\n", "alertmanager = 1 is no table"),
        ("map = 1\n", "map = 1 is no table"),
        ("[map.x]\n", "map.x.mapping is not there"),
        ("[map.x]\nmapping = 'none.toml'\n", "map.x.mapping = 'none.toml' can't be read: No such file"),
    ],
)
def test_a_mistake_is_named_with_file_key_value_and_mend(tmp_path: Path, text: str, words: str) -> None:
    """One sentence, from which the mistake can be mended."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "sources.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One sentence with its path."""
    with pytest.raises(SettingsError, match=r"none\.toml' can't be read: No such file"):
        load_sources(tmp_path / "none.toml")


def test_an_unknown_source_is_told_with_those_that_there_are() -> None:
    """A route or a command with a wrong name says which names are right."""
    with pytest.raises(SettingsError, match="there is no source 'prometheus'; there are alertmanager"):
        load_sources(None).of("prometheus")
