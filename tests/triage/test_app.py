"""The page over HTTP: its pages, headers, and what outside text can't do."""

import asyncio
import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from stream.core.records import Enriched
from stream.svg import Plane, dot, segment
from stream.triage.responses import CSP, HEADERS
from tests.triage.records import NOW, acted, at, decision, enriched, outcome, raised
from tests.triage.rig import Rig

PAGES = (
    "/",
    "/alerts/payments/A1",
    "/teams",
    "/teams/payments",
    "/rules",
    "/suppressed",
    "/digest",
    "/model",
    "/login",
)
HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m</script><script>alert(2)</script>{{ 7 * 7 }}"


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_html_under_the_policy(path: str) -> None:
    """Each page is there, with the content security policy word by word and the other headers."""
    rig = Rig()
    rig.take(enriched(), acted(), outcome())
    answer = rig.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types lit-html"
    )


@pytest.mark.parametrize("path", ["/api/rows", "/nothing-here", "/static/nothing.js", "/v1/scores?fingerprint=0"])
def test_every_other_answer_has_the_headers_too(path: str) -> None:
    """Data, errors and files carry the same policy."""
    assert Rig().get(path).headers["content-security-policy"] == CSP


@pytest.mark.parametrize("path", PAGES[:-1])
def test_nothing_inline_is_needed(path: str) -> None:
    """No page has a script, style or handler of its own that the policy would block."""
    rig = Rig()
    rig.take(enriched(), acted(), outcome())
    text = rig.get(path).text
    assert re.findall(r"<script(?![^>]*(?: src=| type=\"application/json\"))", text) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", text) == []


@pytest.mark.parametrize("path", ["/", "/alerts/payments/A1", "/suppressed", "/teams/payments", "/teams", "/rules"])
def test_outside_text_stays_text(path: str) -> None:
    """Markup, direction and control characters in any field of an alert do nothing on any page."""
    rig = Rig()
    hostile: dict[str, Any] = dict.fromkeys(("title", "rule", "entity", "severity", "source"), HOSTILE)
    rig.take(
        enriched(labels={HOSTILE: HOSTILE}, **hostile),
        acted(kind="silenced", reason=HOSTILE, actor=HOSTILE),
        decision(name="pause", by_rule=HOSTILE, why=HOSTILE, until=at(9_000)),
    )
    text = rig.get(path).text
    assert "<img" not in text
    assert "<script>" not in text
    assert "</script><script" not in text
    assert not {"\u202e", "\x1b"} & set(re.sub(r"<script type=.*?</script>", "", text, flags=re.DOTALL))
    assert "49" not in re.findall(r"onerror=alert\(1\)&gt;.{0,80}", text)


def test_the_first_rows_are_there_without_script() -> None:
    """The list's HTML holds fifty rows, and the state as JSON for the script."""
    rig = Rig()
    rig.take(*(enriched(f"A{n:03}", n) for n in range(60)))
    text = rig.get("/?q=disk").text
    assert text.count("data-key=") == 50
    found = re.search(r'<script type="application/json" id="state">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    state = json.loads(found[1])
    assert (state["query"]["q"], state["first"]["total"], len(state["first"]["rows"])) == ("disk", 60, 50)
    assert state["kinds"] == {"acted": "worked", "dismissed": "dismissed"}


def test_rows_come_in_pages_of_one_order() -> None:
    """Parts of a snapshot fit together, and a part is at most 200 rows."""
    rig = Rig()
    rig.take(*(enriched(f"A{n:03}", n) for n in range(450)))
    first = rig.get("/api/rows?limit=10000").json()
    parts = [first] + [rig.get(f"/api/rows?snapshot={first['snapshot']}&offset={n}").json() for n in (200, 400)]
    assert [len(part["rows"]) for part in parts] == [200, 200, 50]
    keys = [row["key"] for part in parts for row in part["rows"]]
    assert keys == [f"episode-A{n:03}" for n in reversed(range(450))]


def test_a_forgotten_order_is_gone() -> None:
    """A browser that names one is told to take a new one."""
    assert Rig().get("/api/rows?snapshot=unknown").status_code == 410


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/verdicts", {"id": "short", "action": "acted", "keys": []}),
        ("/v1/verdicts", {"id": "request1", "action": "maybe", "keys": []}),
        ("/v1/verdicts", {"id": "request1", "action": "acted", "keys": [], "extra": 1}),
        ("/v1/snooze", {"id": "request1", "until": "never"}),
        ("/v1/undo", []),
    ],
)
def test_a_request_that_can_not_be_read_is_refused(path: str, body: Any) -> None:
    """What is no request of ours is answered 400, with the field."""
    answer = Rig().post(path, body)
    assert answer.status_code == 400
    assert "can't be read" in answer.json()["error"]


