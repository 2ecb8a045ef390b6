"""The consumer group of each room."""

SCORER, CLOSER = "scorer", "closer"


def consumer_group(deployment: str, room: str) -> str:
    """The consumer group of a room; the scorer's is the deployment's own name.

    >>> consumer_group("noisegate", "scorer"), consumer_group("noisegate", "closer")
    ('noisegate', 'noisegate-closer')
    """
    return deployment if room == SCORER else f"{deployment}-{room}"
