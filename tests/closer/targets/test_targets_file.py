"""The file of targets: what it makes, and each mistake with its line."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.closer.targets.alertmanager import AlertmanagerTarget
from stream.closer.targets.pagerduty import PagerDutyTarget
from stream.closer.targets.targets_file import Targets, read_targets
from stream.closer.targets.webhook import WebhookTarget
from stream.core.errors import SettingsError

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
WHOLE = """
allow = ["10.0.0.0/8"]
attempts = 7
give_up_minutes = 30

[[alertmanager]]
name = "alertmanager"
url = "http://10.1.2.3:9093/prefix"
authorization_env = "AM"

[[pagerduty]]
name = "pagerduty"
routing_key_file = "key"

[[webhook]]
name = "chat"
url = "http://chat.example/hook"
secret_env = "HOOK"

[[webhook]]
name = "other"
url = "http://other.example/hook"
secret_env = "HOOK"
"""
ENVIRONMENT = {"HOOK": f" {SECRET}\n{SECRET}\n", "AM": "Bearer abc", "EMPTY": " ", "BAD": "whsec_eHh4"}


def read(folder: Path, text: str, environment: Mapping[str, str] = ENVIRONMENT) -> Targets:
    """The targets of a text."""
    (folder / "targets.toml").write_text(text, encoding="utf-8")
    return read_targets(folder / "targets.toml", environment)


def test_a_whole_file(tmp_path: Path) -> None:
    """Every kind of target is made, and what holds for all is read."""
    (tmp_path / "key").write_text("R0UT1NG\n")
    found = read(tmp_path, WHOLE)
    assert [(type(one), one.name) for one in found.targets] == [
        (AlertmanagerTarget, "alertmanager"),
        (PagerDutyTarget, "pagerduty"),
        (WebhookTarget, "chat"),
        (WebhookTarget, "other"),
    ]
    assert (found.attempts, found.give_up_seconds) == (7, 1_800.0)


def test_an_empty_file_has_no_targets(tmp_path: Path) -> None:
    """Decisions and events are then all that is written."""
    assert read(tmp_path, "") == Targets()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("\nalow = []", 2, "alow is no key of the file"),
        ('allow = ["10.1.2.3/8"]', 1, "allow has '10.1.2.3/8', which is no network"),
        ("attempts = 0", 1, "attempts: Expected `int` >= 1"),
        ('[webhook]\nname = "w"', 1, "webhook is no list of tables"),
        ('[[webhook]]\nname = "w"\nurl = 3', 3, "url: Expected `str`, got `int`"),
        ('[[webhook]]\nurl = "http://h"\nsecret_env = "HOOK"', 1, "name is missing"),
        ('[[webhook]]\nname = "W w"\nurl = "http://h"\nsecret_env = "HOOK"', 2, "name: Expected `str` matching"),
        ('[[webhook]]\nname = "w"\nurl = "h"\nsecret_env = "HOOK"', 3, "url is no address"),
        ('[[webhook]]\nname = "w"\nurl = "http://u:pa55@h"\nsecret_env = "HOOK"', 3, "url holds a user"),
        ('[[webhook]]\nname = "w"\nurl = "http://h"', 1, "secret is missing; name it by secret_file or secret_env"),
        ('[[webhook]]\nname = "w"\nurl = "http://h"\nsecret_env = "NO"', 4, "secret_env = 'NO' is not set"),
        ('[[webhook]]\nname = "w"\nurl = "http://h"\nsecret_env = "EMPTY"', 4, "secret_env holds no text"),
        ('[[webhook]]\nname = "w"\nurl = "http://h"\nsecret_env = "BAD"', 4, "secret: secret 1 is no secret"),
        ('[[webhook]]\nname = "w"\nurl = "http://h"\nsecret_file = "gone"', 4, "can't be read: No such file"),
        (f'[[webhook]]\nname = "w"\nurl = "http://h"\nsecret = "{SECRET}"', 4, "secret stands in the file itself"),
        ('[[webhook]]\nname = "w"\nurl = "https://h"\nca = "gone"\nsecret_env = "HOOK"', 4, "can't be used"),
        (
            '[[pagerduty]]\nname = "p"\nurl = "http://h"',
            1,
            "routing_key is missing; name it by routing_key_file or routing_key_env",
        ),
        (
            '[[pagerduty]]\nname = "p"\nrouting_key_env = "AM"\ndedup_key = "x"\n[[pagerduty]]\nname = "p"',
            4,
            "dedup_key: Expected `str` matching",
        ),
        (
            '[[alertmanager]]\nname = "p"\nurl = "http://h"\n[[pagerduty]]\nrouting_key_env = "AM"\nname = "p"',
            6,
            "name = 'p' is taken",
        ),
        ('[[alertmanager]]\nname = "a"\nurl = "http://h"\nmost_silences = 0', 4, "most_silences: Expected `int` >= 1"),
        (
            '[[alertmanager]]\nname = "a"\nurl = "http://h"\nauthorization_env = "AM"\nauthorization_file = "x"',
            4,
            "are both given",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    """File, line, what is wrong and what to do; a secret is never shown."""
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'targets.toml'}:{line}: ")
    assert says in str(caught.value)
    assert caught.value.mend
    for secret in (SECRET, "Bearer abc", "pa55", "whsec_eHh4"):
        assert secret not in str(caught.value)


def test_too_many_targets(tmp_path: Path) -> None:
    """Each has series of its own, so there is a limit."""
    one = '[[webhook]]\nname = "w{}"\nurl = "http://h"\nsecret_env = "HOOK"\n'
    with pytest.raises(SettingsError, match="there are 17 targets"):
        read(tmp_path, "".join(one.format(number) for number in range(17)))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """What is not there, and what is no TOML, is named by the setting."""
    with pytest.raises(SettingsError, match=r"closer_targets = .*gone.* can't be read"):
        read_targets(tmp_path / "gone", {})
    with pytest.raises(SettingsError, match=r"is not TOML: .*line 1"):
        read(tmp_path, "x =\n")


def test_the_example_is_read(tmp_path: Path) -> None:
    """deploy/targets.toml as it is, and with every target that it shows in comments."""
    path = Path(__file__).parents[3] / "deploy" / "targets.toml"
    assert read_targets(path, {}).targets == ()
    shown = "\n".join(
        line.removeprefix("# ") if line.startswith(("# [[", "# ")) and ("=" in line or "[[" in line) else line
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    environment = {"PAGERDUTY_ROUTING_KEY": "R", "NOISEGATE_WEBHOOK_SECRET": SECRET}
    assert len(read(tmp_path, shown, environment).targets) == 3
