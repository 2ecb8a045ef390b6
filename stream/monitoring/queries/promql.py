"""Pieces of PromQL: selectors, and sums over workers. All sum by `job`, so that two deployments do not mix."""

from collections.abc import Sequence


def select(name: str, *matchers: str) -> str:
    """A series with its matchers: select('up', 'job="a"') is up{job="a"}."""
    return f"{name}{{{','.join(matchers)}}}" if matchers else name


def equals(label: str, value: str) -> str:
    """A matcher."""
    return f'{label}="{value}"'


def raw(name: str, *matchers: str) -> str:
    """A metric of the catalogue."""
    return select(f"noisegate_{name}", *matchers)


def recorded(name: str, window: str = "", *matchers: str) -> str:
    """A recording rule's series; `window` ends its name."""
    return select(f"noisegate:{name}" + (f":{window}" if window else ""), *matchers)


def total(by: Sequence[str], vector: str) -> str:
    """Summed over everything but these labels."""
    return f"sum by ({', '.join(by)}) ({vector})"


def greatest(by: Sequence[str], vector: str) -> str:
    """One of what all workers say alike."""
    return f"max by ({', '.join(by)}) ({vector})"


def increase(by: Sequence[str], name: str, window: str, *matchers: str) -> str:
    """What a counter of all workers grew by in the window; right under resets, and as workers come and go."""
    return total(by, f"increase({raw(name, *matchers)}[{window}])")


def rate(by: Sequence[str], name: str, window: str, *matchers: str) -> str:
    """The same, a second."""
    return total(by, f"rate({raw(name, *matchers)}[{window}])")


def ratio(part: str, whole: str) -> str:
    """A share; no series where the whole is nothing."""
    return f"{part}\n/\n({whole} > 0)"
