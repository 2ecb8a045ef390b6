"""Run a lane's Faust app as this process's worker, and end with an honest exit status."""

import logging
import sys

from faust import Worker

from stream.config import Settings
from stream.core.errors import NoisegateError
from stream.lane.app import Lane

log = logging.getLogger(__name__)
EXIT_FAULT = 1


def run_worker(app: object, lane: Lane, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (status 0) or a fault (status 1)."""
    worker = Worker(
        app,
        loglevel=settings.log_level.upper(),
        override_logging=False,
        redirect_stdouts=False,
        console_port=None,
        quiet=True,
    )
    try:
        worker.execute_from_commandline()
    except SystemExit as stopped:
        code = stopped.code if isinstance(stopped.code, int) else EXIT_FAULT
        return EXIT_FAULT if lane.fault is not None else code
    if lane.fault is not None:
        if isinstance(lane.fault, NoisegateError):
            sys.stderr.write(f"noisegate: {lane.fault}\n")
        return EXIT_FAULT
    return 0
