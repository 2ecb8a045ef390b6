"""The run log: a file for each training, adoption and evaluation, so that a test part is not seen often unnoticed.

A folder of models holds it as `runs/*.json`. With MLFLOW_TRACKING_URI set, a run is sent to MLflow as well.
"""

import hashlib
import math
import secrets
import sys
from collections import Counter
from collections.abc import MutableMapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from stream import __version__
from stream.core.errors import LabError, first_line
from stream.core.text import hide_login
from stream.extras import import_extra
from stream.files import AnyPath, atomic_write
from stream.models.manifest import Manifest, Metrics

FOLDER = "runs"
TRACKING_URI = "MLFLOW_TRACKING_URI"
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""How long a server that is away is waited for: by MLflow's defaults, minutes after the model is written."""
Verb = Literal["train", "adopt", "evaluate"]
_BLOCK = 1 << 20
_BYTES_MOST = 1 << 20  # of one run's file


class Run(Struct, frozen=True, kw_only=True):
    """One look at a log.

    Attributes:
        at: when it ended.
        verb: what was done.
        command: as it was typed.
        log: the log's name, `log_sha256` of its bytes.
        problem: name and digest.
        split_at: where the judged part begins.
        model: the version that came of it, or was judged.
        options: of the training, its parameters among them.
        metrics: on the judged part.
        gate: passed, failed, or not tested; None where none was asked.
        noisegate: the version of this code.
    """

    at: datetime
    verb: Verb
    command: str
    log: str
    log_sha256: str
    problem: str
    split_at: datetime
    model: str
    options: dict[str, str | int | float | bool | None] = {}
    metrics: Metrics | None = None
    gate: str | None = None
    noisegate: str = __version__


def run_of(verb: Verb, manifest: Manifest, log: AnyPath, command: str, name: str | None = None) -> Run:
    """The run of a version that was just written; `name` is the log's where `log` is a copy of it."""
    made = manifest.training
    return Run(
        at=datetime.now(UTC),
        verb=verb,
        command=command,
        log=name or Path(log).name,
        log_sha256=hash_of(Path(log)),
        problem=f"{manifest.problem.name}@{manifest.problem.digest}",
        split_at=made.split_at,
        model=manifest.version,
        options={"seed": made.seed, "split": made.split, **made.options, **made.params},
        metrics=manifest.metrics,
        gate=None if manifest.gate is None else manifest.gate.result,
    )


def hash_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def write_run(run: Run, models: AnyPath) -> Path:
    """Write a run into the run log of a folder of models; returns its file.

    Raises:
        LabError: it can't be written.
    """
    folder = Path(models) / FOLDER
    path = folder / f"{run.at:%Y-%m-%dT%H-%M-%S}-{run.verb}-{secrets.token_hex(3)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(path, msgspec.json.format(msgspec.json.encode(run), indent=1) + b"\n")
    except OSError as error:
        raise LabError(f"{path}: can't be written: {error.strerror or error}") from None
    return path


def read_runs(models: AnyPath) -> list[Run]:
    """The runs of a folder of models, oldest first.

    Raises:
        LabError: one of the files is no run.
    """
    decoder, runs = msgspec.json.Decoder(Run), []
    for path in sorted((Path(models) / FOLDER).glob("*.json")):
        try:
            if path.stat().st_size > _BYTES_MOST:
                raise LabError(f"{path}: is too large for a run", "move it elsewhere")
            runs.append(decoder.decode(path.read_bytes()))
        except (OSError, msgspec.DecodeError, ValueError) as error:
            raise LabError(f"{path}: is no run: {error}", "move it elsewhere") from None
    return sorted(runs, key=lambda run: run.at)


def looks(runs: Sequence[Run]) -> dict[str, int]:
    """How often models were judged on each log, by its hash: what is looked at often is no test any more."""
    return dict(Counter(run.log_sha256 for run in runs if run.metrics is not None))


def require_tracking(environment: MutableMapping[str, str]) -> Any:
    """MLflow where MLFLOW_TRACKING_URI is set, else None; asked for before anything is learnt.

    Args:
        environment: of this process, which MLflow reads too. It gets `PATIENCE`, where that is not set.

    Raises:
        LabError: it is set, and the extra is not installed, or MLflow keeps no runs in the folder that it names.
    """
    uri = environment.get(TRACKING_URI)
    if not uri:
        return None
    for name, value in PATIENCE.items():
        environment.setdefault(name, value)
    mlflow = import_extra("mlflow", "mlflow", f"{TRACKING_URI} needs", LabError)
    if urlsplit(uri).scheme in ("", "file"):
        _check_folder(mlflow, uri)
    return mlflow


def _check_folder(mlflow: Any, uri: str) -> None:
    """Open a folder of runs, which newer versions of MLflow refuse."""
    try:
        mlflow.MlflowClient(uri)
    except Exception as error:  # MLflow's, or of the file system
        reason = first_line(error).partition(". ")[0]
        mend = "name a database, such as sqlite:///mlflow.db, or set MLFLOW_ALLOW_FILE_STORE=true"
        raise LabError(f"{TRACKING_URI}={uri}: {reason}", mend) from None


def track(mlflow: Any, run: Run, folder: Path | None) -> str | None:
    """Send a run to MLflow, with the files of a version; returns why that failed, for the run stands without it.

    MLflow's client reads from the environment where to. What it prints goes to stderr.
    """
    try:
        with redirect_stdout(sys.stderr):
            mlflow.set_experiment(run.problem.partition("@")[0])
            with mlflow.start_run(run_name=run.model):
                mlflow.set_tags(_tags(run))
                mlflow.log_params({name: str(value) for name, value in run.options.items()})
                mlflow.log_metrics(_numbers(run))
                if folder is not None:
                    mlflow.log_artifacts(str(folder))
    except Exception as error:  # whatever a client raises: the version is written already
        return f"not tracked in MLflow: {hide_login(first_line(error))}"
    return None


def _tags(run: Run) -> dict[str, str]:
    tags = {"verb": run.verb, "command": run.command, "log": run.log, "log_sha256": run.log_sha256}
    tags |= {"problem": run.problem, "model": run.model, "split_at": run.split_at.isoformat()}
    return {**tags, "gate": run.gate or "not judged", "noisegate": run.noisegate}


def _numbers(run: Run) -> dict[str, float]:
    """The figures of the model and the baselines that are numbers."""
    if run.metrics is None:
        return {}
    scores = {"model": run.metrics.model, **run.metrics.baselines}
    numbers = {"judged": float(run.metrics.judged), "label_rate": run.metrics.label_rate}
    for score, figures in scores.items():
        for name, value in msgspec.structs.asdict(figures).items():
            numbers[f"{score}.{name}"] = float(value)
    return {name: value for name, value in numbers.items() if math.isfinite(value)}
