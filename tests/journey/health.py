"""What a worker's health server says."""

import urllib.error
import urllib.request

from tests.chaos.cluster import Cluster


def get(cluster: Cluster, path: str) -> tuple[int, str]:
    """Status and body of a page of the worker's health server; (0, why) where it does not answer."""
    url = f"http://127.0.0.1:{cluster.environment['NOISEGATE_METRICS_PORT']}{path}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