def test_a_request_that_is_too_long_is_refused() -> None:
    """A body over the limit is not read to its end."""
    answer = Rig().post("/v1/undo", {"id": "x" * (3 * 1024 * 1024)})
    assert answer.status_code == 413


def test_names_may_hold_slashes() -> None:
    """A team and an alert id with slashes, spaces and signs have a page that the list links to."""
    rig = Rig()
    rig.take(enriched("a/b c?#1", team="x/y %"))
    link = re.search(r'href="(/alerts/[^"]+)"', rig.get("/").text)
    assert link is not None
    assert link[1] == "/alerts/x%2Fy%20%25/a%2Fb%20c%3F%231"
    assert rig.get(link[1]).status_code == 200
    assert rig.get("/teams/x%2Fy%20%25").status_code == 200


def test_an_alerts_page_says_what_was_done_last_time() -> None:
    """History at its levels, the last similar alert with who did what, all events, and the challenger's score."""
    rig = Rig()
    rig.take(
        enriched("A0"),
        acted("A0", "worked", reason="grew the disk"),
        outcome("A0", "actionable", "worked"),
        enriched("A1", 500),
        acted("A1", "acknowledged", 520),
    )
    text = rig.get("/alerts/payments/A1").text
    assert "acted on 31 of 400" in text
    assert "worked by 9b97e7f7fd: grew the disk" in text
    assert "somebody has seen it" in text
    assert 'href="/?alert=payments%2FA1"' in text
    fragment = rig.get("/api/alert?team=payments&alert_id=A1").text
    assert fragment.strip().startswith("<article")
    assert fragment.strip() in text


def pushes_of(text: str) -> str:
    """The part of an alert's page on what pushed its score."""
    return text.partition("<h2>What pushed the score</h2>")[2].partition("</section>")[0]


def test_an_alerts_page_shows_what_pushed_its_score() -> None:
    """Each push in words, as a bar, and as what it multiplies the odds by, the strongest first."""
    rig = Rig()
    rig.take(replace(enriched(), features=b"\0" * 8))
    text = pushes_of(rig.get("/alerts/payments/A1").text)
    assert re.findall(r'<th scope="row">(.*?)</th>', text) == ["much less on this entity", "more at this hour"]
    assert re.findall(r"<td>(×.*?)</td>", text) == ["× 0.17", "× 1.5"]
    assert re.findall(r'<rect x="([\d.]+)" y="2.0" width="([\d.]+)"', text) == [("0.0", "86.00"), ("86.0", "19.11")]
    rig.models.answer = "The model 2026-03-01-a1b2c3d4 is gone."
    assert "a1b2c3d4 is gone." in pushes_of(rig.get("/alerts/payments/A1").text)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (enriched(), "enriched_features"),
        (replace(enriched(), features=None), "enriched_features"),
        (replace(enriched(evidence="none"), features=b"\0" * 8), ""),
        (replace(enriched(probability=None), features=b"\0" * 8), ""),
    ],
)
def test_a_score_without_features_has_no_pushes(record: Enriched, sentence: str) -> None:
    """Where the record does not hold the features a sentence says so; where no score is shown there is nothing."""
    rig = Rig()
    rig.take(record)
    found = pushes_of(rig.get("/alerts/payments/A1").text)
    assert sentence in found
    assert bool(found) == bool(sentence)


def test_an_alerts_page_without_redis_says_so() -> None:
    """Where the history can't be read the page is there with a sentence in its place."""
    rig = Rig()
    rig.history.answer = "Redis does not answer"
    rig.take(enriched())
    answer = rig.get("/alerts/payments/A1")
    assert answer.status_code == 200
    assert "Redis does not answer" in answer.text


