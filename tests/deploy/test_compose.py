"""What `docker compose up` would start is sound: no Docker engine is needed to say so."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prometheus_client import CollectorRegistry

from stream.cli.run import ROOMS
from stream.config import load_settings
from stream.health import HealthServer

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@pytest.fixture(scope="module")
def compose() -> Any:
    """The compose file, read."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def instructions() -> list[list[str]]:
    """The Dockerfile's instructions, each with its arguments."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def arguments(instructions: list[list[str]], name: str) -> Iterator[list[str]]:
    """Of each instruction of that name."""
    return (line[1:] for line in instructions if line[0] == name)


@pytest.mark.slow
def test_it_obeys_the_compose_schema(compose: Any) -> None:
    """The file is valid by the Compose Specification's own JSON Schema."""
    # Read, not imported: only the file that the distribution ships is wanted.
    shipped = distribution("check-jsonschema").locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")
    jsonschema.validate(compose, json.loads(Path(str(shipped)).read_text()))


def test_everything_is_waited_for(compose: Any) -> None:
    """Two scorers start when Kafka and Redis are healthy and the topics are made; what must be healthy can say so."""
    services = compose["services"]
    assert services["scorer"]["deploy"]["replicas"] == 2
    assert services["scorer"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
        "topics": {"condition": "service_completed_successfully"},
    }
    assert services["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    assert all(services[name]["healthcheck"]["test"] for name in ("kafka", "redis"))


def test_every_room_is_a_service_and_no_other_is(compose: Any) -> None:
    """What `noisegate run` can run is what `docker compose up` starts, under the room's own name."""
    commands = {name: service.get("command") or [] for name, service in compose["services"].items()}
    run = {name: command[1:] for name, command in commands.items() if command[:1] == ["run"]}
    assert run == {room: [room] for room in ROOMS}


def test_its_environment_is_settings(compose: Any) -> None:
    """The scorer's environment is accepted by noisegate and points at the services and at folders mounted read-only."""
    scorer = compose["services"]["scorer"]
    settings = load_settings(scorer["environment"])
    mounts = dict(volume.removesuffix(":ro").split(":") for volume in scorer["volumes"] if volume.endswith(":ro"))
    host_of = {target: ROOT / source for source, target in mounts.items()}
    assert settings.kafka.bootstrap_servers.partition(":")[0] in compose["services"]
    assert settings.redis.url.removeprefix("redis://").partition(":")[0] in compose["services"]
    assert host_of[settings.models.store].name == "model_artifacts"
    assert settings.problem is not None
    assert (host_of[str(settings.problem.parent)] / settings.problem.name).is_file()


def test_alerts_go_through_the_relays(compose: Any) -> None:
    """Prometheus posts to every relay by DNS and to nothing else, and each relay to the Alertmanager that is there."""
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    [target] = config["alerting"]["alertmanagers"]
    [discovery] = target.pop("dns_sd_configs")
    assert target == {}
    relay = compose["services"][discovery["names"][0]]
    settings = load_settings(relay["environment"]).relay
    assert (relay["command"], settings.host, settings.port) == (["run", "relay"], "0.0.0.0", discovery["port"])
    [alertmanager] = settings.alertmanagers
    host, _, port = alertmanager.removeprefix("http://").partition(":")
    assert compose["services"][host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    [published] = relay["ports"]
    first, last = published.removeprefix("127.0.0.1:").partition(":")[0].split("-")
    assert int(last) - int(first) + 1 == relay["deploy"]["replicas"] == 2


def test_history_is_never_evicted(compose: Any) -> None:
    """Redis runs with `noeviction`, which start-up insists on, and keeps its data over a restart."""
    command = shlex.join(compose["services"]["redis"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_a_scorer_may_finish_what_it_began(compose: Any) -> None:
    """Docker's grace is longer than the drain's deadline."""
    scorer = compose["services"]["scorer"]
    assert int(scorer["stop_grace_period"].removesuffix("s")) > load_settings(scorer["environment"]).lane.drain_seconds


def test_nothing_is_open_to_the_network(compose: Any) -> None:
    """Ports are published on loopback only: neither Kafka nor Redis asks for a password here."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_is_multi_stage_and_not_root(instructions: list[list[str]]) -> None:
    """What builds stays behind; what runs is a numbered user other than root."""
    assert len(list(arguments(instructions, "FROM"))) >= 2
    last_stage = instructions[max(i for i, line in enumerate(instructions) if line[0] == "FROM") :]
    [[user]] = arguments(last_stage, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert list(arguments(last_stage, "ENTRYPOINT")) == [['["noisegate"]']]


def test_the_image_is_made_from_locks(instructions: list[list[str]]) -> None:
    """Every download is pinned by hash; the project's own wheel is built without any."""
    installs = [" ".join(line) for line in arguments(instructions, "RUN") if "pip" in line]
    steps = [step for line in installs for step in line.split("&&")]
    assert steps
    assert all("--require-hashes" in step or "--no-deps" in step for step in steps)


def test_the_build_context_has_what_is_copied(instructions: list[list[str]]) -> None:
    """.dockerignore lets through each file that the Dockerfile copies, and each is there."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    copies = [line for line in arguments(instructions, "COPY") if not line[0].startswith("--from")]
    sources = [source for line in copies for source in line[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in allowed), source


@pytest.mark.slow
def test_the_image_builds_the_wheel_from_its_context(instructions: list[list[str]], tmp_path: Path) -> None:
    """The Dockerfile's own wheel command runs on nothing but what is copied, and the wheel carries what ships."""
    [build] = [line for line in arguments(instructions, "RUN") if "wheel" in line]
    for line in arguments(instructions[: instructions.index(["RUN", *build])], "COPY"):
        for source in line[:-1]:
            target = tmp_path / line[-1] / (Path(source).name if line[-1] == "./" else "")
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, target)
    command = " ".join(build).partition("&&")[0].split()
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, check=True, timeout=180, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "stream/shipped/simulated.toml" in names
    assert "stream/shipped/model_artifacts/CHAMPION" in names
    assert "stream/dev/demo/rules.toml" in names
    assert "stream/html.css" in names
    assert any(name.startswith("stream/lab/reporting/templates/") for name in names)


@pytest.mark.parametrize(("faults", "status"), [([], 0), (["no progress"], 1)])
def test_the_health_check_tells_life_from_death(instructions: list[list[str]], faults: list[str], status: int) -> None:
    """The image's HEALTHCHECK, run against a real health server, fails when /livez does."""
    [line] = arguments(instructions, "HEALTHCHECK")
    command = json.loads(" ".join(line).partition("CMD ")[2])
    server = HealthServer("127.0.0.1", 0, CollectorRegistry(), live=lambda: faults, ready=list)
    try:
        environ = {"NOISEGATE_METRICS_PORT": str(server.port)}
        assert subprocess.run([sys.executable, *command[1:]], env=environ, timeout=120).returncode == status
    finally:
        server.close()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-runtime.lock", "requirements-build.lock"])
def test_a_lock_pins_by_hash_and_names_no_address(name: str) -> None:
    """Each requirement has a version and hashes; where it comes from is the reader's own business."""
    text = (ROOT / name).read_text()
    requirements = re.findall(r"^[a-z].*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert requirements
    assert all("==" in requirement and "--hash=sha256:" in requirement for requirement in requirements)
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_image_has_what_was_tested() -> None:
    """The image's locks pin nothing that the tests' lock does not."""
    tested = pins("requirements.lock")
    assert pins("requirements-runtime.lock") <= tested
    assert pins("requirements-build.lock") <= tested


def pins(lock: str) -> set[str]:
    """name==version, each."""
    return set(re.findall(r"^\S+==\S+", (ROOT / lock).read_text(), re.MULTILINE))
