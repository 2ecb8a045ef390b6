"""Run a lane's Faust app as this process's worker, and end with an honest exit status."""

import logging
import sys

import faust

from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.lane.app import Lane

log = logging.getLogger(__name__)
EXIT_FAULT = 1


def run_worker(app: faust.App, lane: Lane, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (status 0) or a fault (status 1)."""
    worker = faust.Worker(
        app,
        loglevel=settings.log_level.upper(),
        override_logging=False,
        redirect_stdouts=False,
        quiet=True,
    )
    status = 0
    try:
        worker.execute_from_commandline()  # always leaves by SystemExit, or by what crashed it
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 0
    except Exception as error:
        lane.fault = lane.fault or error
    if isinstance(lane.fault, NoisegateError):
        sys.stderr.write(f"noisegate: {lane.fault}\n")
    return EXIT_FAULT if lane.fault is not None else status
