"""Text from outside, made safe to show to a person."""


def plain(text: str) -> str:
    """The text with a space for everything that could steer a terminal.

    >>> plain("disk \\x1b[31mfull")
    'disk  [31mfull'
    """
    return "".join(letter if letter.isprintable() else " " for letter in text)
