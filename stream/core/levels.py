"""The levels that an alert belongs to, and the keys under which their states are kept."""

LevelKey = str
TEAM, TEAM_RULE, TEAM_ENTITY, TEAM_RULE_ENTITY, FIRST_LABEL = range(5)
"""Indices into an alert's keys; of each history label come two, the second with the rule."""


def level_count(labels: int) -> int:
    """How many levels an alert has where the problem names so many history labels."""
    return FIRST_LABEL + 2 * labels


def levels_with_rule(labels: int) -> tuple[int, ...]:
    """The indices of the levels that hold the alert's rule."""
    return (TEAM_RULE, TEAM_RULE_ENTITY, *range(FIRST_LABEL + 1, level_count(labels), 2))


def level_keys(team: str, rule: str, entity: str, names: tuple[str, ...], values: tuple[str | None, ...]) -> list[str]:
    """The keys of an alert's levels: team, team+rule, team+entity, team+rule+entity, then two a history label.

    NUL, which no name may hold, parts the names. A label the alert lacks has no level: its keys are empty.
    """
    keys = [
        f"t\0{team}",
        f"tr\0{team}\0{rule}",
        f"te\0{team}\0{entity}",
        f"tre\0{team}\0{rule}\0{entity}",
    ]
    for name, value in zip(names, values, strict=True):
        if value is None:
            keys += ("", "")
        else:
            keys += (f"tl\0{team}\0{name}\0{value}", f"trl\0{team}\0{rule}\0{name}\0{value}")
    return keys
