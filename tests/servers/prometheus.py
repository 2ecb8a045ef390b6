"""Prometheus itself: from what workers exposed at given times, or scraping; and what it answers."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from stream.dev.process import LOOPBACK, ServerProcess, free_port

CONFIG = "global: {scrape_interval: 30s}\n"
BACKFILL_SECONDS = 300
ANSWER_SECONDS = 120
LOOKBACK = "20m"
"""Back-filled samples are up to 15 minutes apart."""
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")

Labels = tuple[tuple[str, str], ...]


class Exposed(NamedTuple):
    """What one worker's /metrics said: any text of Prometheus' or OpenMetrics' format."""

    at: float  # seconds since 1970
    labels: Mapping[str, str]  # what a scrape would add: job, instance
    text: str


class Series(NamedTuple):
    """One series of an answer; of an instant query with one sample."""

    labels: dict[str, str]
    samples: list[tuple[float, float]]

    @property
    def value(self) -> float:
        """The last sample."""
        return self.samples[-1][1]


class PrometheusServer(ServerProcess):
    """One server on a port of its own. FileNotFoundError where Debian's `prometheus` is not installed."""

    def __init__(
        self, config: str = CONFIG, folder: Path | None = None, lookback: str = LOOKBACK, more: Sequence[str] = ()
    ) -> None:
        for program in ("prometheus", "promtool"):
            if shutil.which(program) is None:
                raise FileNotFoundError(f"{program} is not installed")
        self.port = free_port()
        arguments = [
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=10y",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            f"--query.lookback-delta={lookback}",
            *more,
        ]
        super().__init__("prometheus", ["prometheus", *arguments], ready=self._serves, folder=folder)
        (self.folder / "prometheus.yml").write_text(config, encoding="utf-8")

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def backfill(self, exposed: Iterable[Exposed]) -> None:
        """Take in samples with their times, oldest first; the server is started again with them."""
        self.stop()
        file = self.folder / "backfill.om"
        with file.open("w", encoding="utf-8") as lines:
            for each in exposed:
                lines.writelines(stamped(each))
            lines.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=2000h"]
        done = subprocess.run(
            [*command, file.name, "data"], cwd=self.folder, capture_output=True, text=True, timeout=BACKFILL_SECONDS
        )
        assert done.returncode == 0, done.stderr
        file.unlink()
        self.start()

    def query(self, expression: str, at: float) -> list[Series]:
        """The expression at that time; a scalar comes as a series without labels."""
        result = self._ask("query", query=expression, time=at)
        if result["resultType"] == "scalar":
            return [Series({}, [_sample(result["result"])])]
        return [Series(each["metric"], [_sample(each["value"])]) for each in result["result"]]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The expression over time."""
        result = self._ask("query_range", query=expression, start=start, end=end, step=step)
        return [Series(each["metric"], [_sample(pair) for pair in each["values"]]) for each in result["result"]]

    def by(self, labels: Sequence[str], expression: str, at: float) -> dict[tuple[str, ...], float]:
        """Values of the expression at that time by these labels."""
        found = self.query(expression, at)
        keyed = {tuple(each.labels.get(label, "") for label in labels): each.value for each in found}
        assert len(keyed) == len(found), f"{labels} do not tell {expression} apart"
        return keyed

    def _ask(self, path: str, **parameters: str | float) -> Any:
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{error.read().decode()}: {parameters['query']}") from None

    def _serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def stamped(exposed: Exposed) -> Iterable[str]:
    """The lines of an exposition with labels and time added, as a scrape would store them."""
    added = [f'{name}="{value}"' for name, value in exposed.labels.items()]
    for line in exposed.text.splitlines():
        if found := _SAMPLE.match(line):
            name, labels, value = found.groups()
            joined = ",".join([*([labels] if labels else []), *added])
            yield f"{name}{{{joined}}} {value} {exposed.at:.3f}\n"


def _sample(pair: Sequence[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
