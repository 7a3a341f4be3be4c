"""Which baselines there are."""

from salus_data.errors import UnknownNameError
from salus_predictor.baselines.clocks import CLOCKS
from salus_predictor.baselines.constants import AlwaysNegative, BaseRate
from salus_predictor.model.base import Recipe


def baselines(signal_names: tuple[str, ...]) -> list[Recipe]:
    """All baselines for a store with these signals, in the order of tables."""
    del signal_names
    return [AlwaysNegative(), BaseRate(), *CLOCKS]


def chosen(recipes: list[Recipe], names: str) -> list[Recipe]:
    """Those whose names stand in a list separated by commas; all for an empty list.

    Raises:
        UnknownNameError: a name is not among them.
    """
    if not names:
        return recipes
    known = {recipe.name: recipe for recipe in recipes}
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            raise UnknownNameError("baseline", name, known)
    return [known[name] for name in wanted]
