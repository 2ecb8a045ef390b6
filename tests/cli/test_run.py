"""`noisegate run scorer`: what it says when it can't."""

import os
import socket
import subprocess
import sys

from tests.cli.conftest import Scored

ENDS_SECONDS = 60


def test_a_port_in_use_is_one_sentence_at_the_end(scored: Scored) -> None:
    """Where another process listens, standard error is that line, which names the setting to change; status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {**scored.env, "NOISEGATE_DEPLOYMENT": "other", "NOISEGATE_METRICS_PORT": port}
        ran = subprocess.run(
            [sys.executable, "-m", "stream", "run", "scorer"],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=ENDS_SECONDS,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"noisegate: metrics_port = {port}: ")
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout == ""
