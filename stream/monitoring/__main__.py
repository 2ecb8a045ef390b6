"""`python -m stream.monitoring write [--runbook URL]`: deploy/prometheus/rules and deploy/grafana/dashboards anew."""

import argparse
import sys

from stream.monitoring.writing import DEPLOY, RUNBOOK, write

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m stream.monitoring")
    parser.add_argument("verb", choices=["write"], help="write rules and dashboards below deploy/")
    parser.add_argument("--runbook", default=RUNBOOK, help="where the alerts' runbook_url points, without the #section")
    for path in write(DEPLOY, parser.parse_args().runbook):
        sys.stdout.write(f"{path}\n")
