"""The demo in order: history through the live stack without a model, then a model, then the rest with it."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from stream.config import load_problem
from stream.console import stage_bars
from stream.core.errors import EmbeddedServerFailed, NoisegateError, SettingsError
from stream.core.events import Raised, moment
from stream.core.problem import Problem
from stream.dev import shipped
from stream.dev.demo.collector import Collector
from stream.dev.demo.live import Live, check_page, last_days, moved, period_seconds, shift_seconds, verdict_kinds
from stream.dev.demo.plan import Plan, make_plan
from stream.dev.demo.rules import RULES, ShadowCloser, rule_figures
from stream.dev.demo.summary import Figures, Summary, baseline_figures, demo_gate, figures, match_outcomes, save
from stream.dev.demo.view import open_page, page_notice, say_page, say_summary, snapshot, watching
from stream.dev.process import accepts
from stream.dev.stack import Stack, TriageProcess, running_stack
from stream.eventlog import Line, read_log
from stream.extras import TRAINING, require_lab
from stream.kafka.reader import Reader
from stream.kafka.replay import Feed, Schedule, parse_speed
from stream.lab.judging.baselines import score_baselines
from stream.lab.log_warnings import sentences
from stream.models.pointers import CHAMPION, Pointer
from stream.models.store import Store, find

SEED = 7
IN_FLIGHT = 4_000  # alerts on their way: enough to keep the scorer busy, and memory bounded
_CHUNK = 200  # lines sent at a time
_READ_SECONDS = 0.01
_STALL_SECONDS = 60.0
_QUIET_SECONDS = 1.0


class Request(Struct, frozen=True, kw_only=True):
    """What a person asks for. Without `events` the simulated organisation.

    Attributes:
        port: where the page is served; 0 takes a free one.
        page: whether there is one if it can be; with a `port` there must be one.
        browser: whether a browser opens it.
    """

    events: Path | None = None
    problem: Path | None = None
    speed: str = "max"
    save: Path | None = None
    seed: int = SEED
    port: int | None = None
    page: bool = False
    browser: bool = False

    @property
    def default(self) -> bool:
        """Whether the shipped model knows the log."""
        return self.events is None and self.problem is None and self.seed == SEED


def run_demo(request: Request, console: Console, report: Callable[[Summary], None]) -> None:
    """Run it, showing progress and summary on `console`; `report` takes the summary, too.

    Where there is a page it returns only by an exception, such as KeyboardInterrupt.

    Raises:
        NoisegateError: what went wrong, in one sentence.
    """
    parse_speed(request.speed)
    if request.port and accepts(request.port):
        raise EmbeddedServerFailed(f"port {request.port} is in use", "name another with --port; 0 takes a free one")
    models = shipped.shipped_models() if request.default else None
    if models is None:
        require_lab("a demo on a log of your own needs", *TRAINING)
    with tempfile.TemporaryDirectory(prefix="noisegate-demo-") as made:
        folder = Path(made)
        problem_file, store = _problem_of(request), folder / "models"
        problem = load_problem(problem_file)
        request = _with_page(request, problem, console)
        store.mkdir()
        log = _log_of(request, folder, console)
        with running_stack(problem_file, store) as stack:
            with stage_bars(console) as report_progress:
                plan = make_plan(log, problem, report_progress)
            for sentence in sentences(plan.replayed.orphans, plan.replayed.unknown_fields, problem):
                console.print(sentence, markup=False, highlight=False, soft_wrap=True)
            _Demo(request, console, plan, stack, store, models).run(report)


def _with_page(request: Request, problem: Problem, console: Console) -> Request:
    """The request with a port if there will be a page; where one is only offered, why there is none is printed."""
    if request.port is None and not request.page:
        return request
    try:
        check_page(problem)
    except NoisegateError as error:
        if request.port is not None:
            raise
        console.print(f"There is no page: {error}", markup=False, soft_wrap=True)
        return request
    return replace(request, port=request.port or 0)


def _problem_of(request: Request) -> Path:
    if request.problem is not None:
        return request.problem
    if request.events is not None:
        raise SettingsError("--events needs --problem: the file that says what is being predicted")
    return shipped.simulated_problem()


def _log_of(request: Request, folder: Path, console: Console) -> Path:
    if request.events is not None:
        return request.events
    from stream.simulation import write_events

    log = folder / "simulated.jsonl"
    with console.status("generating the simulated organisation's log"):
        write_events(log, seed=request.seed)
    return log


class _Demo:
    """One run on a stack that is up."""

    def __init__(
        self, request: Request, console: Console, plan: Plan, stack: Stack, store: Path, models: Path | None
    ) -> None:
        self._request = request
        self._console = console
        self._plan = plan
        self._stack = stack
        self._store = store
        self._models = models
        settings = stack.settings
        self._collected = Collector(settings, keep=request.save is not None)
        self._feed = Feed(settings)
        self._topics = [settings.topics.enriched, settings.topics.outcomes, settings.topics.failed]
        self._title = f"noisegate: {'the SIMULATED organisation' if plan.simulated else plan.log.name}"
        replayed = plan.replayed
        self._period = period_seconds(replayed.ended_at - float(replayed.at[0]))
        self._shift = 0.0 if request.port is None else shift_seconds(replayed.ended_at, self._period, time.time())

    def run(self, report: Callable[[Summary], None]) -> None:
        plan, collected = self._plan, self._collected
        with Reader(self._stack.settings, self._topics) as reader:
            with self._console.status("starting the scorer"):
                self._stack.scorer.await_assigned()
            parts, before = plan.parts(), plan.split.alert
            history = self._moved(parts.history())
            self._play(reader, history, None, "1 of 2: building history, no model yet", before)
            history_alerts = collected.done_alerts
            version = self._serve_model()
            collected.begin(keep_outcomes=plan.simulated)
            speed, after = parse_speed(self._request.speed), len(plan.replayed.alerts) - before
            began = time.monotonic()
            self._play(reader, self._moved(parts.rest()), speed, f"2 of 2: scoring with {version}", after)
            took = time.monotonic() - began
            rules = RULES if plan.simulated and self._request.port is not None else None
            with ShadowCloser(self._stack.environment, rules, self._console) as closer:
                self._finish(reader)
                with self._console.status("comparing scores with outcomes"):
                    summary = self._summarize(version, history_alerts, took)
                say_summary(self._console, summary, plan.problem.question)
                if self._request.save is not None:
                    save(self._request.save, collected, summary)
                    self._console.print(f"saved in {self._request.save}", markup=False, soft_wrap=True)
                report(summary)
                if self._request.port is not None:
                    self._go_on(reader, self._request.port, closer)

    def _go_on(self, reader: Reader, port: int, closer: ShadowCloser) -> None:
        """Serve the page, and let alerts come to it until somebody ends it."""
        plan, collected, scorer = self._plan, self._collected, self._stack.scorer
        raised_at, ended_at = float(plan.replayed.at.max()), plan.replayed.ended_at
        days = last_days(read_log(plan.log), raised_at, ended_at, self._period, self._shift, time.time())
        collected.begin()
        count = len({(one.event.team, one.event.alert_id) for one in days.earlier if isinstance(one.event, Raised)})
        self._play(reader, days.earlier, None, "for the page: the log's last days once more", count)
        kinds, notice = verdict_kinds(plan.problem), page_notice(plan.simulated)
        with TriageProcess(self._stack.environment, port, kinds, notice) as page:
            live = Live(page, scorer, closer, self._feed, reader, collected)
            with self._console.status("filling the page"):
                page.await_served()
                closer.await_judged()
                live.fill(days.shown)
            say_page(self._console, page.url, plan.simulated, closer.is_running)
            if self._request.browser:
                open_page(page.url)
            live.run(days.upcoming)

    def _moved(self, lines: Iterator[Line]) -> Iterator[Line]:
        return (moved(one, self._shift) for one in lines) if self._shift else lines

    def _play(self, reader: Reader, lines: Iterable[Line], speed: float | None, step: str, of: int) -> None:
        """Send lines when they are due, until each of their alerts was enriched."""
        collected, schedule = self._collected, Schedule(lines, speed)
        with watching(self._console, lambda: snapshot(self._title, step, of, collected)) as look:
            moved_at = time.monotonic()
            while not schedule.done or collected.waiting:
                taken = schedule.take(_CHUNK) if len(collected.waiting) < IN_FLIGHT else []
                if taken:
                    collected.sent(taken)
                    self._feed.send(taken)
                found = reader.read(0.0 if taken and speed is None else _READ_SECONDS)
                collected.take(found)
                if found or not collected.waiting:
                    moved_at = time.monotonic()
                self._check(moved_at)
                look()
            self._feed.flush()

    def _check(self, moved_at: float) -> None:
        self._stack.scorer.check()
        if time.monotonic() - moved_at > _STALL_SECONDS:
            raise EmbeddedServerFailed(
                f"the scorer published nothing for {_STALL_SECONDS:.0f} s while {len(self._collected.waiting)} alerts "
                f"wait: {self._stack.scorer.last_words()}"
            )

    def _serve_model(self) -> str:
        """Put a model into the store and wait until the scorer serves it; returns its version."""
        if self._models is not None:
            version = find(self._models).name
            shutil.copytree(self._models / version, self._store / version)
        else:
            from stream.lab.training import train_replayed

            with stage_bars(self._console) as report_progress:
                made = train_replayed(
                    self._plan.replayed,
                    self._store,
                    seed=self._request.seed,
                    command="noisegate demo",
                    judged=False,
                    progress=report_progress,
                )
            version = made.name
        Store(str(self._store)).point(CHAMPION, Pointer(version))
        with self._console.status("waiting for the scorer to load the model"):
            self._stack.scorer.await_model()
        return version

    def _finish(self, reader: Reader) -> None:
        """Let time pass to the log's end in every partition, and read all outcomes that this brings."""
        scorer, collected = self._stack.scorer, self._collected
        self._feed.tick(self._plan.replayed.ended_at + self._shift)
        self._feed.flush()
        quiet_since = moved_at = time.monotonic()
        with self._console.status("waiting for the last outcomes"):
            while time.monotonic() - quiet_since < _QUIET_SECONDS:
                found = reader.read(0.1)
                collected.take(found)
                if found:
                    moved_at = time.monotonic()
                self._check(moved_at)
                if found or not reader.at_end or scorer.folded() < self._feed.sent:
                    quiet_since = time.monotonic()

    def _summarize(self, version: str, history_alerts: int, took: float) -> Summary:
        plan, collected = self._plan, self._collected
        judged, baselines = match_outcomes(plan, collected), score_baselines(plan.replayed)
        mine: Figures = figures(judged.labels, judged.scores)
        scored = sum(count for band, count in collected.bands.items() if band != "unscored")
        return Summary(
            alerts=collected.sent_alerts,
            enriched=collected.done_alerts,
            failed=collected.failed.total(),
            failed_by_reason=dict(collected.failed),
            alerts_per_second=collected.done_alerts / took,
            latency_p50_seconds=collected.latency_seconds(0.5),
            latency_p99_seconds=collected.latency_seconds(0.99),
            auc=mine.auc,
            ece=mine.ece,
            suppressed_at_95=mine.suppressed_at_95,
            baselines=baseline_figures(baselines, judged),
            gate=demo_gate(plan, judged, baselines, self._store / version),
            label_rate=float(judged.labels.mean()) if judged.indices else None,
            judged=len(judged.indices),
            unscored=judged.unscored,
            excluded=judged.excluded,
            undecided=judged.undecided,
            likely_noise=collected.bands["likely_noise"] / max(scored, 1),
            rules=rule_figures(collected.scored_outcomes, plan.problem) if collected.scored_outcomes else [],
            history_alerts=history_alerts,
            events=plan.replayed.events,
            simulated=plan.simulated,
            model=version,
            model_source="shipped" if self._models is not None else "trained",
            problem=plan.problem.id,
            split_at=moment(plan.split.at),
            speed=self._request.speed,
        )