def test_what_is_suppressed_stands_there_oldest_first() -> None:
    """Paused, silenced, muted and snoozed alerts, each with who or which rule, why, since and until."""
    rig = Rig()
    rig.take(
        *(enriched(f"A{n}", n) for n in range(4)),
        decision("A0", "pause", until=at(9_000), decided_at=at(40)),
        acted("A1", "silenced", 20, until=at(9_000), reason="upgrade"),
        acted("A2", "muted", 10, agent="automation"),
        acted("A3", "snoozed", 30),
    )
    text = rig.get("/suppressed").text
    cells = r'<td>(paused|silenced|muted|snoozed)</td><td><bdi>(.*?)</bdi></td><td class="why">(.*?)</td>'
    found = re.findall(cells, text)
    assert found == [
        ("muted", "the alert system", ""),
        ("silenced", "9b97e7f7fd", "upgrade"),
        ("snoozed", "9b97e7f7fd", "until it escalates"),
        ("paused", "night-disks", "it matches and is below 10 %"),
    ]


@pytest.mark.parametrize(
    ("records", "command"),
    [
        ((), "noisegate replay"),
        ((raised(),), "noisegate run scorer"),
        ((enriched(probability=None),), "noisegate lab train"),
        ((enriched(),), "noisegate lab audit"),
        ((enriched(), acted()), None),
    ],
)
def test_the_first_run_says_what_is_missing(records: tuple[Any, ...], command: str | None) -> None:
    """Without events, scores, a model or human acts the list names the command that mends it."""
    rig = Rig()
    rig.room.take(records)
    rig.now += 3.0
    rig.room.board.flush(rig.now)
    found = re.findall(r'<p class="hint">.*?<code>(.*?)</code>', rig.get("/").text)
    assert found[:1] == ([command] if command else [])


def test_scores_for_other_user_interfaces() -> None:
    """By team and alert id or by Alertmanager's fingerprint; an alert nobody knows is 404, no name 400."""
    rig = Rig()
    rig.take(enriched(labels={"name": "garland, briggs", "fear": "love is not enough"}))
    by_id = rig.get("/v1/scores?team=payments&alert_id=A1").json()["scores"]
    assert (by_id[0]["probability"], by_id[0]["words"]) == (0.07, "acted on 1 of the last 42 like this")
    assert rig.get("/v1/scores?fingerprint=5079CDDE6D5E9E1A").status_code == 404
    assert rig.get(f"/v1/scores?fingerprint={5799056148416392346:016x}").json()["scores"] == by_id
    assert rig.get("/v1/scores?team=payments&alert_id=A2").status_code == 404
    assert rig.get("/v1/scores").status_code == 400


def test_scores_are_for_named_origins() -> None:
    """Only an origin of the setting may read scores from a browser."""
    rig = Rig(triage_cors_origins=["https://alerts.example"])
    rig.take(enriched())
    path = "/v1/scores?team=payments&alert_id=A1"
    named = rig.get(path, origin="https://alerts.example")
    assert named.headers["access-control-allow-origin"] == "https://alerts.example"
    assert "access-control-allow-origin" not in rig.get(path, origin="https://evil.example").headers
    assert rig.send("OPTIONS", path, {"origin": "https://alerts.example"}).status_code == 204


def test_the_first_view_is_small() -> None:
    """The list, its styles and its modules come compressed, in less than 150 kB together."""
    rig = Rig()
    rig.take(*(enriched(f"A{n:03}", n) for n in range(60)))
    page = rig.get("/")
    linked = re.findall(
        r'<(?:link rel="(?:stylesheet|modulepreload)" href|script type="module" src)="(.*?)"', page.text
    )
    answers = [page, *(rig.get(path) for path in linked)]
    assert len(answers) > 20
    sizes = {answer.url.path: int(answer.headers["content-length"]) for answer in answers}
    assert sum(sizes.values()) < 150_000
    assert page.headers["content-encoding"] == "gzip"
    assert all("content-encoding" in answer.headers for answer in answers if len(answer.content) >= 1_000)


def test_files_are_asked_for_again_and_not_sent_again() -> None:
    """A browser may keep a script but asks each time, and gets 304 for the ETag that it has."""
    rig = Rig()
    first = rig.get("/static/list.js")
    assert first.headers["cache-control"] == "no-cache"
    again = rig.get("/static/list.js", if_none_match=first.headers["etag"])
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")
    assert rig.get("/static/list.js", if_none_match='"older"').status_code == 200


