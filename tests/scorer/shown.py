"""What /metrics shows, for tests."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stream.metrics.scorer import ScorerMetrics

Series = dict[tuple[tuple[str, str], ...], float]


def text_of(metrics: ScorerMetrics) -> str:
    """The page as Prometheus reads it."""
    return generate_latest(metrics.registry).decode()


def shown(metrics: ScorerMetrics, *beginnings: str) -> Series:
    """Every sample, by name and labels; `beginnings` (without noisegate_) choose."""
    chosen = tuple(f"noisegate_{name}" for name in beginnings or ("",))
    found: Series = {}
    for family in text_string_to_metric_families(text_of(metrics)):
        for sample in family.samples:
            if sample.name.startswith(chosen):
                found[("name", sample.name.removeprefix("noisegate_")), *sorted(sample.labels.items())] = sample.value
    return found


def total(of: ScorerMetrics | Series, name: str, **labels: str) -> float:
    """The sum of all samples of one name with these labels; reading a page once serves many questions."""
    wanted = {("name", name), *labels.items()}
    samples = of if isinstance(of, dict) else shown(of, name)
    return sum(value for key, value in samples.items() if wanted <= set(key))
