"""`noisegate models ...`: look at versions, move the pointers, sign."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli import options
from stream.console import print_json, stdout_console

if TYPE_CHECKING:
    from stream.models.store import Store

app = typer.Typer(no_args_is_help=True, help="List, check, promote and roll back models.")

VersionArg = Annotated[str, typer.Argument(metavar="VERSION", help="A version of the store.")]
Force = Annotated[
    str | None, typer.Option(help="Override the checks, and give the reason. It is kept in the log of changes.")
]


@app.callback()
def verbs() -> None:
    """List, check, promote and roll back models."""


@app.command("list")
def list_versions(as_json: options.AsJson = False) -> None:
    """List the versions of the store, their roles, and what each worker runs."""
    from stream.cli.models_output import print_list
    from stream.cli.models_query import list_versions as query_versions

    settings, store = options.settings(), _store()
    rows, notes = query_versions(settings, store)
    if as_json:
        print_json({"store": store.url, "versions": rows, "notes": notes})
    else:
        print_list(store.url, rows, notes)


@app.command()
def show(version: VersionArg, as_json: options.AsJson = False) -> None:
    """Show one version: its origin, its figures and its changes."""
    from stream.cli.models_output import change_line, print_version, version_report

    store = _store()
    manifest = store.manifest(version)
    about = [change for change in store.changes() if change.version == version]
    if as_json:
        print_json({**version_report(manifest, f"{store.url}/{version}"), "changes": about})
        return
    print_version(manifest, f"{store.url}/{version}")
    for change in about:
        stdout_console().print(f"change    {change_line(change)}", markup=False)


@app.command()
def verify(
    what: Annotated[
        str | None, typer.Argument(help="A version of the store, a version's folder, or a folder of versions.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a model as a scorer does: hashes, features, golden rows, signature. Status 1 if it can't be served."""
    from stream.cli.models_output import print_version, version_report
    from stream.cli.models_query import verify as verify_version

    folder, manifest = verify_version(options.settings(), what)
    if as_json:
        print_json(version_report(manifest, str(folder)))
        return
    print_version(manifest, str(folder))
    stdout_console().print(
        f"sound     {len(manifest.files)} files match their hashes, and the golden rows their probabilities"
    )


@app.command()
def promote(
    version: VersionArg,
    team: Annotated[
        list[str] | None, typer.Option(help="Promote for this team or pattern of teams only. May be repeated.")
    ] = None,
    force: Force = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a version the champion, if it passed the gate and was not worse as challenger."""
    from stream.cli.models_output import print_change
    from stream.cli.models_query import live_comparison_of, loader_of
    from stream.models.promotion import promote as promote_version

    settings, store, reason = options.settings(), _store(), _reason(force)
    compare_live = live_comparison_of(settings, store)
    print_change(promote_version(loader_of(settings, store), compare_live, version, team or [], reason), as_json)


@app.command()
def challenge(
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="A version of the store.")] = None,
    none: Annotated[bool, typer.Option("--none", help="End the present challenge.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Let a version score beside the champion, in shadow."""
    from stream.cli.models_output import print_change
    from stream.cli.models_query import loader_of
    from stream.core.errors import ModelError
    from stream.models.promotion import challenge as challenge_with
    from stream.models.promotion import end_challenge

    if none == (version is not None):
        raise ModelError("name a version, or give --none to end the challenge")
    if version is None:
        print_change(end_challenge(_store()), as_json)
    else:
        print_change(challenge_with(loader_of(options.settings(), _store()), version), as_json)


@app.command()
def retire(version: VersionArg, force: Force = None, as_json: options.AsJson = False) -> None:
    """Remove a version from the store for good."""
    from stream.cli.models_output import print_change
    from stream.models.promotion import retire as retire_version

    print_change(retire_version(_store(), version, _reason(force)), as_json)


@app.command()
def rollback(as_json: options.AsJson = False) -> None:
    """Restore CHAMPION as it was before its last change. Run again to go one change further back."""
    from stream.cli.models_output import print_change
    from stream.models.promotion import rollback as roll_back

    print_change(roll_back(_store()), as_json)


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="VERSION")],
    after: Annotated[str, typer.Argument(metavar="VERSION")],
    as_json: options.AsJson = False,
) -> None:
    """Compare two versions: features, thresholds, training, metrics, and the priors that moved most."""
    from stream.cli.models_output import print_differences
    from stream.models.differences import differences

    store = _store()
    found = differences(store.manifest(before), store.manifest(after))
    if as_json:
        print_json(found)
    else:
        print_differences(found)


@app.command()
def sign(
    version: VersionArg,
    key: Annotated[Path, typer.Option(help="Private key to sign with; see `models keys`.")],
    as_json: options.AsJson = False,
) -> None:
    """Sign a version, after checking its files against their hashes."""
    from stream.cli.models_output import print_change
    from stream.models.promotion import sign as sign_version

    print_change(sign_version(_store(), options.settings().models.cache, version, key), as_json)


@app.command()
def keys(
    file: Annotated[Path, typer.Argument(help="File for the private key. The public key gets the suffix .pub.")],
    as_json: options.AsJson = False,
) -> None:
    """Create a key pair for signing models."""
    from stream.models.signing import make_keys

    public = make_keys(file)
    if as_json:
        print_json({"private": str(file), "public": str(public)})
        return
    stdout_console().print(f"{file}: the private key; keep it where models are signed, and nowhere else", markup=False)
    stdout_console().print(f"{public}: the public key; set model_keys to it where models are served", markup=False)


def _store() -> "Store":
    from stream.models.store import Store

    return Store(options.settings().models.store)


def _reason(force: str | None) -> str | None:
    from stream.core.errors import ModelError

    if force is not None and not force.strip():
        raise ModelError("--force needs a reason, which is kept in the log of changes")
    return force
