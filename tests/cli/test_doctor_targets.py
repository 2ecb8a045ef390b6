"""`noisegate doctor` looks at the closer's targets, and does nothing there."""

from pathlib import Path

import pytest

from stream.cli.doctor.targets import check_targets
from stream.config import make_settings
from stream.core.errors import SettingsError
from tests.closer.targets.counting import CountingServer

WEBHOOK = '[[webhook]]\nname = "chat"\nurl = "{}"\nsecret_env = "HOOK"\n'


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of targets is to be."""
    monkeypatch.setenv("HOOK", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
    return tmp_path / "targets.toml"


def test_without_a_file_nothing_is_checked() -> None:
    """Where no targets are set there is no finding."""
    assert list(check_targets(make_settings())) == []


def test_each_target_has_a_finding(path: Path) -> None:
    """One that is there, one that is not, and one whose address is not allowed; none gets a request."""
    with CountingServer() as gone:
        pass
    with CountingServer() as server:
        allowed = 'allow = ["127.0.0.1/32"]\n' + WEBHOOK.format(server.url)
        path.write_text(allowed + WEBHOOK.format(gone.url).replace("chat", "gone"))
        there, away = check_targets(make_settings(closer_targets=path))
        assert (there.check, there.verdict) == ("target chat", "ok")
        assert (away.check, away.verdict) == ("target gone", "wrong")
        assert away.mend == "start it, or correct its url"
        path.write_text(WEBHOOK.format(server.url))
        (refused,) = check_targets(make_settings(closer_targets=path))
        assert refused.found == "127.0.0.1 is a loopback address that allow does not name"
        assert refused.mend == "name its network in allow, or correct its url"
        assert server.requests == []


def test_what_allow_can_not_help_is_not_mended_by_it(path: Path) -> None:
    """Addresses of metadata are never reached, so naming their network would change nothing."""
    path.write_text('allow = ["169.254.0.0/16"]\n' + WEBHOOK.format("http://169.254.169.254/x"))
    (refused,) = check_targets(make_settings(closer_targets=path))
    assert (refused.found, refused.mend) == ("169.254.169.254 is a link-local address", "correct its url")


def test_a_daily_digest_needs_a_webhook(path: Path) -> None:
    """Where the closer is to send one, the doctor says where to, or that there is nobody."""
    settings = make_settings(closer_targets=path, closer_digest_at="07:00")
    path.write_text(WEBHOOK.format("http://127.0.0.1:1"))
    *_, found = check_targets(settings)
    assert (found.check, found.verdict, found.found) == ("daily digest", "ok", "is sent at 07:00 UTC to chat")
    path.write_text("")
    *_, found = check_targets(settings)
    assert (found.verdict, found.found) == ("wrong", f"{path} names no webhook, so a digest can be sent nowhere")
    (found,) = check_targets(make_settings(closer_digest_at="07:00"))
    assert found.verdict == "wrong"


def test_a_mistake_in_the_file_is_raised(path: Path) -> None:
    """The doctor shows it as it shows every wrong setting."""
    path.write_text("[[webhook]]\n")
    with pytest.raises(SettingsError, match="name is missing"):
        list(check_targets(make_settings(closer_targets=path)))
