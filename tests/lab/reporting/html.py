"""Reads a page: its tags in balance, its text, its headings, what it refers to, and the shapes of its charts."""

from html.parser import HTMLParser

_VOID = {"meta", "br", "hr", "img", "input", "link"}


class Read(HTMLParser):
    """A page that was read; `faults` is empty where every tag is closed in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.feed(page)
        self.close()
        self.faults += [f"<{tag}> is left open" for tag in self.open]

    @property
    def text(self) -> str:
        """All words, single-spaced."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> out of order")

    def handle_data(self, data: str) -> None:
        """Words."""
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if "style" not in self.open:
            self.words.append(data)


class _Shapes(HTMLParser):
    def __init__(self, page: str, tag: str) -> None:
        super().__init__()
        self.found: list[dict[str, str]] = []
        self._tag = tag
        self.feed(page)
        self.close()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A shape, its attributes as they are written."""
        if tag == self._tag:
            self.found.append({name: value or "" for name, value in attrs})


def shapes(chart: str, tag: str, kind: str | None = None) -> list[dict[str, str]]:
    """The attributes of every shape of a tag (rect, circle, line, polyline), and of a class where one is given."""
    return [one for one in _Shapes(chart, tag).found if kind is None or one["class"] == kind]
