"""What keeps rules from acting now, as each closer sees it and leaves it in Redis, and as people read it. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

SEEN_SECONDS = 60.0  # what a closer left longer ago is over: it leaves it again every few seconds
LAST_GOOD = "the closer goes on with the last good ones"
NO_HISTORY = "alerts come without a score, since the scorers have no history"
LEAST_BLOCKED = 5  # alerts of one reason: of fewer somebody could tell which they are, whose outcome is still open
_BLOCKS_SHOWN = 5


class HeldBrakes(Struct, frozen=True, kw_only=True):
    """What one closer sees.

    Attributes:
        at: when it saw this, seconds since 1970.
        files: why the rules in use are not those of the files, with file, line and mend; empty where they are.
        everything: why no rule acts, a sentence each; a pause of all and a closer that is away stand elsewhere.
        models: why no rule acts by a model, of those that may act by some rule.
        rules: why a rule does not act, by its name.
        blocked: of each rule, how many alerts it left alone in the last hour, by why.
    """

    at: float
    files: str = ""
    everything: tuple[str, ...] = ()
    models: Mapping[str, str] = {}
    rules: Mapping[str, str] = {}
    blocked: Mapping[str, Mapping[str, int]] = {}


class RuleBrakes(Struct, frozen=True, kw_only=True):
    """The same of all closers that run; attributes as of `HeldBrakes`, `files` and `everything` without repetitions.

    Of `blocked` the most frequent reasons, each of at least `LEAST_BLOCKED` alerts.
    """

    files: list[str] = []
    everything: list[str] = []
    models: dict[str, str] = {}
    rules: dict[str, str] = {}
    blocked: dict[str, dict[str, int]] = {}

    @property
    def sentences(self) -> list[str]:
        """What concerns all rules."""
        return [*(f"{one}; {LAST_GOOD}" for one in self.files), *(f"no rule acts: {one}" for one in self.everything)]

    def sentences_of(self, rule: str, models: Iterable[str]) -> list[str]:
        """What concerns one rule, by which these models may act."""
        own = [self.rules[rule]] if rule in self.rules else []
        return [*own, *(self.models[model] for model in models if model in self.models)]

    def blocked_words(self, rule: str) -> str:
        """What the rule left alone in the last hour, by why; empty where that is nothing.

        >>> RuleBrakes(blocked={"a": {"its rule is in a flood": 3, "it is for reading only": 12}}).blocked_words("a")
        '12: it is for reading only; 3: its rule is in a flood'
        """
        return "; ".join(f"{count:,}: {why}" for why, count in Counter(self.blocked.get(rule, {})).most_common())


def merge_brakes(held: Iterable[HeldBrakes], now: float) -> RuleBrakes:
    """What all closers see, without what was left too long ago; `now` in seconds since 1970."""
    fresh = [one for one in held if abs(now - one.at) <= SEEN_SECONDS]
    blocked: dict[str, Counter[str]] = {}
    for one in fresh:
        for rule, whys in one.blocked.items():
            blocked.setdefault(rule, Counter()).update(whys)
    return RuleBrakes(
        files=list(dict.fromkeys(one.files for one in fresh if one.files)),
        everything=list(dict.fromkeys(why for one in fresh for why in one.everything)),
        models={model: why for one in fresh for model, why in one.models.items()},
        rules={rule: why for one in fresh for rule, why in one.rules.items()},
        blocked={rule: shown for rule, whys in blocked.items() if (shown := _shown(whys))},
    )


def _shown(whys: Counter[str]) -> dict[str, int]:
    return {why: count for why, count in whys.most_common(_BLOCKS_SHOWN) if count >= LEAST_BLOCKED}