def test_a_teams_page_says_since_when_it_counts() -> None:
    """Beside the number of alerts stands when the first of them was raised, and what reads further back."""
    rig = Rig()
    rig.take(enriched("A1", 120.0), enriched("A2"))
    text = rig.get("/teams/payments").text
    assert '2 alerts since <time datetime="2026-03-02T09:00:00Z">2026-03-02 09:00:00Z</time>' in text
    assert "noisegate report team payments --since 30d" in text


def test_a_teams_calibration_is_a_picture() -> None:
    """A tenth with outcomes is a dot at its mean score and share, with its interval; without any there is none."""
    rig = Rig()
    rig.take(enriched())
    assert "No scored alert of this team has an outcome" in rig.get("/teams/payments").text
    scores = {"2026-03-01-a1b2c3d4": 0.5}
    rig.take(*(outcome(f"A{n}", "actionable" if n % 2 else "noise", scores=scores) for n in range(10)))
    text = rig.get("/teams/payments").text
    plane = Plane((0.0, 1.0), (0.0, 1.0), 300.0, right=20.0, left=56.0)
    assert dot(plane, (0.5, 0.5), "s1", 4.0) in text
    x, low, high = plane.px(0.5), plane.py(0.2366), plane.py(0.7634)
    assert segment((x, low), (x, high), "whisker") in text
    assert text.count("<circle") == 1
    assert "<td>10</td>\n<td>50 %</td><td>50 %</td>" in text


def test_a_report_is_shut_in() -> None:
    """A model's report may have styles of its own, and no script, form or window."""
    answer = Rig().get("/model/report?version=2026-03-01-a1b2c3d4")
    assert answer.text == "<h1>report</h1>"
    assert answer.headers["content-security-policy"].startswith("sandbox; style-src 'unsafe-inline'")
    assert Rig().get("/model/report?version=../../etc/passwd").status_code == 404


def test_the_events_are_those_of_the_board() -> None:
    """A browser that follows gets a batch with the row that came at once and uncompressed, under its number."""

    async def scenario() -> bytes:
        rig = Rig()
        sent: asyncio.Queue[bytes] = asyncio.Queue()
        started: list[dict[str, str]] = []
        gone = asyncio.Event()

        async def receive() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.append({name.decode(): value.decode() for name, value in message["headers"]})
            elif message.get("body"):
                await sent.put(message["body"])

        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/events",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:9113"), (b"accept-encoding", b"gzip")],
            "client": ("127.0.0.1", 5),
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
        }

        async def serve() -> None:
            await rig.app(scope, receive, send)

        following = asyncio.create_task(serve())
        async with asyncio.timeout(60.0):
            while rig.room.broadcaster.viewers == 0:  # noqa: ASYNC110 - nothing says when a stream has begun
                await asyncio.sleep(0)
            rig.room.take([enriched()])
            rig.room.tick()
            frame = await sent.get()
        gone.set()
        rig.room.broadcaster.close()
        await following
        assert "content-encoding" not in started[0]
        return frame

    lines = dict(line.split(": ", 1) for line in asyncio.run(scenario()).decode().strip().split("\r\n"))
    assert (lines["event"], int(lines["id"])) == ("batch", json.loads(lines["data"])["seq"])
    assert json.loads(lines["data"])["upsert"][0]["key"] == "episode-A1"


def test_at_the_end_every_verdict_is_published() -> None:
    """A verdict that could still be undone is among what the process publishes as it ends."""
    rig = Rig()
    rig.take(enriched())
    rig.post("/v1/verdicts", {"id": "request1", "action": "acted", "keys": ["episode-A1"]})
    assert [act.alert_id for act in rig.room.close()] == ["A1"]


def test_rules_are_shown_with_their_proof() -> None:
    """A rule's page has its mode, what it decided and what became of the alerts."""
    rig = Rig()
    rig.take(enriched(), decision(), outcome(), enriched("A2", 5), decision("A2"))
    assert "night-disks" in rig.get("/rules").text
    text = rig.get("/rules/night-disks").text
    assert "acted on 0 of 1" in " ".join(text.split())
    assert "A2" not in text


def test_times_are_since_1970() -> None:
    """A row's times are seconds, as its type says."""
    rig = Rig()
    rig.take(enriched())
    assert rig.get("/api/rows").json()["rows"][0]["raised_at"] == NOW
