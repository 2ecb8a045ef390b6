"""Text from outside, made safe for people: for terminals, pages, mails and reports.

A module of its own, since every place that shows anything imports it and nothing else.
"""

import re

from stream.core.limits import TITLE_LENGTH

HIDDEN = "***"
_CUT = "…"
_LOGIN = re.compile(r"(?:(?<=://)[^/\s]*|^[^/@:\s]+:[^/\s]*)@")  # up to the last @, as a password may hold one


def strip_control_characters(text: str) -> str:
    """The text with a space for everything that could steer a terminal or turn text around, line ends included.

    That is every control and format character, among them those that override the direction of writing, unpaired
    surrogates and characters without a meaning of their own.

    >>> strip_control_characters("disk \\x1b[31mfull")
    'disk  [31mfull'
    >>> strip_control_characters("invoice\\u202efdp.exe")
    'invoice fdp.exe'
    """
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def display_text(text: str, length: int = TITLE_LENGTH) -> str:
    """The text as people may be shown it: without control characters, of at most `length` characters.

    What is longer ends in an ellipsis. Markup stays as it is: whoever makes HTML escapes it.

    >>> display_text("Disk full on db-7\\n", 12)
    'Disk full o…'
    """
    return strip_control_characters(text if len(text) <= length else text[: length - 1] + _CUT)


def hide_login(text: str) -> str:
    """The text with *** for the user and the password of each URL in it.

    >>> hide_login("redis://scorer:pa55@redis:6379/0")
    'redis://***@redis:6379/0'
    >>> hide_login("http://ann:p@ss@prometheus:9090"), hide_login("ann:pa55@prometheus:9090")
    ('http://***@prometheus:9090', '***@prometheus:9090')
    """
    return _LOGIN.sub(f"{HIDDEN}@", text)
