"""Which baselines there are."""

from salus_data.errors import UnknownNameError
from salus_predictor.baselines.clocks import CLOCKS
from salus_predictor.baselines.constants import AlwaysNegative, BaseRate
from salus_predictor.baselines.distances import distance_recipes
from salus_predictor.baselines.episodes import episode_recipes
from salus_predictor.baselines.networks import network_recipes
from salus_predictor.baselines.signals import SIGNALS_OF, published_signal, single_signal
from salus_predictor.baselines.windows import WINDOWS
from salus_predictor.model.base import Recipe


def baselines(signal_names: tuple[str, ...]) -> list[Recipe]:
    """All baselines for a store with these signals."""
    return [
        AlwaysNegative(),
        BaseRate(),
        *CLOCKS,
        *(published_signal(name) for name in SIGNALS_OF),
        *distance_recipes(),
        *network_recipes(),
        *episode_recipes(),
        *WINDOWS,
        *(single_signal(name) for name in signal_names),
    ]


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
