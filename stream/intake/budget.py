"""How much is worked on at a time: posts, and the bytes of their bodies. What comes beyond is refused for now."""

from types import TracebackType

from stream.intake.errors import Overloaded


class Budget:
    """Posts and bytes in flight; used on the event loop only.

    Args:
        most_posts: how many posts may be worked on.
        most_bytes: how many bytes their bodies may hold, unpacked.
    """

    def __init__(self, most_posts: int, most_bytes: int) -> None:
        self._most_posts, self._most_bytes = most_posts, most_bytes
        self.posts = self.bytes = 0

    def enter(self) -> "Share":
        """The share of one post, which ends with its `with` block. Raises Overloaded."""
        if self.posts >= self._most_posts:
            raise Overloaded(f"{self.posts:,} posts are worked on already")
        self.posts += 1
        return Share(self)

    def take(self, count: int) -> None:
        """Take so many bytes. Raises Overloaded."""
        if self.bytes + count > self._most_bytes:
            raise Overloaded(f"the bodies that are worked on hold {self.bytes:,} bytes already")
        self.bytes += count


class Share:
    """What one post holds of a budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.bytes = 0

    def take(self, count: int) -> None:
        """Take so many bytes more. Raises Overloaded."""
        self._budget.take(count)
        self.bytes += count

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._budget.bytes -= self.bytes
        self._budget.posts -= 1
