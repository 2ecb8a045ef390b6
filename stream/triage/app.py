"""The page over HTTP: its routes as a Starlette application, each behind the check of who asks."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from stream.core import limits
from stream.triage.auth import COOKIE, Access, Denied, Viewer, check_json, check_site, require_responder
from stream.triage.detail import find_scores
from stream.triage.places import Places
from stream.triage.responses import (
    REPORT_CSP,
    FreshFiles,
    decode_body,
    json_response,
    number_of,
    path_parts,
    query_of,
    read_body,
    with_headers,
)
from stream.triage.room import TriageRoom
from stream.triage.search import PAGE_ROWS, VIEWS
from stream.triage.templates import STATIC, alert_url, render, state_json
from stream.triage.verdicts import NO_SNAPSHOT, Person
from stream.triage.view import (
    Answer,
    PageState,
    PublishRequest,
    RowPage,
    SnoozeRequest,
    UndoRequest,
    VerdictRequest,
)

FIRST_ROWS = 50
PING_SECONDS = 15
COOKIE_SECONDS = 30 * 86_400
COMPRESSED_BYTES, COMPRESSION = 1_000, 6  # from this size on; the level
Endpoint = Callable[[Request, Viewer], Awaitable[Response]]


class TriageApp:
    """The endpoints.

    Args:
        room: the list and its verdicts.
        places: the data of all other pages.
        access: who may look and who may give verdicts.
        pseudonym: what a name is in events.
    """

    def __init__(self, room: TriageRoom, places: Places, access: Access, pseudonym: Callable[[str], str]) -> None:
        self._room, self._places, self._access, self._pseudonym = room, places, access, pseudonym

    def make(self) -> ASGIApp:
        """The application."""
        get = {
            "/": self.show_list,
            "/events": self.events,
            "/api/rows": self.rows,
            "/api/firings": self.firings,
            "/api/alert": self.alert_fragment,
            "/alerts/{rest:path}": self.alert_page,
            "/teams": self.teams_page,
            "/teams/{rest:path}": self.team_page,
            "/rules": self.rules_page,
            "/rules/{rest:path}": self.rule_page,
            "/suppressed": self.suppressed_page,
            "/digest": self.digest_page,
            "/model": self.model_page,
            "/model/report": self.model_report,
        }
        post = {
            "/v1/verdicts": self.give,
            "/v1/snooze": self.snooze,
            "/v1/undo": self.undo,
            "/v1/publish": self.publish,
        }
        routes: list[Any] = [Route(path, partial(self._guard, end), methods=["GET"]) for path, end in get.items()]
        routes += [
            Route(path, partial(self._guard, self._changing(end)), methods=["POST"]) for path, end in post.items()
        ]
        routes.append(Route("/v1/scores", self.scores, methods=["GET", "OPTIONS"]))
        routes.append(Route("/login", self.login, methods=["GET", "POST"]))
        routes.append(Mount("/static", FreshFiles(directory=STATIC)))
        handlers: dict[Any, Any] = {Denied: self._denied, HTTPException: self._refused, ClientDisconnect: _left}
        compression = Middleware(GZipMiddleware, minimum_size=COMPRESSED_BYTES, compresslevel=COMPRESSION)
        return with_headers(Starlette(routes=routes, exception_handlers=handlers, middleware=[compression]))

    async def show_list(self, request: Request, viewer: Viewer) -> Response:
        """The list with its first rows."""
        room, now = self._room, self._room.clock()
        query = query_of(request)
        name = room.snapshots.take(room.board.rows, query)
        page = self._page_of(name, 0, FIRST_ROWS)
        state = PageState(
            query=query,
            first=page,
            views=list(VIEWS),
            reasons=room.settings.reasons,
            reason_required=room.settings.reason_required,
            kinds={str(action): kind for action, kind in room.settings.verdicts.items()},
            undo_seconds=room.settings.undo_seconds,
            role=viewer.role,
            person=viewer.name,
            pseudonym=self._pseudonym(viewer.name),
            shift_ends_at=room.shift_ends_at(now),
            now=now,
        )
        hints = self._places.hints()
        return self._html("list.html", viewer, "alerts", hints=hints, page=state, state_json=state_json(state))

    async def events(self, request: Request, viewer: Viewer) -> Response:
        """The batches as server-sent events."""
        room = self._room
        if room.broadcaster.is_full:
            return json_response(
                Answer(error=f"{limits.TRIAGE_VIEWERS} browsers follow the list already; try again"), 503
            )
        given = request.headers.get("last-event-id") or request.query_params.get("seq") or ""
        seq = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else None
        stream = room.broadcaster.follow(seq, room.board.seq)
        return EventSourceResponse(stream, ping=PING_SECONDS)

    async def rows(self, request: Request, viewer: Viewer) -> Response:
        """A part of a snapshot."""
        given, room = request.query_params, self._room
        offset, limit = number_of(given.get("offset"), 0), number_of(given.get("limit"), PAGE_ROWS)
        name = given.get("snapshot") or room.snapshots.take(room.board.rows, query_of(request))
        if room.snapshots.keys(name) is None:
            return json_response(Answer(error="this order of the list is not known any more; take a new one"), 410)
        return json_response(self._page_of(name, offset, limit))

    async def firings(self, request: Request, viewer: Viewer) -> Response:
        """The firings of an episode, newest first."""
        episode = self._room.board.episodes.get(request.query_params.get("key", ""))
        if episode is None:
            return json_response(Answer(error="the page does not know this episode any more"), 404)
        return json_response([one.firing() for one in reversed(episode.firings.values())])

    async def give(self, body: bytes, viewer: Viewer) -> Answer:
        """A verdict."""
        return self._room.give(decode_body(body, VerdictRequest), self._person(viewer))

    async def snooze(self, body: bytes, viewer: Viewer) -> Answer:
        """A snooze."""
        return self._room.snooze(decode_body(body, SnoozeRequest), self._person(viewer))

    async def undo(self, body: bytes, viewer: Viewer) -> Answer:
        """An undo of either."""
        return self._room.undo(decode_body(body, UndoRequest).id, self._person(viewer))

    async def publish(self, body: bytes, viewer: Viewer) -> Answer:
        """Verdicts of a page that closes."""
        request = decode_body(body, PublishRequest)
        return Answer(count=self._room.verdicts.publish_now(request.ids, self._person(viewer)))

    async def alert_page(self, request: Request, viewer: Viewer) -> Response:
        """An alert's page."""
        parts = path_parts(request)
        if len(parts) != 2:
            raise HTTPException(404, "an alert's address is /alerts/TEAM/ALERT_ID")
        return await self._alert("alert.html", parts[0], parts[1], viewer)

    async def alert_fragment(self, request: Request, viewer: Viewer) -> Response:
        """The body of an alert's page alone."""
        given = request.query_params
        return await self._alert("alert_body.html", given.get("team", ""), given.get("alert_id", ""), viewer)

    async def _alert(self, template: str, team: str, alert_id: str, viewer: Viewer) -> Response:
        detail = await self._places.alert(team, alert_id)
        if detail is None:
            raise HTTPException(404, f"the page does not know this alert: it is older than {self._places.span}")
        return self._html(template, viewer, "alerts", detail=detail)

    async def teams_page(self, request: Request, viewer: Viewer) -> Response:
        """All teams."""
        teams = sorted(self._room.teams.teams.values(), key=lambda one: -one.alerts)
        return self._html("teams.html", viewer, "teams", hints=self._places.hints(), teams=teams)

    async def team_page(self, request: Request, viewer: Viewer) -> Response:
        """One team, or with `?format=csv` or `markdown` its rules worth mending."""
        from stream.triage.teams import as_csv, as_markdown

        team = self._room.teams.teams.get("/".join(path_parts(request)))
        if team is None:
            raise HTTPException(404, f"no alert of this team came in {self._places.span}")
        kind = request.query_params.get("format")
        if kind == "csv":
            return Response(as_csv(team.worth_mending()), media_type="text/csv")
        if kind == "markdown":
            return Response(as_markdown(team.team, team.worth_mending()), media_type="text/markdown")
        return self._html("team.html", viewer, "teams", team=team)

    async def rules_page(self, request: Request, viewer: Viewer) -> Response:
        """All rules of the closer."""
        data = await self._places.rule_data()
        rules = self._places.rules(data)
        hints = self._places.rule_hints(rules)
        return self._html("rules.html", viewer, "rules", hints=hints, data=data, rules=rules)

    async def rule_page(self, request: Request, viewer: Viewer) -> Response:
        """One rule."""
        name, data = "/".join(path_parts(request)), await self._places.rule_data()
        rule = next((one for one in self._places.rules(data) if one.name == name), None)
        if rule is None:
            raise HTTPException(404, f"no closer knows this rule, and no decision of it came in {self._places.span}")
        return self._html("rule.html", viewer, "rules", data=data, rule=rule)

    async def digest_page(self, request: Request, viewer: Viewer) -> Response:
        """What rules did in the last day, by owner, also with `?format=markdown`."""
        from stream.rule_digest import as_markdown

        data = await self._places.rule_data()
        found = self._places.digests(data, alert_url)
        if request.query_params.get("format") == "markdown":
            return Response("\n".join(map(as_markdown, found)), media_type="text/markdown")
        return self._html("digest.html", viewer, "rules", data=data, digests=found)

    async def suppressed_page(self, request: Request, viewer: Viewer) -> Response:
        """What is kept from people now."""
        data = await self._places.rule_data()
        found = self._places.suppressed(data)
        return self._html("suppressed.html", viewer, "suppressed", data=data, suppressed=found)

    async def model_page(self, request: Request, viewer: Viewer) -> Response:
        """Champion and challenger."""
        found = await self._places.models()
        return self._html("model.html", viewer, "model", hints=self._places.model_hints(found), models=found)

    async def model_report(self, request: Request, viewer: Viewer) -> Response:
        """The report that came with a model: HTML of its own, in a sandbox."""
        version = request.query_params.get("version", "")
        report = await self._places.report(version)
        if report is None:
            raise HTTPException(404, "there is no report of this version in the model store")
        return Response(report, media_type="text/html", headers={"content-security-policy": REPORT_CSP})

    async def scores(self, request: Request) -> Response:
        """Scores for other user interfaces; other origins may read them where the setting names them."""
        origin = request.headers.get("origin", "")
        cors = {"vary": "Origin"}
        if origin and origin in self._room.settings.cors_origins:
            cors |= {"access-control-allow-origin": origin, "access-control-allow-headers": "Authorization"}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=cors)
        self._viewer(request)
        found = find_scores(self._room.board, request.query_params, self._places.identity_ignore)
        if found is None:
            error = "name an alert: ?team=...&alert_id=..., or ?fingerprint=... as Alertmanager gives it"
            return json_response(Answer(error=error), 400, cors)
        return json_response({"scores": found}, 200 if found else 404, cors)

    async def login(self, request: Request) -> Response:
        """Sign in with a token, which a cookie then holds."""
        error = ""
        if request.method == "POST":
            check_site(request.headers)
            fields = parse_qs((await read_body(request, 4_096)).decode("utf-8", "replace"))
            token = fields.get("token", [""])[0]
            if self._access.token_name(token) is not None:
                answer: Response = RedirectResponse("/", 303)
                secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
                answer.set_cookie(
                    COOKIE, token.strip(), COOKIE_SECONDS, httponly=True, samesite="strict", secure=secure
                )
                return answer
            error = "this token is not one of the file triage_auth; look for typing errors"
        page = render("login.html", self._room.clock(), error=error)
        return Response(page, 401 if error else 200, media_type="text/html")

    async def _guard(self, endpoint: Endpoint, request: Request) -> Response:
        return await endpoint(request, self._viewer(request))

    def _changing(self, act: Callable[[bytes, Viewer], Awaitable[Answer]]) -> Endpoint:
        """An endpoint that changes something: of the page's own origin, in JSON, by somebody who may."""

        async def endpoint(request: Request, viewer: Viewer) -> Response:
            check_site(request.headers)
            check_json(request.headers)
            require_responder(viewer)
            answer = await act(await read_body(request, limits.TRIAGE_REQUEST_BYTES), viewer)
            return json_response(answer, 200 if not answer.error else 410 if answer.error == NO_SNAPSHOT else 409)

        return endpoint

    def _viewer(self, request: Request) -> Viewer:
        address = request.client.host if request.client else ""
        return self._access.check(request.headers, request.cookies, address)

    def _person(self, viewer: Viewer) -> Person:
        return Person(viewer.name, self._pseudonym(viewer.name))

    def _page_of(self, name: str, offset: int, limit: int) -> RowPage:
        room = self._room
        page = room.snapshots.page(name, room.board.rows, room.board.seq, room.counts(), offset, limit)
        assert page is not None  # the snapshot was there just now, on this very loop
        return page

    def _html(self, template: str, viewer: Viewer, place: str, **context: Any) -> Response:
        context.setdefault("hints", [])
        page = render(
            template,
            self._room.clock(),
            counts=self._room.counts(),
            place=place,
            person=viewer.name,
            role=viewer.role,
            span=self._places.span,
            notice=self._room.settings.notice,
            **context,
        )
        return Response(page, media_type="text/html", headers={"cache-control": "no-store"})

    async def _denied(self, request: Request, error: Denied) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") and request.method == "GET"
        if error.status == 401 and wants_page and self._access.takes_tokens:
            return RedirectResponse("/login", 303)
        headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
        return json_response(Answer(error=error.sentence), error.status, headers)

    async def _refused(self, request: Request, error: HTTPException) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return json_response(Answer(error=error.detail), error.status_code)
        page = render("error.html", self._room.clock(), sentence=error.detail)
        return Response(page, error.status_code, media_type="text/html")


async def _left(request: Request, error: Exception) -> Response:
    """The browser left; nobody reads the answer."""
    return Response(status_code=400)
