"""Text from outside, made safe to show to a person."""

import json


def strip_control_characters(text: str) -> str:
    """The text with a space for everything that could steer a terminal.

    >>> strip_control_characters("disk \\x1b[31mfull")
    'disk  [31mfull'
    """
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def strip_lines(text: str) -> str:
    """The same of a text of several lines, whose line ends stay.

    >>> strip_lines("disk\\x1b[2J\\nfull")
    'disk [2J\\nfull'
    """
    return "\n".join(map(plain, text.split("\n")))


def escape_json(document: str) -> str:
    """A JSON document of one line, equal when it is read, with escapes for everything that could steer a terminal.

    >>> escape_json('{"title":"disk \\x9b31m"}')
    '{"title":"disk \\\\u009b31m"}'
    """
    if document.isprintable():
        return document
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in document)
