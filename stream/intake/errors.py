"""Why a whole post is refused, each with its HTTP status; what the body itself is refused for is `BadRequest`."""

from stream.sources.parsed import BadRequest


class Unavailable(BadRequest):
    """503: nothing is wrong with the post, it may be sent again after `retry_seconds`."""

    retry_seconds = 5

    def __init__(self, sentence: str) -> None:
        super().__init__(503, "", f"{sentence}; send it again later")


class Overloaded(Unavailable):
    """503: too much is worked on already."""

    retry_seconds = 2


class Disconnected(Exception):
    """The sender left before its body was whole; nobody waits for an answer."""
