"""`python -m stream.monitoring write` writes rules, dashboards and the reference of metrics anew."""

import argparse
import re
import sys
from pathlib import Path

from stream.monitoring.queries.service import DEFAULT_JOB
from stream.monitoring.writing import RUNBOOK, write


def job_name(text: str) -> str:
    """A name that fits in PromQL and YAML as it is."""
    if not re.fullmatch(r"[\w./:-]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} has other characters than letters, digits and _ . / : -")
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stream.monitoring")
    parser.add_argument("verb", choices=["write"], help="write rules and dashboards below deploy/, and docs/METRICS.md")
    parser.add_argument("--runbook", default=RUNBOOK, help="where the alerts' runbook_url points, without the #section")
    parser.add_argument("--job", default=DEFAULT_JOB, type=job_name, help=f"the scorers' scrape job ({DEFAULT_JOB})")
    chosen = parser.parse_args()
    for path in write(Path(), chosen.runbook, chosen.job):
        sys.stdout.write(f"{path}\n")
