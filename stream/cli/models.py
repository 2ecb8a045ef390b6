"""`noisegate models ...`: model artifacts."""

from pathlib import Path
from typing import Annotated

import typer

from stream.cli import shown

app = typer.Typer(no_args_is_help=True, help="Look at model artifacts.")


@app.callback()
def verbs() -> None:
    """Look at model artifacts."""


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="A version's folder, or a folder of versions: then its champion.")],
    as_json: shown.AsJson = False,
) -> None:
    """Check a model as the scorer would: hashes, features, golden rows. Status 1 if it can't be served."""
    from stream.core.errors import ModelError
    from stream.models.artifact import verify as verify_artifact
    from stream.models.serving import load_model
    from stream.models.store import find, read_pointer

    found = find(folder)
    if found != folder and read_pointer(folder) is None:
        raise ModelError(f"{folder}: no CHAMPION is here, so a scorer serves none; write a version's name into it")
    manifest = verify_artifact(found)
    load_model(found, manifest.problem.definition)
    if as_json:
        report = {
            "folder": str(found),
            "version": manifest.version,
            "created": manifest.created,
            "problem": f"{manifest.problem.name}@{manifest.problem.digest}",
            "features": len(manifest.features),
            "simulated": manifest.training.simulated,
            "files": manifest.files,
            "metrics": manifest.metrics,
        }
        shown.say_json(report)
        return
    console = shown.out()
    simulated = " [yellow](SIMULATED)[/yellow]" if manifest.training.simulated else ""
    console.print(f"[bold]{manifest.version}[/bold]{simulated}  {found}")
    console.print(f"problem   {manifest.problem.name}@{manifest.problem.digest}: {manifest.problem.question}")
    console.print(f"made      {manifest.created:%Y-%m-%d %H:%M} UTC from {manifest.training.used:,} alerts")
    console.print(f"features  {len(manifest.features)}, all known to this code")
    if manifest.metrics is not None:
        of = manifest.metrics.model
        console.print(
            f"metrics   AUC {of.auc:.3f}, ECE {of.ece:.3f}, {of.suppressed_at:.0%} of noise suppressed at "
            f"{manifest.metrics.target_detection:.0%} detection, on {manifest.metrics.judged:,} alerts"
        )
    console.print(f"sound     {len(manifest.files)} files have their hashes, the golden rows their probabilities")
