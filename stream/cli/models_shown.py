"""What `noisegate models` prints: versions, one version, a change, differences."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from rich.markup import escape
from rich.table import Column, Table

from stream.cli import options
from stream.models.changes import Change
from stream.models.differences import Difference
from stream.models.manifest import GateVerdict, Manifest
from stream.models.pointers import Pointer
from stream.console import strip_control_characters


class Row(Struct, frozen=True, kw_only=True):
    """One line of the list; `fault` where the manifest can't be read."""

    version: str
    created: str | None = None
    simulated: bool | None = None
    gate: str | None = None
    auc: float | None = None
    roles: list[str] = []
    signed: bool = False
    size: int = 0
    workers: list[str] = []
    fault: str | None = None


def gate_word(manifest: Manifest) -> str:
    """passed, failed, not tested, or that nobody judged."""
    return "not judged" if manifest.gate is None else manifest.gate.result


def roles_of(version: str, champion: Pointer | None, challenger: Pointer | None) -> list[str]:
    """What the pointers make of a version."""
    roles = ["champion"] if champion is not None and champion.default == version else []
    if champion is not None:
        roles += [f"champion of {team}" for team, served in champion.teams.items() if served == version]
    return roles + (["challenger"] if challenger is not None and challenger.default == version else [])


def say_list(url: str, rows: Sequence[Row], notes: Sequence[str]) -> None:
    """The versions of a store as a table."""
    console = stdout_console()
    wide = max((len(row.version) for row in rows), default=0)
    version = Column("version", no_wrap=True, min_width=wide)
    role_of, workers = Column("role", overflow="fold"), Column("workers", overflow="fold")
    table = Table(version, "made", "gate", "AUC", role_of, "signed", "KiB", workers, box=None, pad_edge=False)
    for row in rows:
        auc = "" if row.auc is None else f"{row.auc:.3f}"
        role = row.fault or ", ".join(row.roles)
        made = (row.created or "")[5:16].replace("T", " ")
        cells = (row.version, made, row.gate or "", auc, role, "yes" if row.signed else "no")
        table.add_row(*map(escape, cells), f"{row.size / 1024:,.0f}", escape(", ".join(row.workers)))
    console.print(f"{escape(url)}: {len(rows)} versions")
    if rows:
        console.print(table)
    for note in notes:
        console.print(note, markup=False)


def report_of(manifest: Manifest, folder: str | None = None) -> dict[str, Any]:
    """A version for machines."""
    return {
        "folder": folder,
        "version": manifest.version,
        "created": manifest.created,
        "problem": f"{manifest.problem.name}@{manifest.problem.digest}",
        "features": len(manifest.features),
        "simulated": manifest.training.simulated,
        "gate": _gate(manifest.gate),
        "files": manifest.files,
        "metrics": manifest.metrics,
    }


def _gate(gate: GateVerdict | None) -> dict[str, Any] | None:
    if gate is None:
        return None
    return {"result": gate.result, "passed": gate.passed, "failed": gate.failed, "not_tested": gate.not_tested}


def say_version(manifest: Manifest, where: str) -> None:
    """A version for people."""
    console = stdout_console()
    simulated = " [yellow](SIMULATED)[/yellow]" if manifest.training.simulated else ""
    console.print(f"[bold]{manifest.version}[/bold]{simulated}  {escape(where)}")
    console.print(f"problem   {manifest.problem.name}@{manifest.problem.digest}: {manifest.problem.question}")
    console.print(f"made      {manifest.created:%Y-%m-%d %H:%M} UTC from {manifest.training.used:,} alerts")
    console.print(f"features  {len(manifest.features)}")
    if manifest.metrics is not None:
        of = manifest.metrics.model
        console.print(
            f"metrics   AUC {of.auc:.3f}, ECE {of.ece:.3f}, {of.suppressed_at:.0%} of noise suppressed at "
            f"{manifest.metrics.target_detection:.0%} detection, on {manifest.metrics.judged:,} alerts"
        )
    faults = manifest.gate.faults if manifest.gate is not None else []
    console.print(strip_control_characters(f"gate      {'; '.join([gate_word(manifest), *faults])}"), markup=False)


def say_change(change: Change, as_json: bool) -> None:
    """What has just been done, or was."""
    if as_json:
        print_json(change)
        return
    stdout_console().print(sentence(change), markup=False)


def sentence(change: Change) -> str:
    """A change in one line."""
    moved = ""
    if change.pointer is not None:
        moved = f": {change.pointer} {_pointed(change.before)} -> {_pointed(change.after)}"
    forced = " FORCED" if change.forced else ""
    reason = f" ({change.reason})" if change.reason else ""
    about = f" {change.version}" if change.version else ""
    return f"{change.at:%Y-%m-%d %H:%M:%S}Z {change.who} {change.verb}{about}{moved}{forced}{reason}"


def say_differences(found: Mapping[str, Sequence[Difference]]) -> None:
    """What differs, by subject; what does not is not told."""
    console = stdout_console()
    table = Table("", "", "before", "after", box=None, pad_edge=False)
    for subject, rows in found.items():
        for place, row in enumerate(rows):
            cells = (subject if place == 0 else "", row.name, _value(row.before), _value(row.after))
            table.add_row(*map(escape, cells))
    if table.row_count:
        console.print(table)
    else:
        console.print("nothing differs")


def _pointed(pointer: Pointer | None) -> str:
    if pointer is None:
        return "nothing"
    teams = "".join(f", {team} = {version}" for team, version in pointer.teams.items())
    return pointer.default + teams


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
