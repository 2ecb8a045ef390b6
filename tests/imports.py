"""What source texts of stream import, read with ast: nothing is run."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import stream

ROOT = Path(stream.__file__).parent
BY_NAME = frozenset({"import_module", "import_extra", "__import__"})  # functions that import the module they are given
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})  # of datetime and date
OUTSIDE_CALLS = frozenset({"open", "input", "print"})


class Import(NamedTuple):
    """One import: the module that holds it, and what it names in full."""

    importer: str
    target: str


def area(module: str) -> str:
    """The package or flat module under stream that a dotted name lies in; empty for stream itself and all else."""
    top, _, rest = module.partition(".")
    return rest.partition(".")[0] if top == "stream" else ""


def sources() -> Iterator[tuple[str, Path]]:
    """Every module under stream by its dotted name."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), path


PACKAGES = frozenset(name for name, path in sources() if path.name == "__init__.py")


def imports_of(module: str, source: str, is_package: bool = False) -> set[Import]:
    """All imports of a source text: also those in functions, under TYPE_CHECKING, relative, and by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node, is_package)
            # `from stream.core import fold` names a module, `from stream.core.fold import Fold` something in one
            found |= {f"{base}.{alias.name}" for alias in node.names} if base in PACKAGES else {base}
        elif isinstance(node, ast.Call) and _name(node.func) in BY_NAME:
            found |= {str(one.value) for one in node.args[:1] if isinstance(one, ast.Constant)}
    return {Import(module, target) for target in found}


def all_imports() -> set[Import]:
    """The imports of every module under stream."""
    found: set[Import] = set()
    for module, path in sources():
        found |= imports_of(module, path.read_text(encoding="utf-8"), path.name == "__init__.py")
    return found


def impure(source: str) -> list[int]:
    """The lines in which a source text opens a file, prints, reads the environment or looks at the clock."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.expr) and _is_impure(node)]


def cycles(imports: Iterable[Import]) -> list[list[str]]:
    """Packages and flat modules of stream that import each other, directly or not."""
    edges: dict[str, set[str]] = {}
    for one in imports:
        here, there = area(one.importer), area(one.target)
        if here and there and here != there:
            edges.setdefault(here, set()).add(there)
    reach = {start: _reachable(start, edges) for start in edges}
    found = {tuple(sorted(b for b in reach[a] if a in reach.get(b, ()))) for a in reach if a in reach[a]}
    return [list(one) for one in sorted(found)]


def _reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        new = edges.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def _base(module: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    above = parts[: len(parts) - node.level + is_package]
    return ".".join([*above, *([node.module] if node.module else [])])


def _is_impure(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("environ", "getenv")
    if not isinstance(node, ast.Call):
        return False
    return _name(node.func) in (CLOCK_CALLS if isinstance(node.func, ast.Attribute) else OUTSIDE_CALLS)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
