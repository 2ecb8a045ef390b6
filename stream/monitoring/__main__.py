"""`python -m stream.monitoring write [--runbook URL]` writes rules, dashboards and the reference of metrics anew."""

import argparse
import sys
from pathlib import Path

from stream.monitoring.writing import RUNBOOK, write

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stream.monitoring")
    parser.add_argument("verb", choices=["write"], help="write rules and dashboards below deploy/, and docs/METRICS.md")
    parser.add_argument("--runbook", default=RUNBOOK, help="where the alerts' runbook_url points, without the #section")
    for path in write(Path(), parser.parse_args().runbook):
        sys.stdout.write(f"{path}\n")
