"""The page: everything found, the verdict first. One file, without network or script."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from stream.lab.judging.findings import Findings
from stream.lab.reporting import charts, words
from stream.lab.reporting.texts import FILTERS
from stream.plain import plain_lines

_TEMPLATES = Path(__file__).parent / "templates"


def write(findings: Findings) -> str:
    """The findings as one self-contained HTML page. Whatever came out of a log is escaped, and steers nothing."""
    return plain_lines(
        _environment()
        .get_template("page.html")
        .render(
            f=findings,
            model=findings.scores[0] if findings.scores else None,
            best=words.best_baseline(findings),
            charts=charts,
            words=words,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment
