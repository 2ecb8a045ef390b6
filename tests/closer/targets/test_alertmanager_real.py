"""Silences at Alertmanager itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from stream.closer.targets.addresses import AddressRules
from stream.closer.targets.alertmanager import CREATOR, AlertmanagerTarget
from stream.closer.targets.http_client import HttpClient
from stream.closer.targets.target import DeedRefused
from tests.closer.targets.deeds import LABELS, alert, deed, prolonged
from tests.servers.alertmanager import AlertmanagerServer
from tests.waits import until

pytestmark = pytest.mark.slow
SIBLING = {**LABELS, "disk": "sdb"}


class Rig:
    """An Alertmanager in which one alert fires, and the target."""

    def __init__(self, server: AlertmanagerServer, most_silences: int = 10) -> None:
        self.server = server
        self.client = HttpClient(server.url, AddressRules(["127.0.0.0/8"]), 30.0)
        self.target = AlertmanagerTarget("alertmanager", self.client, most_silences)
        self.start = server.fire(LABELS)
        until(lambda: self.states(), 60)

    def states(self) -> dict[str, str]:
        """The state of each alert, by its label disk; the alert itself has none."""
        found: Mapping[str, str] = {
            one["labels"].get("disk", ""): one["status"]["state"]
            for one in self.server.alerts()
            if one["labels"]["alertname"] == "DiskFull"
        }
        return {name: state for name, state in found.items() if state != "unprocessed"}

    def silences(self) -> list[dict[str, Any]]:
        """Ours that have not ended."""
        found: list[dict[str, Any]] = self.server.get("silences")
        return [one for one in found if one["createdBy"] == CREATOR and one["status"]["state"] != "expired"]

    def shows(self, **states: str) -> None:
        """Wait until the alerts stand so; `own` is the alert itself."""
        wanted = {"" if name == "own" else name: state for name, state in states.items()}
        until(lambda: self.states() == wanted, 60, f"{self.states()} and not {wanted}")


@pytest.fixture
def rig(alertmanager: AlertmanagerServer) -> Any:
    """See `Rig`."""
    made = Rig(alertmanager)
    yield made
    made.client.close()


def test_an_alert_is_silenced_from_pause_to_release(rig: Rig) -> None:
    """The silence has all labels exactly, ends with the pause, and is expired at the release; each deed may repeat."""
    raised = alert()
    pause = deed("pause", raised)
    for _ in range(2):
        rig.target.do(pause)
    (silence,) = rig.silences()
    assert {one["name"]: one["value"] for one in silence["matchers"]} == LABELS
    assert all(one["isEqual"] and not one["isRegex"] for one in silence["matchers"])
    assert pause.decision.until is not None
    assert silence["endsAt"][:19] == pause.decision.until.isoformat()[:19]
    assert "INC1 of payments is paused by the rule night-disks: proven" in silence["comment"]
    rig.shows(own="suppressed")
    for _ in range(2):
        rig.target.do(deed("release", raised, 1.0))
    assert rig.silences() == []
    rig.shows(own="active")


def test_a_sibling_that_fires_already_is_left_out(rig: Rig) -> None:
    """An alert with one more label stays visible: the silence says that this label is empty."""
    rig.server.fire(SIBLING)
    rig.shows(own="active", sdb="active")
    rig.target.do(deed("pause"))
    rig.shows(own="suppressed", sdb="active")


@pytest.mark.parametrize("ended", [False, True])
def test_a_sibling_that_fires_later_is_muted_no_longer_than_the_alert(rig: Rig, ended: bool) -> None:
    """One more label does not keep an alert out of a silence; it is shown again once the alert ended or is released."""
    raised = alert()
    rig.target.do(deed("pause", raised))
    rig.server.fire(SIBLING)
    rig.shows(own="suppressed", sdb="suppressed")
    if ended:
        rig.server.resolve(LABELS, rig.start)
    rig.target.do(deed("release", raised, 1.0, ended=ended))
    until(lambda: rig.states()["sdb"] == "active", 60)


def test_a_sibling_is_muted_no_longer_than_the_pause_even_if_nobody_releases(rig: Rig) -> None:
    """With the closer gone the silence ends by itself, when the pause would."""
    rig.target.do(deed("pause", minutes=4.0 / 60.0))
    rig.server.fire(SIBLING)
    rig.shows(own="active", sdb="active")
    assert rig.silences() == []


def test_a_pause_that_becomes_a_closure_changes_the_silence(rig: Rig) -> None:
    """There is never a second silence of one alert; after a restart the first is found again by its comment."""
    raised = alert()
    rig.target.do(deed("pause", raised))
    (before,) = rig.silences()
    other = AlertmanagerTarget("alertmanager", rig.client, 10)
    close = prolonged(deed("close", raised, 5.0), 230.0)
    other.do(close)
    (after,) = rig.silences()
    assert after["id"] == before["id"]
    assert after["endsAt"] > before["endsAt"]
    assert "is closed by the rule" in after["comment"]
    rig.target.do(deed("release", raised, 9.0))
    assert rig.silences() == []


def test_silences_are_capped(alertmanager: AlertmanagerServer) -> None:
    """The one beyond the limit is refused with a sentence; a release makes room; those of people do not count."""
    rig = Rig(alertmanager, most_silences=2)
    alertmanager.silence([{"name": "alertname", "value": "Other"}], "kim", 10)
    many = [alert(f"INC{number}", {**LABELS, "disk": str(number)}) for number in range(3)]
    rig.target.do(deed("pause", many[0]))
    rig.target.do(deed("pause", many[1]))
    with pytest.raises(DeedRefused, match="2 silences of noisegate are active") as caught:
        rig.target.do(deed("pause", many[2]))
    assert caught.value.reason == "too_many_silences"
    rig.target.do(deed("release", many[0], 1.0))
    rig.target.do(deed("pause", many[2]))
    assert len(rig.silences()) == 2
    rig.client.close()


def test_labels_of_any_text(alertmanager: AlertmanagerServer) -> None:
    """Quotes, backslashes, line ends and other scripts are matched as they are."""
    rig = Rig(alertmanager)
    odd = {"alertname": 'a "b" \\ c', "path": "C:\\x\ny", "stadt": "Köln, {=~}&?"}
    alertmanager.fire(odd)
    raised = alert("ODD", odd)
    rig.target.do(deed("pause", raised))

    def state() -> str:
        return next(str(one["status"]["state"]) for one in alertmanager.alerts() if "stadt" in one["labels"])

    until(lambda: state() == "suppressed", 60)
    rig.target.do(deed("pause", raised))
    assert len(rig.silences()) == 1
    rig.target.do(deed("release", raised, 1.0))
    until(lambda: state() == "active", 60)
    rig.client.close()


def test_the_label_of_the_relay_is_no_siblings(rig: Rig) -> None:
    """An alert that a relay labelled is the same alert, so the silence covers it."""
    rig.server.fire({**LABELS, "noisegate": "paused"})
    until(lambda: len(rig.server.alerts()) == 2, 60)
    rig.target.do(deed("pause"))
    (silence,) = rig.silences()
    assert {one["name"] for one in silence["matchers"]} == set(LABELS)


def test_a_check_counts_silences(rig: Rig) -> None:
    """The version and the number of ours are shown."""
    rig.target.do(deed("pause"))
    assert "1 of 10 silences are in use" in rig.target.check()


def test_a_release_of_another_alert_ends_nothing(rig: Rig) -> None:
    """Two firings of equal labels are told apart by their ids."""
    rig.target.do(deed("pause", alert("INC1")))
    rig.target.do(deed("release", alert("INC2"), 1.0))
    assert len(rig.silences()) == 1
